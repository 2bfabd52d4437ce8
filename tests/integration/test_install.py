"""`pip install .` on machines with and without Rust: the native codec where it can be built, else the other, and no error."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.plugins.fix_headrace import REPOSITORY

_SAY = """
from shared.codec import implementation
from shared.runtime import codecs, logs
from shared.settings import Settings

logs.configure(Settings())
codecs.announce(implementation(), Settings())
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The files that git knows, as a clone has them."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    ).stdout
    for name in filter(None, names.decode().split("\0")):
        if (REPOSITORY / name).is_file() and not name.startswith(("tests/", "docs/")):
            (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, tmp_path / "source" / name)
    return tmp_path / "source"


def wheel(source: Path, path: str) -> tuple[Path, str]:
    """The wheel that pip builds with these programs, and what it said."""
    # What this checkout's own build has compiled need not be compiled again.
    target = {"CARGO_TARGET_DIR": str(REPOSITORY / "shared" / "codec" / "native" / "target")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--verbose",
            "--wheel-dir",
            str(source.parent),
            str(source),
        ],
        env=os.environ | target | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=500,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    (made,) = source.parent.glob("*.whl")
    return made, said


def codec_of(made: Path) -> str:
    """What a process says of its codec when it starts, which has the wheel's packages and none of the checkout's."""
    folder = made.parent / "installed"
    with zipfile.ZipFile(made) as archive:
        archive.extractall(folder)
    environment = {name: value for name, value in os.environ.items() if name != "HEADRACE_CODEC"}
    done = subprocess.run(
        [sys.executable, "-c", _SAY],
        env=environment | {"PYTHONPATH": str(folder)},
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_a_machine_without_rust_gets_the_python_codec_and_is_told(source: Path) -> None:
    bare = os.pathsep.join(
        folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "cargo").exists()
    )
    assert shutil.which("cargo", path=bare) is None
    made, _ = wheel(source, bare)
    said = codec_of(made)
    assert "codec_is_slow" in said and "codec=python" in said.replace(" ", "")


def test_the_wheel_holds_a_native_codec_for_all_versions_of_python(source: Path) -> None:
    if shutil.which("cargo") is None:
        made, _ = wheel(source, os.environ["PATH"])
        assert "python" in codec_of(made)
        return
    made, said = wheel(source, os.environ["PATH"])
    assert "cp311-abi3" in made.name, said
    assert "native" in codec_of(made)
    assert any(name.startswith("shared/adapters/kafka/_enqueue") for name in zipfile.ZipFile(made).namelist())
