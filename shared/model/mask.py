"""What stands in messages in place of the values of a masked column."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TypeAlias

from shared.errors import Bug, SaltDiffers

#: Enough that no two salts have one fingerprint, and a quarter of what a hash of a value shows.
_FINGERPRINT_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Constant:
    """The same in every row, also in those where the column is NULL: a text, or None for null."""

    text: str | None


@dataclass(frozen=True, slots=True)
class Hash:
    """The HMAC-SHA-256 of the value's text, keyed by a salt. `salt` is None where messages are described and none is made."""

    salt: bytes | None = field(repr=False)

    @property
    def key(self) -> bytes:
        """The salt.

        Raises:
            Bug: nobody gave it.
        """
        if self.salt is None:
            raise Bug("A value is to be hashed where the salt was not looked up.")
        return self.salt


Mask: TypeAlias = Constant | Hash


def fingerprint(salt: bytes, job_id: str) -> str:
    """By what a salt is known again, without being told: the beginning of its hash of a text that is fixed for a job. Who sees it
    learns less than from a hashed value whose text is known.
    """
    text = f"the salt of headrace job {job_id}"
    return hmac.new(salt, text.encode(), "sha256").hexdigest()[:_FINGERPRINT_DIGITS]


def require_salt(known: str, own: str, who: str, job: str) -> None:
    """Refuses a process whose hashes would not be those of its job: one value would have two, and nobody could tell.

    Args:
        known: the fingerprint of the job's salt; empty where nobody has noted it.
        own: that of the process's.
        who: the process, as a sentence begins.
        job: the job's name.

    Raises:
        SaltDiffers: they are not the same.
    """
    if known and known != own:
        raise SaltDiffers(
            f"{who} has another `source.columns.mask.salt` than job {job}: one value would have two hashes.",
            f"Start it again with the job's salt; if the job has stopped, then scheduler resume {job}. To change the salt, give the new"
            f" one to all workers, and copy all tables again: scheduler pause {job}, scheduler resume {job} --resync.",
        )
