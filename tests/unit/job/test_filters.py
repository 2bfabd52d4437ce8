"""`scan.snapshot.filters`: conditions by patterns of tables."""

from __future__ import annotations

import pytest

from shared.errors import InvalidJob
from shared.job.filters import RowFilters
from shared.model.schema import TableId


def test_elements_are_divided_where_no_quote_is_open() -> None:
    filters = RowFilters.parse(r"""shop.orders_\d+:id > 100 AND note <> 'a;b:''c\';'; shop.user : `x;y` = "q;" ;""")
    assert filters(TableId("shop", "orders_7")) == r"""id > 100 AND note <> 'a;b:''c\';'"""
    assert filters(TableId("shop", "user")) == '`x;y` = "q;"'
    assert filters(TableId("shop", "USER")) is None
    assert filters(TableId("shop", "other")) is None


def test_what_means_several_or_nothing_is_told() -> None:
    filters = RowFilters.parse(r"a.\.*:x = 1; a.t:y = 2; b.t:z = 3")
    assert filters.conditions(TableId("a", "t")) == ["x = 1", "y = 2"]
    assert filters.idle([TableId("a", "t")]) == 1
    assert filters.idle([TableId("a", "t"), TableId("b", "t")]) == 0
    assert "x = 1" not in repr(filters)


@pytest.mark.parametrize(
    "text", ["", ";", "a.t", "a.t:", ":x = 1", "a.t:x = 'open", 'a.t:x = "open; b.t:y = 1', "t:x = 1"]
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        RowFilters.parse(text)
    assert refused.value.hint
