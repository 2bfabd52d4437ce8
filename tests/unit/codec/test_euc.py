"""The two Japanese EUC charsets by example; tests/integration asks MySQL for every code."""

import pytest

from shared.codec.reference.charsets import decoder_of
from shared.codec.reference.euc import euc_decoder


@pytest.mark.parametrize(
    ("code", "ujis", "eucjpms"),
    [
        (b"~\\", "~\\", "~\\"),
        (b"\xa1\xc1", "\u301c", "\uff5e"),
        (b"\xa1\xc0", "\\", "\uff3c"),
        (b"\x8f\xa2\xc3", "\xa6", "\uffe4"),
        (b"\x8f\xa2\xb7", "~", "\uff5e"),
        (b"\xad\xa1\xad\xfc", None, "\u2460\u222a"),
        (b"\xad\xdf\xad\xe0", None, "\u337b\u301d"),
        (b"\x8f\xf3\xf3\x8f\xf4\xfe", None, "\u2170\u9ed1"),
        (b"\xf5\xa1\xfe\xfe", "\ue000\ue3ab", "\ue000\ue3ab"),
        (b"\x8f\xf5\xa1a\x8f\xfe\xfe", "\ue3aca\ue757", "\ue3aca\ue757"),
        (b"\xad", None, None),
        (b"\x8f\xf5", None, None),
        (b"\xf5\x41", None, None),
        # Between the halves of another character's code stands what looks like a code of its own.
        (b"\xb0\x8f\xa2\xb7\xa1", None, None),
    ],
)
def test_codes(code: bytes, ujis: str | None, eucjpms: str | None) -> None:
    for charset, text in (("ujis", ujis), ("eucjpms", eucjpms)):
        if text is None:
            with pytest.raises(ValueError, match="decode"):
                euc_decoder(charset)(code)
        else:
            assert decoder_of(charset, "t.c")(code) == text


def test_in_a_key_only_the_code_that_mysql_writes_is_taken() -> None:
    strict = decoder_of("eucjpms", "t.c", in_key=True)
    assert strict(b"\xad\xb5\xa2\xe2~\xf5\xa1") == "\u2160\u2252~\ue000"
    for code in (b"\x8f\xf3\xfd", b"\xad\xf0", b"\x8f\xa2\xf1", b"\x8f\xa2\xb7"):
        with pytest.raises(ValueError, match="other than the one"):
            strict(code)
