"""What an error of MySQL becomes: one that may pass is tried again, one that a condition of the user will always meet is not."""

from __future__ import annotations

import pymysql
import pytest

from shared.adapters.mysql.session import MysqlTarget, translated
from shared.errors import HeadraceError, NeedsOperator, SchemaChanged, TableGone, Unavailable

TARGET = MysqlTarget("mysql", 3306, "user", "secret")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1690, NeedsOperator),  # an unsigned difference below zero
        (1046, NeedsOperator),  # a function that there is not
        (1305, NeedsOperator),
        (1267, NeedsOperator),  # collations that do not fit
        (3141, NeedsOperator),  # a text that is no JSON
        (3691, NeedsOperator),  # a pattern with a bracket too many
        (1054, SchemaChanged),
        (1146, TableGone),
        (1205, Unavailable),  # waited too long for a lock
        (1317, Unavailable),  # somebody has killed the query
        (2013, Unavailable),
    ],
)
def test_what_an_error_means(code: int, kind: type[HeadraceError]) -> None:
    with pytest.raises(HeadraceError) as caught, translated(TARGET, "reading"):
        raise pymysql.OperationalError(code, "what MySQL says")
    assert type(caught.value) is kind
    assert f"MySQL at mysql:3306 failed reading: what MySQL says ({code})." in caught.value.message
    assert "secret" not in str(caught.value)
