"""From the options of a job to what its messages have besides rows."""

from __future__ import annotations

import pytest

from shared.errors import InvalidJob
from shared.job.placeholders import Resolver
from shared.job.spec import parse
from shared.model.label import PLAIN, Label, Origin, Stamp
from shared.model.schema import TableId
from shared.runtime.connections import labels

SOURCE = "source: {type: mysql, hostname: db, username: app, password: '#{password}', tables: 'shop.orders'}\n"
SINK = "sink:\n  type: upsert-kafka\n  properties.bootstrap.servers: broker:9092\n"
ORDERS = Origin(TableId("shop", "größe"))


def label(*sink: str, origin: Origin = ORDERS) -> Label:
    text = SOURCE + SINK + "".join(f"  {line}\n" for line in sink)
    return labels(parse(text).resolve(Resolver({"password": "p"})))(origin)


def test_without_options_nothing_is_added() -> None:
    assert label() == PLAIN
    assert label("sink.add-tableId-to-header-enabled: false", "sink.custom-header: ''") == PLAIN


def test_the_headers_of_a_table_are_those_of_flink_cdc() -> None:
    found = label("sink.add-tableId-to-header-enabled: true")
    assert found.headers == (("namespace", b""), ("schemaName", b"shop"), ("tableName", "größe".encode()))


@pytest.mark.parametrize("text", ["origin:shop,region:eu", "origin:shop;region:eu", " origin : shop , region : eu "])
def test_headers_of_ones_own_come_behind_them(text: str) -> None:
    own = (("origin", b"shop"), ("region", b"eu"))
    assert label(f"sink.custom-header: '{text}'").headers == own
    assert label(f"sink.custom-header: '{text}'", "sink.add-tableId-to-header-enabled: true").headers[3:] == own


def test_a_header_may_be_empty() -> None:
    assert label("sink.custom-header: 'a:'").headers == (("a", b""),)


def test_changes_tell_of_their_transactions_in_headers() -> None:
    stamped = ORDERS.stamped(Stamp(1_700_000_000_123_456, "u:5", 3))
    text = "sink.metadata-headers: 'server-id, GTID,op_ts'"
    told = (("op_ts", b"1700000000123"), ("gtid", b"u:5"), ("server_id", b"3"))
    assert label(text, origin=stamped).headers == told
    assert label(text, "sink.custom-header: 'a:b'", origin=stamped).headers == (("a", b"b"), *told)
    assert label(text) == label(origin=stamped) == PLAIN
    with pytest.raises(InvalidJob, match=r"`gtid` is one of those that `sink.metadata-headers` adds"):
        label(text, "sink.custom-header: 'gtid:x'")
    with pytest.raises(InvalidJob) as caught:
        label("sink.metadata-headers: op_ts, xid")
    assert "op_ts, gtid, server_id" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [("a", "found `a`"), ("a:b:c", "a colon"), (":b", "name:value"), ("a:b,,c:d", "name:value"), ("a:b,a:c", "once")],
)
def test_what_is_no_header_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        label(f"sink.custom-header: '{text}'")
    assert said in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.path == "sink.sink.custom-header"


def test_no_header_comes_twice() -> None:
    with pytest.raises(InvalidJob, match=r"`tableName` is one of those .* \(job.yaml:6\)"):
        label("sink.add-tableId-to-header-enabled: true", "sink.custom-header: 'tableName:x'")


def test_the_field_of_a_shared_topic_is_in_values_that_have_the_key() -> None:
    shared = Origin(TableId("shop", "order_1"), "of")
    begin = b'{"of":"shop.order_1",'
    assert label(origin=shared) == Label(begin, begin)
    assert label("value.fields-include: EXCEPT_KEY", origin=shared) == Label(begin, b"")
