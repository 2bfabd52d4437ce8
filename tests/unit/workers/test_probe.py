"""Signs of life: a loop that turns is well, one that hangs is not, and what a dead process left behind means nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.errors import InvalidJob, Unavailable
from shared.runtime import liveness
from shared.runtime.liveness import Heart, examine
from workers import probe
from workers.binlog.tenure import Tenure

ROOT = Path(__file__).parents[3]


def the_file(folder: Path) -> Path:
    (found,) = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return found


def late(folder: Path) -> None:
    """As if its loop had hung for a long time."""
    os.utime(the_file(folder), (1.0, 1.0))


def test_a_loop_that_turns_is_well_and_one_that_is_late_is_named(tmp_path: Path) -> None:
    heart = Heart(tmp_path, "loop", 60)
    heart.beat()
    assert examine(tmp_path) == ""
    late(tmp_path)
    assert the_file(tmp_path).name == f"loop-{os.getpid()}"
    assert f"loop-{os.getpid()} is " in examine(tmp_path)


def test_each_loop_is_asked_by_its_own_measure(tmp_path: Path) -> None:
    for seconds in (60.0, 900.0):
        heart = Heart(tmp_path, f"x{seconds:.0f}", seconds)
        before = time.time()
        heart.beat()
        promised = (tmp_path / f"x{seconds:.0f}-{os.getpid()}").stat().st_mtime
        assert before + seconds - 1 <= promised <= time.time() + seconds


def test_one_late_loop_is_enough(tmp_path: Path) -> None:
    hung = Heart(tmp_path, "hung", 60)
    hung.beat()
    late(tmp_path)
    turning = Heart(tmp_path, "turning", 60)
    turning.beat()
    assert examine(tmp_path).startswith("hung-")


def test_a_beat_costs_nothing_soon_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("shared.clock.monotonic_seconds", lambda: now[0])
    heart = Heart(tmp_path, "loop", 60)
    heart.beat()
    late(tmp_path)
    now[0] += 0.5
    heart.beat()
    assert examine(tmp_path) != ""
    now[0] += 0.5
    heart.beat()
    assert examine(tmp_path) == ""


def test_a_loop_that_waits_says_so_and_the_next_beat_ends_it(tmp_path: Path) -> None:
    heart = Heart(tmp_path, "loop", 60)
    heart.beat()
    heart.wait(3600)
    assert the_file(tmp_path).stat().st_mtime > time.time() + 3000
    heart.beat()
    assert the_file(tmp_path).stat().st_mtime < time.time() + 100


def test_work_has_a_sign_only_while_it_lasts(tmp_path: Path) -> None:
    heart = Heart(tmp_path, "attempt", 60)
    for _ in range(2):
        with heart:
            assert examine(tmp_path) == ""
        assert list(tmp_path.iterdir()) == []


def test_no_sign_at_all_is_not_well(tmp_path: Path) -> None:
    assert "No process" in examine(tmp_path)
    assert "No process" in examine(tmp_path / "none")


def test_what_a_dead_process_left_behind_means_nothing_and_is_removed(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from shared.runtime.liveness import Heart; Heart(Path(sys.argv[1]), 'x', 1).beat()"
    subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, check=True)
    late(tmp_path)
    heart = Heart(tmp_path, "loop", 60)
    heart.beat()
    assert examine(tmp_path) == ""
    assert the_file(tmp_path).name.startswith("loop-")


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Heart(None, "loop", 60) as heart:
        heart.wait(60)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_an_error_that_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidJob) as caught:
        Heart(tmp_path / "file", "loop", 60).beat()
    assert caught.value.path == liveness.VARIABLE


def test_a_folder_that_a_leader_cannot_write_does_not_end_its_job_for_good(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    tenure = Tenure.__new__(Tenure)
    tenure._heart = Heart(tmp_path / "file", "tenure", 60)
    with pytest.raises(Unavailable):
        tenure._beat()


def test_the_probe_answers_by_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {liveness.VARIABLE: str(tmp_path)}
    assert probe.main({}) == 2
    assert liveness.VARIABLE in capsys.readouterr().err
    assert probe.main(environment) == 1
    assert "No process" in capsys.readouterr().err
    heart = Heart(tmp_path, "loop", 60)
    heart.beat()
    assert probe.main(environment) == 0
    assert capsys.readouterr().err == ""


def test_the_probe_is_a_program_that_loads_no_library(tmp_path: Path) -> None:
    """It starts every few seconds beside the worker."""
    heart = Heart(tmp_path, "loop", 60)
    heart.beat()
    code = (
        "import runpy, sys\n"
        "try: runpy.run_module('workers.probe', run_name='__main__')\n"
        "except SystemExit as end: print(end.code, sorted({'pydantic', 'celery', 'redis', 'confluent_kafka'} & set(sys.modules)))"
    )
    environment = {**os.environ, liveness.VARIABLE: str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0 []\n", "")
