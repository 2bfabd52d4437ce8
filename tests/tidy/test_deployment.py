"""Compose, image and chart say what the code says: variables, commands, files. Pure text; tests/integration/test_helm.py renders."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import compose_spec
import pytest
from ruamel.yaml import YAML

from scheduler.cli import cli as scheduler
from shared import settings
from shared.runtime import liveness
from shared.runtime.celery_app import make_app
from shared.settings import Settings
from tests.tidy.tree import ROOT

COMPOSE = ROOT / "compose"
CHART = ROOT / "helm" / "headrace"
ENV_FILES = ("demo.env", "headrace.env.example")
OURS = ("binlog", "snapshot", "scheduler", "flower", "demo-job")


def yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def assignments(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


# The compose file.


def interpolated(text: str, values: dict[str, str]) -> str:
    """What Compose makes of `${NAME:-default}`; `$$` stays for the container's shell."""

    def value(match: re.Match[str]) -> str:
        return values.get(match["name"], match["default"])

    return re.sub(r"(?<!\$)\$\{(?P<name>[A-Z_]+):-(?P<default>[^}]*)\}", value, text)


def compose() -> dict[str, Any]:
    read: dict[str, Any] = YAML(typ="safe").load(interpolated((COMPOSE / "compose.yaml").read_text(), {}))
    return read


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def test_the_compose_file_is_one_by_the_specification() -> None:
    compose_spec.PyCompose.from_json(json.dumps(compose()))


def test_the_specification_refuses_what_is_wrong() -> None:
    wrong = compose()
    wrong["services"]["binlog"]["stop_grace_period"] = "soon"
    with pytest.raises(ValueError, match="soon"):
        compose_spec.PyCompose.from_json(json.dumps(wrong))


def test_every_image_of_the_compose_file_is_pinned() -> None:
    for name, service in services().items():
        tag = service["image"].partition(":")[2]
        assert re.search(r"\d+\.\d+", tag), name


def test_the_image_has_the_version_of_the_package() -> None:
    version = importlib.metadata.version("headrace")
    assert {services()[name]["image"] for name in OURS} == {f"headrace:{version}"}
    chart = yaml(CHART / "Chart.yaml")
    assert (chart["appVersion"], f"headrace:{version} " in (COMPOSE / "Dockerfile").read_text()) == (version, True)


@pytest.mark.parametrize("name", services())
def test_services_start_stop_and_are_watched(name: str) -> None:
    service = services()[name]
    assert service["init"] is True
    assert "stop_grace_period" in service or name == "scheduler"
    assert "restart" in service or name == "scheduler"
    once = name in ("scheduler", "demo-job")
    assert once or set(service["healthcheck"]) >= {"test", "interval", "timeout", "retries", "start_period"}


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_no_rights_that_they_do_not_need(name: str) -> None:
    service = services()[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_services_wait_for_services_that_are_there_and_have_a_health_check() -> None:
    for name, service in services().items():
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy", name
            assert "healthcheck" in services()[other], name
            # Compose refuses a service whose dependency has a profile that is off, unless it may be missing.
            same = set(services()[other].get("profiles", [])) <= set(service.get("profiles", []))
            assert same or how["required"] is False, name


def test_profiles_are_those_that_the_page_explains() -> None:
    found = {profile for service in services().values() for profile in service.get("profiles", [])}
    assert found == {"demo", "flower", "monitoring", "tools"}
    text = (ROOT / "docs" / "deployment.md").read_text()
    assert [profile for profile in found if f"`{profile}`" not in text] == []
    assert [name for name, service in services().items() if "profiles" not in service] == ["binlog", "snapshot"]


def test_secrets_are_files_that_git_ignores_and_all_are_used() -> None:
    declared = compose()["secrets"]
    assert {secret["file"] for secret in declared.values()} == {f"./secrets/{name}" for name in declared}
    used = {
        secret if isinstance(secret, str) else secret["source"]
        for service in services().values()
        for secret in service.get("secrets", [])
    }
    assert used == set(declared)
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"compose/secrets/", "compose/headrace.env"} <= set(ignored)


def test_files_that_the_compose_file_mounts_exist() -> None:
    for service in services().values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (COMPOSE / source).exists(), volume
    for name in OURS:
        assert (ROOT / services()[name]["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", ENV_FILES)
def test_an_environment_file_is_one_that_our_programs_take(name: str) -> None:
    found = assignments(COMPOSE / name)
    settings.load(found)
    assert {"HEADRACE_REDIS_URL", "HEADRACE_KAFKA_BOOTSTRAP_SERVERS"} <= set(found)
    named = re.findall(r"^#?(HEADRACE_\w+)=", (COMPOSE / name).read_text(), re.MULTILINE)
    settings.load({word: "1" for word in named if word.startswith("HEADRACE_KAFKA_")})


def test_the_demo_names_its_servers_and_its_job_finds_all_placeholders() -> None:
    found = assignments(COMPOSE / "demo.env")
    assert (found["COMPOSE_PROFILES"], found["SETTINGS"]) == ("demo", "demo.env")
    hosts = [value for name, value in found.items() if name.startswith("HEADRACE_")]
    for server in ("mysql", "kafka", "redis"):
        assert any(server in value for value in hosts), server
    job = services()["demo-job"]["command"][2]
    text = (ROOT / "docs" / "examples" / Path(job).name).read_text()
    needed = set(re.findall(r"#\{([\w.-]+)\}", text))
    given = {word.removeprefix("HEADRACE_VAR_").lower() for word in found} | set(services()["demo-job"]["secrets"])
    assert needed <= given


def test_the_demo_has_the_rows_of_the_local_demo() -> None:
    from headrace_demo.sample import DATABASE, TABLES

    text = " ".join((COMPOSE / "demo" / "sample.sql").read_text().split())
    for table in TABLES:
        name = f"{DATABASE}.`order`" if table.name == "order" else f"{DATABASE}.{table.name}"
        assert re.sub(r"\s", "", f"CREATE TABLE {name} ({table.columns});") in re.sub(r"\s", "", text)
        rows = ", ".join(str(row) for row in table.rows)
        assert f"INSERT INTO {name} VALUES {rows};" in text


def test_the_demos_broker_of_hints_evicts_nothing_and_its_kafka_can_do_transactions_alone() -> None:
    command = services()["redis"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    kafka = services()["kafka"]["environment"]
    ones = {name: value for name, value in kafka.items() if name.endswith(("REPLICATION_FACTOR", "MIN_ISR"))}
    assert len(ones) == 5
    assert set(ones.values()) == {"1"}


# Variables and commands of both.


def words_of(value: Any) -> Iterator[str]:
    """Every text in a tree, its keys included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from words_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words_of(inner)
    elif value is not None:
        yield str(value)


def deployed() -> list[Path]:
    folders = (COMPOSE, COMPOSE / "demo", CHART, CHART / "templates", CHART / "ci", CHART / "templates" / "tests")
    return [path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]


def test_every_variable_of_ours_that_compose_and_chart_name_is_a_setting() -> None:
    known = {f"HEADRACE_{name.upper()}" for name in Settings.model_fields}
    wrong = []
    for path in deployed():
        for word in re.findall(r"\bHEADRACE_[A-Z_]*[A-Z]\b", path.read_text()):
            family = word.startswith(("HEADRACE_KAFKA_", "HEADRACE_VAR_")) or word == "HEADRACE_KAFKA"
            if not family and word not in known and word != "HEADRACE_FLOWER_PORT":  # which a comment warns of
                wrong.append(f"{path.relative_to(ROOT)}: {word}")
    assert wrong == []


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command of the compose file, the image and the chart that runs in our image."""
    for name in OURS:
        service = services()[name]
        yield f"compose {name}", [*service.get("entrypoint", []), *service["command"]]
        if "healthcheck" in service:
            yield f"compose {name} health", service["healthcheck"]["test"][1:]
    for path in [
        COMPOSE / "Dockerfile",
        *sorted((CHART / "templates").rglob("*.yaml")),
        CHART / "templates" / "_helpers.tpl",
    ]:
        text = path.read_text()
        for listed in re.findall(
            r"(?:CMD|command:) (\[.*\])$|^# .*?(\[\"(?:celery|scheduler)\".*?\])", text, re.MULTILINE
        ):
            yield path.name, [word for word in json.loads(listed[0] or listed[1]) if word != "..."]
        for listed in re.findall(r"list ((?:\"[^\"]*\" ?)+)", text):
            words = shlex.split(listed)
            if words[0] in ("python", "celery", "scheduler"):
                yield path.name, words


def test_every_command_exists() -> None:
    scripts = {script.name for script in importlib.metadata.entry_points(group="console_scripts")}
    seen = set()
    for where, words in commands():
        if words[0] == "python":
            if words[1] == "-c":
                compile(words[2], where, "exec")
                continue
            assert words[1] == "-m", where
            path = ROOT / words[2].replace(".", "/")
            assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), where
        elif words[0] == "celery":
            assert words[:3] == ["celery", "-A", "workers.app"], where
            assert words[3] in ("worker", "flower"), where
        else:
            assert words[0] == "scheduler", where
            assert words[1:] == [] or words[1] in {"--help", *scheduler.commands}, where
        assert words[0] == "python" or words[0] in scripts, where
        seen.add(words[0])
    assert seen == {"python", "celery", "scheduler"}


def test_snapshot_workers_are_started_as_the_page_says_and_flower_with_its_login() -> None:
    found = [words for _, words in commands() if words[0] == "celery"]
    workers = [words for words in found if words[3] == "worker"]
    assert all(words[4:7] == ["-Q", "snapshot", "-E"] for words in workers)
    flowers = [words for words in found if words[3] == "flower"]
    assert all("--conf=/etc/headrace/flowerconfig.py" in words for words in flowers)
    assert len(workers) >= 3
    assert len(flowers) >= 3


# The image.


def dockerfile() -> list[tuple[str, str]]:
    """Its instructions, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (COMPOSE / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def test_the_image_is_made_in_stages_of_pinned_images_and_does_not_run_as_root() -> None:
    stages = [rest for word, rest in dockerfile() if word == "FROM"]
    assert len(stages) == 3
    assert all(re.match(r"\w+:\d+\.\d+\.\d+-slim-\w+( AS \w+)?$", stage) for stage in stages)
    last = dockerfile()[[word for word, _ in dockerfile()].index("FROM") :]
    (user,) = [rest for word, rest in last if word == "USER"]
    assert user == "10001:10001"
    (command,) = [rest for word, rest in last if word == "CMD"]
    assert json.loads(command)  # no shell between the program and its signals


def test_what_the_image_copies_exists_and_is_not_ignored() -> None:
    ignore = (COMPOSE / "Dockerfile.dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in ignore if line.startswith("!")}
    copied = set()
    for word, rest in dockerfile():
        if word == "COPY" and not rest.startswith("--from"):
            copied |= set(rest.split()[:-1])
    assert "*" in ignore
    assert copied == let_through
    assert [name for name in copied if not (ROOT / name).exists()] == []
    packages = {"shared", "scheduler", "workers"}
    assert packages <= copied


def test_the_images_stages_name_only_stages_that_are_there() -> None:
    names = {rest.split()[2] for word, rest in dockerfile() if word == "FROM" and " AS " in rest}
    used = {
        rest.split()[0].removeprefix("--from=") for word, rest in dockerfile() if word == "COPY" and "--from" in rest
    }
    assert used == names


def test_image_compose_and_chart_agree_on_the_folder_of_signs_of_life() -> None:
    image = dict(re.findall(r"(HEADRACE_\w+)=(\S+)", " ".join(rest for word, rest in dockerfile() if word == "ENV")))
    settings.load(image)
    folder = services()["binlog"]["environment"][liveness.VARIABLE]
    assert folder == image[liveness.VARIABLE]
    helpers = (CHART / "templates" / "_helpers.tpl").read_text()
    assert f"- name: {liveness.VARIABLE}\n          value: {folder}\n" in helpers
    assert f"mountPath: {folder}\n" in helpers
    assert any(mount.startswith(f"{folder}:") for mount in services()["snapshot"]["tmpfs"])


# The chart.

#: The chart itself gives these: from Secrets, from other values, and from the pod.
SET_BY_CHART = {"redis_url", "kafka", "vars_dir", "liveness_dir", "worker_name", "metrics_port", "metrics_host"}
#: All five or none, and two are secrets: they come in kafka.existingSecret.
IN_SECRETS = {name for name in Settings.model_fields if name.startswith("aliyun_")}


def test_the_charts_settings_are_those_of_the_code_with_their_types_and_bounds() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]
    known = Settings.model_json_schema()["properties"]
    words = ("type", "minimum", "maximum", "pattern", "minLength", "maxLength")
    expected = {
        f"HEADRACE_{name.upper()}": {word: said[word] for word in words if word in said}
        for name, said in known.items()
        if name not in SET_BY_CHART | IN_SECRETS
    }
    assert schema["properties"] == expected
    assert schema["additionalProperties"] is False


def described(schema: dict[str, Any], values: dict[str, Any], path: str = "") -> Iterator[str]:
    """Values without a word in the schema, and words of the schema without a value."""
    open_maps = {
        "properties",
        "values",
        "resources",
        "nodeSelector",
        "affinity",
        "podAnnotations",
        "podLabels",
        "annotations",
        "labels",
    }
    for name in sorted(set(schema["properties"]) | set(values)):
        if name == "global" or name.startswith("HEADRACE_"):
            continue
        if name not in values or name not in schema["properties"]:
            yield f"{path}{name}"
        elif isinstance(values[name], dict) and name not in open_maps and name != "settings":
            yield from described(schema["properties"][name], values[name], f"{path}{name}.")


def test_the_charts_values_and_their_schema_name_the_same() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert list(described(schema, yaml(CHART / "values.yaml"))) == []


def test_the_autoscaler_looks_at_the_queue_of_hints() -> None:
    conf = make_app(Settings()).conf
    queue = conf.broker_transport_options["global_keyprefix"] + conf.task_default_queue
    assert f'listName: "{queue}"' in (CHART / "templates" / "autoscaling.yaml").read_text()


def flower_config(login: Path) -> Any:
    text = (COMPOSE / "flowerconfig.py").read_text()
    assert text.count('"/etc/headrace/flower/login"') == 1
    found: dict[str, Any] = {}
    exec(compile(text.replace("/etc/headrace/flower/login", str(login)), "flowerconfig.py", "exec"), found)
    return found["basic_auth"]


def test_flower_asks_for_the_login_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "login").write_text("admin:p#s:word\n")
    assert flower_config(tmp_path / "login") == ["admin:p#s:word"]


@pytest.mark.parametrize("text", ["", "\n", "admin", "admin:", ":word", None])
def test_flower_does_not_start_without_a_login(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "login").write_text(text)
    with pytest.raises(SystemExit, match="user:password"):
        flower_config(tmp_path / "login")
