"""`scheduler submit` and `check`: what is refused, what is written, and what the user is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.preflight.findings import failed, passed
from shared.errors import Unavailable
from shared.model.job import Desire, End, Outcome
from tests.unit.cli.fake_world import JOB, FakeWorld, failure, job, one_json, published, stored_state, table_record


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


def test_a_good_job_is_written_once_with_its_placeholders(world: FakeWorld) -> None:
    done = world.run("submit", "-", "--name", "Orders DW")
    assert done.exit_code == 0, done.output
    (wanted,) = world.records.written
    assert (wanted.name, wanted.revision, wanted.desire, wanted.text) == ("orders-dw", 1, Desire.RUNNING, JOB)
    assert len(wanted.id) == 8
    assert wanted.submitted_at.endswith("Z")
    assert "s3cret" not in repr(wanted) + done.output
    assert "✓ mysql: MySQL answers." in done.stdout
    assert "Job orders-dw is submitted" in done.stdout


def test_the_name_is_that_of_the_option_else_of_the_file(world: FakeWorld, tmp_path) -> None:
    path = tmp_path / "My Job.yaml"
    path.write_text(JOB)
    assert world.run("submit", str(path)).exit_code == 0
    world.records.wanted.clear()
    path.write_text(JOB + "pipeline:\n  name: from file\n")
    assert world.run("submit", str(path)).exit_code == 0
    assert [wanted.name for wanted in world.records.written] == ["my-job", "from-file"]
    assert {wanted.file for wanted in world.records.written} == {"My Job.yaml"}


@pytest.mark.parametrize("verb", ["submit", "check"])
def test_stdin_has_no_name_of_its_own(world: FakeWorld, verb: str) -> None:
    done = world.run(verb, "-")
    assert done.exit_code == 2
    assert "pipeline.name: The job has no name." in done.stderr
    assert "--name NAME" in done.stderr
    assert "has no name" not in world.run(verb, "-", "--name", "x", stdin=JOB).stderr


@pytest.mark.parametrize("verb", ["submit", "check"])
def test_a_secret_in_clear_text_is_refused_and_not_shown(world: FakeWorld, verb: str) -> None:
    done = world.run(verb, "-", "--name", "x", stdin=JOB.replace("#{password}", "hunter2"))
    assert done.exit_code == 2
    assert "source.password: A secret stands in clear text" in done.stderr
    assert "#{password}" in done.stderr
    assert "HEADRACE_VAR_PASSWORD" in done.stderr
    assert "hunter2" not in done.output
    assert not world.records.written


def test_a_missing_placeholder_is_named() -> None:
    world = FakeWorld({})
    done = world.run("submit", "-", "--name", "x")
    assert done.exit_code == 2
    assert "#{hostname}" in done.stderr
    assert not world.records.written


def test_values_of_var_stay_here_and_the_user_learns_what_workers_need() -> None:
    world = FakeWorld()
    world.environment = {k: v for k, v in world.environment.items() if k != "HEADRACE_VAR_PASSWORD"}
    done = world.run("submit", "-", "--name", "x", "--var", "password=hunter2", "--var", "unused=1")
    assert done.exit_code == 0, done.output
    assert "needs: HEADRACE_VAR_PASSWORD." in done.stderr
    assert "hunter2" not in done.output + world.records.written[0].text


def test_a_preflight_error_creates_nothing(world: FakeWorld) -> None:
    world.fail_preflight()
    done = world.run("submit", "-", "--name", "x")
    assert done.exit_code == 2
    assert "✗ log bin: The server writes no binlog." in done.stdout
    assert "Nothing was created." in done.stderr
    assert "Hint: Switch it on." in done.stderr
    assert not world.records.written


def test_a_server_that_does_not_answer_is_another_exit_code(world: FakeWorld) -> None:
    world.findings.append(replace(failed("mysql", "MySQL does not answer.", "Start it."), transient=True))
    assert world.run("check", "-", stdin=JOB + "pipeline: {name: x}\n").exit_code == 3
    world.registry_error = Unavailable("Kafka is away.", "Start it.")
    done = world.run("submit", "-", "--name", "x")
    assert done.exit_code == 3
    assert done.stderr == "Error: Kafka is away.\nHint: Start it.\n"


def test_check_says_what_submit_would_and_writes_nothing(world: FakeWorld) -> None:
    done = world.run("check", "-", "--json", stdin=JOB + "pipeline: {name: x}\n")
    assert done.exit_code == 0, done.output
    report = one_json(done.stdout)
    assert (report["job"], report["ok"], len(report["plan"]["tables"])) == ("x", True, 3)
    assert not world.records.written


def test_a_refused_submit_prints_the_report_and_the_error_as_json(world: FakeWorld) -> None:
    world.fail_preflight()
    done = world.run("submit", "-", "--name", "x", "--json")
    assert done.exit_code == 2
    result = one_json(done.stdout)
    assert (result["action"], result["ok"], result["findings"][-1]["subject"]) == ("refused", False, "log_bin")
    error = one_json(done.stderr)
    assert error["exit_code"] == 2
    assert error["error"]["name"] == "PreflightFailed"
    assert error["error"]["hint"] == "Switch it on."


def test_a_submitted_job_prints_its_id_and_plan_as_json(world: FakeWorld) -> None:
    result = one_json(world.run("submit", "-", "--name", "x", "--json").stdout)
    assert result["action"] == "submitted"
    assert result["id"] == world.records.written[0].id
    assert result["worker_variables"] == []
    assert result["plan"]["connections"]["total_max"] == 7


def test_the_same_file_again_changes_nothing(world: FakeWorld) -> None:
    world.records.put(job())
    done = world.run("submit", "-", "--name", "orders", "--json")
    assert done.exit_code == 0
    assert one_json(done.stdout) == {"job": "orders", "action": "unchanged", "id": "id-orders"}
    assert "runs; nothing was changed" in done.stderr
    assert not world.records.written


def test_the_same_file_of_a_paused_or_failed_job_says_how_to_go_on(world: FakeWorld) -> None:
    world.records.put(job(desire=Desire.PAUSED))
    done = world.run("submit", "-", "--name", "orders")
    assert (done.exit_code, "is paused: scheduler resume orders" in done.stderr) == (0, True)
    world.records.put(job(), failure(job()))
    done = world.run("submit", "-", "--name", "orders")
    assert (done.exit_code, "scheduler resume orders" in done.stderr) == (1, True)
    assert not world.records.written


def test_another_file_under_a_name_in_use_is_refused(world: FakeWorld) -> None:
    world.records.put(job(text=JOB + "\n# older\n"))
    done = world.run("submit", "-", "--name", "orders")
    assert done.exit_code == 2
    assert "There is a job `orders` already" in done.stderr
    assert "scheduler cancel orders" in done.stderr
    assert not world.records.written


def test_a_cancelled_name_is_free_once_a_worker_has_ended_the_job(world: FakeWorld) -> None:
    cancelled = job(desire=Desire.CANCELLED, revision=4)
    world.records.put(cancelled)
    assert world.run("submit", "-", "--name", "orders").exit_code == 2
    world.records.put(Outcome("orders", 4, End.CANCELLED))
    assert world.run("submit", "-", "--name", "orders").exit_code == 0
    (wanted,) = world.records.written
    # A revision that begins at 1 again would meet the old outcome when it reaches 4.
    assert wanted.revision == 5
    assert wanted.id != cancelled.id
    assert world.records.outcome(wanted) is None


def test_two_jobs_may_not_write_one_topic(world: FakeWorld) -> None:
    world.records.put(job("first"))
    world.states["first"] = stored_state(table_record("user"))
    done = world.run("submit", "-", "--name", "second", stdin=JOB)
    assert done.exit_code == 2
    assert "Topic order_dw.user (of table order_dw.user) is written by the job `first`." in done.stdout
    assert "order_dw.order" not in done.stderr
    # The preflight would tell the user to delete the topic, which is not empty.
    assert world.owned == {"order_dw.user"}
    assert not world.records.written


def test_a_job_that_has_not_begun_owns_the_topics_that_its_file_names(world: FakeWorld) -> None:
    world.records.put(job("first"))
    done = world.run("submit", "-", "--name", "second", "--json")
    assert done.exit_code == 2
    owned = [f["message"] for f in one_json(done.stdout)["findings"] if f["subject"] == "topic_owner"]
    assert len(owned) == 3
    assert not world.records.written


def test_a_cancelled_job_owns_nothing(world: FakeWorld) -> None:
    first = job("first", desire=Desire.CANCELLED, revision=2)
    world.records.put(first, Outcome("first", 2, End.CANCELLED))
    world.states["first"] = stored_state(table_record("user"))
    assert world.run("submit", "-", "--name", "second").exit_code == 0


def test_what_is_wrong_with_the_sink_is_told_with_all_the_rest(world: FakeWorld, monkeypatch) -> None:
    def away(*_):
        raise Unavailable("Kafka is away.")

    world.records.put(job("first"))
    monkeypatch.setattr(world, "existing", away)
    world.findings.append(replace(failed("kafka", "Kafka does not answer.", "Start it."), transient=True))
    done = world.run("submit", "-", "--name", "second")
    assert (done.exit_code, "✗ kafka: Kafka does not answer." in done.stdout) == (3, True)
    world.findings[:] = [passed("kafka", "fine")]
    done = world.run("submit", "-", "--name", "second")
    assert (done.exit_code, done.stderr) == (3, "Error: Kafka is away.\n")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("nonsense", "job.yaml"),
        (JOB.replace("server-id", "server-idd"), "source.server-idd"),
        (JOB.replace("3306", "many"), "source.port"),
        (JOB + "transform: []\n", "transform"),
    ],
)
def test_a_bad_file_is_one_error_with_its_place(world: FakeWorld, tmp_path, text: str, where: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    done = world.run("submit", str(path))
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert where in done.stderr
    assert "Traceback" not in done.output
    assert done.stderr.count("Hint: ") == 1
    assert not done.stdout


def test_files_that_cannot_be_read(world: FakeWorld, tmp_path) -> None:
    assert "No such file" in world.run("check", str(tmp_path / "none.yaml")).stderr
    (tmp_path / "latin.yaml").write_bytes(b"\xff")
    done = world.run("check", str(tmp_path / "latin.yaml"))
    assert (done.exit_code, "is not UTF-8" in done.stderr) == (2, True)


def test_var_without_a_value_is_bad_usage_that_does_not_repeat_it(world: FakeWorld) -> None:
    done = world.run("check", "-", "--var", "hunter2")
    assert (done.exit_code, "hunter2" in done.output) == (2, False)


def test_waiting_ends_when_the_job_is_current(world: FakeWorld) -> None:
    def act(now: float) -> None:
        (wanted,) = world.records.written
        late = now > 1008
        table = {"table": "order_dw.user", "topic": "order_dw.user", "rows": 100, "rows_estimate": 100}
        table |= {"state": "live" if late else "snapshot", "chunks_done": 3, "chunks_total": 3, "split_done": True}
        world.lives["x"] = published(wanted, snapshot_done=late, rows=100, tables=[table])

    world.on_sleep = act
    done = world.run("submit", "-", "--name", "x", "--wait", "--json")
    assert done.exit_code == 0, done.output
    assert one_json(done.stdout)["status"]["state"] == "streaming"


def test_waiting_for_a_job_that_fails_is_exit_code_1(world: FakeWorld) -> None:
    def act(now: float) -> None:
        world.records.put(failure(world.records.written[0]))

    world.on_sleep = act
    done = world.run("submit", "-", "--name", "x", "--wait")
    assert done.exit_code == 1
    assert "Job x failed with BinlogLost: The binlog is gone. Hint: Submit it again." in done.stderr


def test_waiting_names_the_process_that_is_missing_and_ctrl_c_leaves_the_job(world: FakeWorld) -> None:
    def act(now: float) -> None:
        if now > 1015:
            world.lives["x"] = published(world.records.written[0])
        if now > 1040:
            raise KeyboardInterrupt

    world.on_sleep = act
    done = world.run("submit", "-", "--name", "x", "--wait")
    assert done.exit_code == 130
    assert done.stderr.count("No binlog worker leads the job: start `python -m workers.binlog`.") == 1
    assert done.stderr.count("No snapshot worker takes chunks: start `celery -A workers.app worker") == 1
    assert "job x runs on" in done.stderr
    lines = [line for line in done.stderr.splitlines() if " x " in line and "chunks," in line]
    assert lines[0] == "0:16 x snapshot: 40 of ~100 rows (40 %), 1/3 chunks, 0 rows/s, ETA -, lag 0.4 s / 1.2 kB"
    assert len(lines) == 5
    assert world.records.wanted["x"].desire is Desire.RUNNING


def test_waiting_for_a_paused_job_ends_at_once(world: FakeWorld) -> None:
    world.records.put(job(desire=Desire.PAUSED))
    done = world.run("submit", "-", "--name", "orders", "--wait")
    assert (done.exit_code, "Job orders is paused." in done.stderr) == (1, True)
