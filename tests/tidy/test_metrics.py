"""Metrics are what their page says, and every expression of dashboard and alerts asks for metrics and labels that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql
import pytest
from ruamel.yaml import YAML

from shared.runtime.metrics import DECLARED, SAMPLES
from shared.settings import Settings
from tests.tidy.test_documents import rows, section, text_of
from tests.tidy.tree import ROOT

MONITORING = ROOT / "helm" / "headrace" / "monitoring"
#: What Prometheus itself gives every series.
TARGET = {"job", "instance"}


# The page.


def test_every_metric_is_documented_with_its_type_and_labels_and_no_other() -> None:
    page = rows(section(text_of("metrics.md"), "What is counted"))
    documented = {name: (cells[0], tuple(re.findall(r"`(\w+)`", cells[1]))) for name, cells in page.items()}
    assert documented == {name: (one.type, one.labels) for name, one in DECLARED.items()}


def test_metrics_are_named_as_prometheus_wants_it() -> None:
    for name, one in DECLARED.items():
        assert re.fullmatch(r"headrace_[a-z]+(_[a-z]+)*", name), name
        assert name.endswith("_total") == (one.type == "counter"), name
        assert one.type != "histogram" or name.endswith("_seconds"), name
        assert not TARGET & set(one.labels), name
        assert one.help.endswith("."), name


# Expressions.


def alerts() -> list[dict[str, Any]]:
    (group,) = YAML(typ="safe").load(MONITORING / "rules.yaml")["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return found


def questions() -> Iterator[tuple[str, str, set[str]]]:
    """Each expression: where it stands, its text, and the labels that are printed of its answer."""
    for alert in alerts():
        texts = " ".join(alert["annotations"].values())
        yield alert["alert"], alert["expr"], set(re.findall(r"\$labels\.(\w+)", texts))
    for panel in panels():
        for target in panel.get("targets", []):
            text = target["expr"].replace("$__rate_interval", "5m")
            yield panel["title"], text, set(re.findall(r"{{(\w+)}}", target["legendFormat"]))


def labels_of(expression: Any) -> set[str]:
    """The labels of an expression's answer.

    Raises:
        AssertionError: it asks for what there is not.
    """
    match expression:
        case promql.VectorSelector():
            return labels_of_selector(expression)
        case promql.NumberLiteral():
            return set()
        case promql.ParenExpr():
            return labels_of(expression.expr)
        case promql.AggregateExpr():
            inner = labels_of(expression.expr)
            by = set(expression.modifier.labels) if expression.modifier else set()
            assert by <= inner, f"{by - inner} is not there to aggregate by"
            return inner if "topk" in str(expression.op) else by
        case promql.BinaryExpr():
            left, right = labels_of(expression.lhs), labels_of(expression.rhs)
            matching = expression.modifier.matching if expression.modifier else None
            if matching:
                assert set(matching.labels) <= left & right, f"{matching.labels} is not there to match on"
            vectors = [side for side in (left, right) if side]
            return set.intersection(*vectors) if vectors else set()
        case promql.Call():
            return labels_of_call(expression)
    raise AssertionError(f"{type(expression).__name__} is not known here")


def labels_of_selector(selector: Any) -> set[str]:
    name = selector.name
    if name == "up":
        found = set(TARGET)
    else:
        assert name in SAMPLES, f"there is no {name}"
        found = {*DECLARED[SAMPLES[name]].labels, *TARGET} | ({"le"} if name.endswith("_bucket") else set())
    asked = {matcher.name for matcher in selector.matchers.matchers}
    assert asked <= found, f"{name} has no {asked - found}"
    return found


def labels_of_call(call: Any) -> set[str]:
    name = call.func.name
    if name == "time":
        return set()
    if name in ("rate", "increase"):
        (matrix,) = call.args
        selector = matrix.vector_selector
        assert DECLARED[SAMPLES[selector.name]].type != "gauge", f"{selector.name} is a gauge, which has no {name}"
        return labels_of_selector(selector)
    assert name == "histogram_quantile", f"{name} is not known here"
    inner = labels_of(call.args[1])
    assert "le" in inner
    return inner - {"le"}


@pytest.mark.parametrize(("where", "text", "printed"), list(questions()))
def test_an_expression_asks_for_what_exists(where: str, text: str, printed: set[str]) -> None:
    assert printed <= labels_of(promql.parse(text)), where


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("headrace_lag", "there is no headrace_lag"),
        ('headrace_lag_seconds{table="t"}', "has no"),
        ("sum by (table) (headrace_lag_seconds)", "aggregate by"),
        ("rate(headrace_lag_seconds[5m])", "is a gauge"),
        ("headrace_chunks unless on (table) headrace_rows_total", "match on"),
        ("headrace_commit_seconds", "there is no headrace_commit_seconds"),
    ],
)
def test_a_wrong_expression_is_noticed(text: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        labels_of(promql.parse(text))


def test_expressions_use_every_metric() -> None:
    named = {SAMPLES.get(word) for _, text, _ in questions() for word in re.findall(r"headrace_\w+", text)}
    assert set(DECLARED) - named == set()


# The files.


def test_alerts_are_documented_and_whole() -> None:
    names = [alert["alert"] for alert in alerts()]
    assert list(rows(section(text_of("metrics.md"), "Dashboard and alerts"))) == names
    for alert in alerts():
        assert set(alert) <= {"alert", "expr", "for", "labels", "annotations"}, alert["alert"]
        assert alert["labels"]["severity"] in ("warning", "critical"), alert["alert"]
        assert set(alert["annotations"]) == {"summary", "description"}, alert["alert"]
        assert re.fullmatch(r"\d+[smh]", alert.get("for", "0s")), alert["alert"]


def test_the_dashboards_variables_are_filled_from_what_exists() -> None:
    variables = json.loads((MONITORING / "dashboard.json").read_text())["templating"]["list"]
    asked = [one["query"]["query"] for one in variables if one["type"] == "query"]
    assert asked
    for query in asked:
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", query)
        assert found, query
        assert found[2] in DECLARED[SAMPLES[found[1]]].labels, query


def test_panels_do_not_overlap_and_have_an_id_each() -> None:
    found = panels()
    assert len({panel["id"] for panel in found}) == len(found)
    cells: set[tuple[int, int]] = set()
    for panel in found:
        place = panel["gridPos"]
        mine = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not mine & cells, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells |= mine


def test_compose_scrapes_the_workers_and_loads_the_charts_files() -> None:
    yaml = YAML(typ="safe")
    services = yaml.load(ROOT / "compose" / "compose.yaml")["services"]
    folder = ROOT / "compose" / "monitoring"
    (scraped,) = yaml.load(folder / "prometheus.yaml")["scrape_configs"]
    (found,) = scraped["dns_sd_configs"]
    assert set(found["names"]) == {"binlog", "snapshot"} <= set(services)
    for name in found["names"]:
        assert services[name]["environment"]["HEADRACE_METRICS_PORT"] == str(found["port"])
    (alert,) = [alert for alert in alerts() if alert["alert"] == "HeadraceWorkerDown"]
    (pattern,) = re.findall(r'job=~"(.*)"', alert["expr"])
    assert re.fullmatch(pattern, scraped["job_name"])
    mounted = dict(volume.split(":")[:2] for name in ("prometheus", "grafana") for volume in services[name]["volumes"])
    assert mounted["../helm/headrace/monitoring/rules.yaml"] in yaml.load(folder / "prometheus.yaml")["rule_files"]
    (provider,) = yaml.load(folder / "grafana-dashboards.yaml")["providers"]
    assert mounted["../helm/headrace/monitoring/dashboard.json"].startswith(provider["options"]["path"])


def test_the_port_is_off_and_closed_to_others_unless_it_is_asked_for() -> None:
    assert (Settings().metrics_port, Settings().metrics_host) == (0, "127.0.0.1")
