"""The chart, rendered by Helm and checked against the API of Kubernetes; no cluster is needed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from shared import settings
from tests.plugins.fix_headrace import REPOSITORY
from tests.plugins.fix_helm import Helm

CHART = REPOSITORY / "helm" / "headrace"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
#: The first test waits for the build of Helm, which a busy machine takes long for.
pytestmark = pytest.mark.timeout(1800)

KUBERNETES = ("1.27", "1.34", "1.37")
Manifests = list[dict[str, Any]]
Render = Callable[..., Manifests]


@pytest.fixture
def render(helm: Helm) -> Render:
    def rendered(values: str, *options: str, version: str = "1.34") -> Manifests:
        command = ["template", "release", CHART, "--kube-version", f"{version}.0", "--values", CHART / "ci" / values]
        done = helm(*command, *options)
        assert done.returncode == 0, done.stderr
        return [manifest for manifest in YAML(typ="safe").load_all(done.stdout) if manifest]

    return rendered


def of_kind(manifests: Manifests, kind: str) -> Manifests:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def named(manifests: Manifests, kind: str, end: str) -> dict[str, Any]:
    (found,) = [one for one in of_kind(manifests, kind) if one["metadata"]["name"].endswith(end)]
    return found


def pods(manifests: Manifests) -> Iterator[tuple[str, dict[str, Any]]]:
    for manifest in of_kind(manifests, "Deployment"):
        yield manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]
    for manifest in of_kind(manifests, "Pod"):
        yield manifest["metadata"]["name"], manifest["spec"]


def test_there_are_values_to_render() -> None:
    assert [path.name for path in VALUES] == ["bare-values.yaml", "full-values.yaml", "least-values.yaml"]


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_helm_finds_nothing_to_complain_of(helm: Helm, values: Path) -> None:
    done = helm("lint", "--strict", "--kube-version", "1.34.0", "--values", values, CHART)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_manifests_are_what_the_api_of_kubernetes_takes(render: Render, values: Path, version: str) -> None:
    for manifest in render(values.name, version=version):
        if manifest["apiVersion"].startswith(("keda.sh/", "monitoring.coreos.com/")):
            continue  # kinds of KEDA and of the Prometheus Operator; tests below look at them
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_api_refuses_what_is_wrong(render: Render) -> None:
    manifest = named(render("least-values.yaml"), "Deployment", "-binlog")
    manifest["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, "1.34", strict=True)


def test_the_least_values_give_both_kinds_of_workers_and_no_flower(render: Render) -> None:
    manifests = render("least-values.yaml")
    names = {one["metadata"]["name"] for one in of_kind(manifests, "Deployment")}
    assert names == {"release-headrace-binlog", "release-headrace-snapshot"}
    assert len(of_kind(manifests, "PodDisruptionBudget")) == 2
    assert of_kind(manifests, "Service") == []


def test_everything_that_can_be_off_is_off(render: Render) -> None:
    manifests = render("bare-values.yaml")
    kinds = sorted(one["kind"] for one in manifests)
    assert kinds == ["ConfigMap", "ConfigMap", "Deployment", "Deployment", "Pod"]
    assert {one["metadata"]["name"] for one in of_kind(manifests, "Deployment")} == {"copy-binlog", "copy-snapshot"}


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_no_pod_has_more_rights_than_it_needs(render: Render, values: Path) -> None:
    for name, pod in pods(render(values.name)):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        # Kubernetes' own variables would begin with the release's name, and ours refuse unknown ones.
        assert pod["enableServiceLinks"] is False, name
        (container,) = pod["containers"]
        security = container["securityContext"]
        assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False), name
        assert security["capabilities"] == {"drop": ["ALL"]}, name
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in pod["volumes"]}, name
        assert "emptyDir" in next(volume for volume in pod["volumes"] if volume["name"] == "tmp"), name


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_the_variables_of_every_pod_are_settings_that_our_programs_take(render: Render, values: Path) -> None:
    manifests = render(values.name)
    maps = {one["metadata"]["name"]: one["data"] for one in of_kind(manifests, "ConfigMap")}
    for name, pod in pods(manifests):
        (container,) = pod["containers"]
        found = {one["name"]: one.get("value", "x") for one in container["env"]}
        for source in container["envFrom"]:
            if "configMapRef" in source:
                given = maps[source["configMapRef"]["name"]]
                assert not set(given) & set(found), name
                found |= given
        settings.load({one: value for one, value in found.items() if one.startswith("HEADRACE_")})
        assert "HEADRACE_KAFKA_BOOTSTRAP_SERVERS" in found, name


def test_secrets_are_named_and_never_written(render: Render) -> None:
    manifests = render("full-values.yaml")
    assert of_kind(manifests, "Secret") == []
    pod = named(manifests, "Deployment", "-snapshot")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    url = next(one for one in container["env"] if one["name"] == "HEADRACE_REDIS_URL")
    assert url["valueFrom"]["secretKeyRef"] == {"name": "headrace-redis", "key": "url"}
    assert {"secretRef": {"name": "headrace-kafka"}} in container["envFrom"]
    (folder,) = [volume["projected"]["sources"] for volume in pod["volumes"] if volume["name"] == "placeholders"]
    assert {"secret": {"name": "headrace-placeholders"}} in folder


def test_probes_ask_whether_the_loops_turn(render: Render) -> None:
    for name, pod in pods(render("full-values.yaml")):
        (container,) = pod["containers"]
        if name.endswith(("-binlog", "-snapshot")):
            for probe in ("startupProbe", "livenessProbe"):
                assert container[probe]["exec"]["command"] == ["python", "-m", "workers.probe"], name
            variables = {one["name"]: one.get("value") for one in container["env"]}
            paths = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert variables["HEADRACE_LIVENESS_DIR"] in paths, name
        elif name.endswith("-flower"):
            assert container["livenessProbe"]["httpGet"]["path"] == "/healthcheck"


def test_a_changed_setting_starts_the_pods_again(render: Render) -> None:
    def checksums(*options: str) -> set[str]:
        deployments = of_kind(render("least-values.yaml", *options), "Deployment")
        return {one["spec"]["template"]["metadata"]["annotations"]["checksum/config"] for one in deployments}

    assert checksums() == checksums()
    assert not checksums() & checksums("--set", "settings.HEADRACE_LOG_LEVEL=DEBUG")


def test_large_numbers_stay_what_they_are(render: Render) -> None:
    data = named(render("full-values.yaml"), "ConfigMap", "-headrace")["data"]
    assert data["HEADRACE_KAFKA_MESSAGE_MAX_BYTES"] == "10485760"
    assert data["HEADRACE_LEASE_SECONDS"] == "5.5"


def test_the_autoscaler_scales_the_snapshot_workers_and_leaves_their_number_alone(render: Render) -> None:
    manifests = render("full-values.yaml")
    scaled = named(manifests, "ScaledObject", "-snapshot")
    deployment = named(manifests, "Deployment", "-snapshot")
    assert scaled["spec"]["scaleTargetRef"] == {"name": deployment["metadata"]["name"]}
    assert "replicas" not in deployment["spec"]
    (trigger,) = scaled["spec"]["triggers"]
    assert all(isinstance(value, str) for value in trigger["metadata"].values())  # KEDA takes texts only
    assert trigger["authenticationRef"] == {"name": named(manifests, "TriggerAuthentication", "")["metadata"]["name"]}
    assert scaled["spec"]["minReplicaCount"] == 0


def test_prometheus_finds_every_worker_and_nothing_else(render: Render) -> None:
    manifests = render("full-values.yaml")
    monitor = named(manifests, "ServiceMonitor", "-headrace")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    (endpoint,) = monitor["spec"]["endpoints"]
    (expression,) = monitor["spec"]["selector"]["matchExpressions"]
    found = []
    for service in of_kind(manifests, "Service"):
        labels = service["metadata"]["labels"]
        wanted = monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
        if wanted and labels[expression["key"]] in expression["values"]:
            found.append(labels[expression["key"]])
            (port,) = service["spec"]["ports"]
            assert port["name"] == endpoint["port"]
            assert labels[monitor["spec"]["jobLabel"]] == "headrace"
            deployment = named(manifests, "Deployment", f"-{found[-1]}")["spec"]["template"]
            assert service["spec"]["selector"].items() <= deployment["metadata"]["labels"].items()
            (container,) = deployment["spec"]["containers"]
            assert container["ports"] == [{"name": port["targetPort"], "containerPort": 9464}]
            variables = {one["name"]: one.get("value") for one in container["env"]}
            assert (variables["HEADRACE_METRICS_PORT"], variables["HEADRACE_METRICS_HOST"]) == ("9464", "0.0.0.0")
    assert sorted(found) == ["binlog", "snapshot"]


def test_rules_and_dashboard_arrive_as_they_are(render: Render) -> None:
    manifests = render("full-values.yaml")
    rules = YAML(typ="safe").load(CHART / "monitoring" / "rules.yaml")
    assert named(manifests, "PrometheusRule", "-headrace")["spec"] == rules
    shipped = named(manifests, "ConfigMap", "-dashboard")
    assert shipped["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads((CHART / "monitoring" / "dashboard.json").read_text())
    assert json.loads(shipped["data"]["headrace.json"]) == dashboard


def test_a_worker_may_be_told_to_stop_at_once(render: Render) -> None:
    def variables(values: str) -> dict[str, Any]:
        pod = named(render(values), "Deployment", "-snapshot")["spec"]["template"]["spec"]
        return {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}

    assert variables("full-values.yaml")["REMAP_SIGTERM"] == "SIGQUIT"
    assert "REMAP_SIGTERM" not in variables("least-values.yaml")


def test_only_flower_and_metrics_can_be_reached(render: Render) -> None:
    (all_pods,) = of_kind(render("least-values.yaml"), "NetworkPolicy")
    assert (all_pods["spec"]["policyTypes"], all_pods["spec"]["ingress"]) == (["Ingress"], [])
    manifests = render("full-values.yaml")
    flower = named(manifests, "NetworkPolicy", "-flower")["spec"]
    assert [port["port"] for port in flower["ingress"][0]["ports"]] == [5555]
    metrics = named(manifests, "NetworkPolicy", "-metrics")["spec"]
    assert [port["port"] for port in metrics["ingress"][0]["ports"]] == [9464]
    assert metrics["podSelector"]["matchExpressions"][0]["values"] == ["binlog", "snapshot"]
    outside = named(manifests, "NetworkPolicy", "-headrace")["spec"]["egress"]
    assert {port["port"] for rule in outside for port in rule["ports"]} == {53, 3306, 6379, 9093}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("redis.existingSecret=", "redis/existingSecret"),
        ("kafka.bootstrapServers=", "kafka/bootstrapServers"),
        ("settings.HEADRACE_LEASE_SECONDS=0", "HEADRACE_LEASE_SECONDS"),
        ("settings.HEADRACE_LEASE_SECOND=5", "HEADRACE_LEASE_SECOND"),
        ("settings.HEADRACE_LOG_LEVEL=LOUD", "HEADRACE_LOG_LEVEL"),
        ("settings.HEADRACE_REDIS_URL=redis://secret", "HEADRACE_REDIS_URL"),
        ("kafka.properties.HEADRACE_KAFKA_SASL_PASSWORD=secret", "HEADRACE_KAFKA_SASL_PASSWORD"),
        ("kafka.properties.SASL_USERNAME=headrace", "SASL_USERNAME"),
        ("kafka.properties.HEADRACE_KAFKA_SSL_KEYSTORE_PASSWORD=secret", "HEADRACE_KAFKA_SSL_KEYSTORE_PASSWORD"),
        ("placeholders.values.db-password=secret", "db-password"),
        ("binlog.replicas=0", "binlog/replicas"),
        ("binlog.replica=2", "replica"),
        ("snapshot.concurrency=two", "snapshot/concurrency"),
        ("snapshot.remapSigterm=SIGKILL", "snapshot/remapSigterm"),
        ("snapshot.autoscaling.enabled=true", "redisAddress"),
        ("snapshot.podDisruptionBudget.maxUnavailable=all", "maxUnavailable"),
        ("flower.enabled=true", "existingSecret"),
        ("networkPolicy.egressPorts={0}", "egressPorts"),
        ("metrics.port=80", "metrics/port"),
        ("metrics.serviceMonitor.enabled=true", "metrics.enabled"),
        ("settings.HEADRACE_METRICS_PORT=9464", "HEADRACE_METRICS_PORT"),
        ("extra=1", "extra"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(helm: Helm, option: str, said: str) -> None:
    command = ["template", "x", CHART, "--kube-version", "1.34.0", "--values", CHART / "ci" / "least-values.yaml"]
    assert helm(*command).returncode == 0
    done = helm(*command, "--set", option)
    assert done.returncode != 0
    assert said in done.stderr
    assert "redis://secret" not in done.stderr


def test_more_pods_at_least_than_at_most_are_refused(helm: Helm) -> None:
    command = ["template", "x", CHART, "--kube-version", "1.34.0", "--values", CHART / "ci" / "full-values.yaml"]
    done = helm(*command, "--set", "snapshot.autoscaling.minReplicas=9")
    assert done.returncode != 0
    assert "minReplicas is greater than maxReplicas" in done.stderr


def test_the_schema_is_one(helm: Helm) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema["additionalProperties"] is False
    assert helm("show", "values", CHART).returncode == 0
