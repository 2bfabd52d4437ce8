"""Masks of columns: from the job file to what stands in place of values; the salt stays out of sight."""

from __future__ import annotations

import hmac

import pytest

from shared.codec import FormatOptions
from shared.errors import InvalidJob, MissingSecret, SaltDiffers
from shared.job.placeholders import Resolver
from shared.job.records import RowsSpec
from shared.job.spec import JobSpec, parse
from shared.model.mask import Constant, Hash, require_salt
from shared.model.schema import TableId
from shared.runtime.connections import format_options
from tests.unit.job.test_spec import job, refused, resolve

USER = TableId("shop", "user")
SALT = "s4lt-of-the-sea"
ALL = """\
columns.mask.null: shop.user.(a|none)
columns.mask.constant: shop.\\.*.(a|b|phone)
columns.mask.hash: shop.\\.*.(a|b|c|MAIL)
columns.mask.salt: #{salt}"""


def test_what_hides_more_comes_first() -> None:
    masks = resolve(job(ALL), salt=SALT).source.masks
    found = {name: masks(USER, name) for name in ("a", "none", "b", "phone", "c", "mail", "id")}
    fixed, hashed = Constant("***"), Hash(SALT.encode())
    assert found == {
        "a": Constant(None),
        "none": Constant(None),
        "b": fixed,
        "phone": fixed,
        "c": hashed,
        "mail": hashed,
        "id": None,
    }
    assert masks(TableId("crm", "user"), "mail") is None


def test_options_may_be_nested_and_the_constant_is_any_text() -> None:
    nested = "columns: {mask: {'null': shop.user.a, constant: shop.user.b, constant.value: ''}}"
    masks = resolve(job(nested)).source.masks
    assert [masks(USER, name) for name in "abc"] == [Constant(None), Constant(""), None]
    chosen = resolve(job("columns.mask.constant: shop.user.b\ncolumns.mask.constant.value: '#{what}'"), what='"x"')
    assert chosen.source.masks(USER, "b") == Constant('"x"')


def test_a_job_without_masks_has_none() -> None:
    assert format_options(resolve(job())) == FormatOptions()
    assert resolve(job()).source.masks(USER, "a") is None


@pytest.mark.parametrize(
    ("lines", "path", "message"),
    [
        ("columns.mask.hash: shop.user.a", "hash", "`columns.mask.hash` needs `columns.mask.salt`"),
        ("columns.mask.salt: '#{salt}'", "salt", "has no effect without `columns.mask.hash`"),
        ("columns.mask.constant.value: x", "constant.value", "has no effect without `columns.mask.constant`"),
        ("columns.mask.null: user.a", "null", "patterns such as `shop.user.phone`"),
        ("columns.mask.hash: shop.user.a\ncolumns.mask.salt: ''", "salt", "Expected text"),
        ("columns.mask.sha256: shop.user.a", "sha256", "There is no option"),
    ],
)
def test_a_mistake_is_one_clear_error(lines: str, path: str, message: str) -> None:
    error = refused(job(lines))
    assert error.path == f"source.columns.mask.{path}"
    assert message in error.message
    assert "job.yaml:7" in error.message or "job.yaml:8" in error.message


def test_the_salt_must_be_a_placeholder_and_is_shown_nowhere() -> None:
    assert parse(job(ALL)).literal_secrets() == ()
    literal = parse(job(ALL.replace("#{salt}", SALT)))
    assert literal.literal_secrets() == ("source.columns.mask.salt",)
    assert SALT not in repr(literal)
    spec = resolve(job(ALL), salt=SALT)
    options = format_options(spec)
    for shown in (spec, spec.source, spec.source.masks, spec.rows, options, spec.source.masks(USER, "mail")):
        assert SALT not in repr(shown) + str(shown)
    assert hash(options) == hash(format_options(resolve(job(ALL), salt=SALT))), "the codec remembers writers by options"
    with pytest.raises(MissingSecret):
        resolve(job(ALL))


def test_a_salt_is_known_again_and_not_told() -> None:
    found = resolve(job(ALL), salt=SALT).source.masks.fingerprint("4711")
    assert found == hmac.new(SALT.encode(), b"the salt of headrace job 4711", "sha256").hexdigest()[:16]
    other = resolve(job(ALL), salt=SALT + "2").source.masks
    assert len({found, other.fingerprint("4711"), other.fingerprint("4712")}) == 3
    assert resolve(job(ALL.partition("columns.mask.hash")[0])).source.masks.fingerprint("4711") == ""
    for known in ("", found):
        require_salt(known, found, "A worker", "shop")
    with pytest.raises(SaltDiffers, match=r"A worker has another .* than job shop") as caught:
        require_salt(found, other.fingerprint("4711"), "A worker", "shop")
    assert "scheduler resume shop --resync" in caught.value.hint
    assert SALT not in str(caught.value)


def test_messages_are_described_without_the_salt() -> None:
    rows: RowsSpec = parse(job(ALL)).rows(Resolver())
    masks = format_options(rows).masked
    assert masks is not None
    assert (masks(USER, "mail"), masks(USER, "phone")) == (Hash(None), Constant("***"))


def test_a_salt_that_is_no_text_is_refused_without_being_shown() -> None:
    with pytest.raises(InvalidJob) as caught:
        resolve(job(ALL), salt=f"{SALT}\0")
    assert SALT not in str(caught.value)
    assert isinstance(resolve(job(ALL), salt=SALT), JobSpec)
