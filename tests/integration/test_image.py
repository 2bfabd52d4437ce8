"""What the image holds, made by the Dockerfile's own steps without a container: the programs from the files that it copies."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.test_install import wheel
from tests.plugins.fix_headrace import REPOSITORY

DOCKERFILE = (REPOSITORY / "compose" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has only what the image's has."""
    folder = tmp_path_factory.mktemp("image")
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)[:4]:
        for name in line.split()[:-1]:
            copy(REPOSITORY / name, folder / "source" / name)
    made, _ = wheel(folder / "source", os.environ["PATH"])
    (options,) = re.findall(r'/opt/headrace/bin/pip install (.*) "\$\(echo /wheel/\*\.whl\)\$EXTRAS"', DOCKERFILE)
    (extras,) = re.findall(r"^ARG EXTRAS=(.*)$", DOCKERFILE, re.MULTILINE)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    kept = [option for option in options.split() if option != "--no-cache-dir"]
    subprocess.run(
        [folder / "venv" / "bin" / "pip", "install", "--quiet", *kept, f"{made}{extras}"], check=True, timeout=400
    )
    return folder / "venv" / "bin"


def copy(source: Path, target: Path) -> None:
    """As .dockerignore has it."""
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", "*.so", "target")
        shutil.copytree(source, target, ignore=ignored)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def run(programs: Path, folder: Path, *words: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "PYTHON"))}
    environment |= {"PATH": f"{programs}:{environment['PATH']}", "HEADRACE_LIVENESS_DIR": str(folder)}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["scheduler", "--version"], "headrace"),
        (["python", "-m", "workers.binlog", "--help"], "Streams the binlog"),
        (["celery", "-A", "workers.app", "worker", "--help"], "--concurrency"),
        (["celery", "-A", "workers.app", "flower", "--help"], "Web based tool"),
    ],
    ids=["scheduler", "binlog", "snapshot", "flower"],
)
def test_the_image_has_the_programs(programs: Path, tmp_path: Path, words: list[str], said: str) -> None:
    done = run(programs, tmp_path, *words)
    assert (done.returncode, said in done.stdout) == (0, True), done.stdout + done.stderr


def test_the_image_has_the_probe(programs: Path, tmp_path: Path) -> None:
    done = run(programs, tmp_path, "python", "-m", "workers.probe")
    assert (done.returncode, "No process shows a sign of life" in done.stderr) == (1, True), done.stderr


def test_the_image_has_the_native_codec_if_rust_is_here(programs: Path, tmp_path: Path) -> None:
    done = run(programs, tmp_path, "python", "-c", "from shared.codec import implementation as i; print(i().name)")
    assert done.stdout.strip() == ("native" if shutil.which("cargo") else "python"), done.stderr
