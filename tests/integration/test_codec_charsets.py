"""Every charset of the server: what we decode is what MySQL says, code for code."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.codec.reference.charsets import charset_of_collation, decoder_of
from tests.integration.codec_families import CHARSETS
from tests.integration.codec_lab import CODECS, Lab, folded, opened


@pytest.fixture(params=CODECS)
def lab(request: pytest.FixtureRequest, any_mysql: Any, any_database: str) -> Iterator[Lab]:
    with opened(any_mysql, any_database, request.param) as lab:
        yield lab


UNICODE = ["utf8mb4", "utf8mb3", "ucs2", "utf16", "utf16le", "utf32", "gb18030"]
BYTES = [charset for charset in CHARSETS if charset not in UNICODE] + ["gb18030"]


def name_of(charset: str) -> str:
    """Servers before 8.0.30 call utf8mb3 by its older name."""
    return "utf8mb3" if charset == "utf8" else charset


def test_every_charset_of_the_server_is_decided(lab: Lab) -> None:
    known = {name_of(name) for (name,) in lab.sql("SELECT character_set_name FROM information_schema.character_sets")}
    assert known - {"binary"} == set(CHARSETS) == set(UNICODE) | set(BYTES)
    ids = lab.sql("SELECT id, character_set_name FROM information_schema.collations")
    assert [charset_of_collation(number) for number, _ in ids] == [name_of(name) for _, name in ids]


@pytest.mark.parametrize("charset", BYTES)
def test_every_code_of_a_charset_is_what_mysql_says(any_mysql: Any, any_database: str, charset: str) -> None:
    singles = [bytes((a,)) for a in range(256)]
    pairs = [bytes((a, b)) for a in range(0x80, 0x100) for b in range(0x30, 0x100)]
    triples = [bytes((0x8F, a, b)) for a in range(0xA1, 0xFF) for b in range(0xA1, 0xFF)]
    multi = charset in ("big5", "cp932", "euckr", "gb18030", "gb2312", "gbk", "sjis", "ujis", "eucjpms")
    codes = singles + pairs * multi + triples * (charset in ("ujis", "eucjpms"))
    with opened(any_mysql, any_database) as lab:  # both codecs decode by these tables
        lab.sql("CREATE TABLE n (v varbinary(4) PRIMARY KEY)")
        for first in range(0, len(codes), 8000):
            lab.sql("INSERT INTO n VALUES " + ",".join(f"(x'{code.hex()}')" for code in codes[first : first + 8000]))
        text = f"CONVERT(CONVERT(v USING {charset}) USING utf8mb4)"
        rows = lab.read(
            f"SELECT v, {text}, CAST(CONVERT({text} USING {charset}) AS BINARY) FROM n"
            f" WHERE CAST(CONVERT(v USING {charset}) AS BINARY) = v AND CHAR_LENGTH(CONVERT(v USING {charset})) = 1"
        )
    plain, strict = decoder_of(charset, "t.c"), decoder_of(charset, "t.c", in_key=True)
    for code, expected, back in rows:
        assert code is not None
        if expected is None or expected in (b"", b"\xef\xbf\xbd") or (expected == b"?" and code != b"?"):
            continue  # MySQL does not know the code either
        assert plain(code) == expected.decode(), code.hex()
        if back == code:
            assert strict(code) == expected.decode()
        else:
            with pytest.raises((ValueError, KeyError)):
                strict(code)
    assert len(rows) >= 128


@pytest.mark.parametrize("charset", UNICODE)
def test_every_character_survives_a_charset(lab: Lab, charset: str) -> None:
    lab.sql(f"CREATE TABLE c (id int PRIMARY KEY, t varchar(300) CHARACTER SET {charset})")
    table = lab.table("c")
    points = [p for p in (*range(0x10000), 0x10000, 0x1F600, 0x20000, 0x10FFFF) if not 0xD800 <= p < 0xE000]
    if charset in ("utf8mb3", "ucs2"):
        points = [p for p in points if p < 0x10000]
    texts = ["".join(map(chr, points[i : i + 256])) + "." for i in range(0, len(points), 256)]
    lab.mark()
    for first in range(0, len(texts), 32):
        some = enumerate(texts[first : first + 32], start=first)
        lab.sql("INSERT INTO c VALUES " + ",".join(f"({i}, _utf8mb4 x'{t.encode().hex()}')" for i, t in some))
    rows = lab.snapshot(table)
    assert [json.loads(value)["t"] for _, value in rows] == texts
    assert folded(lab.changes(table)) == dict(rows)
