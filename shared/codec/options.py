"""The options of the message format, as the job file has them.

Law of this file: values only; what they mean stands in docs/types.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """How rows become JSON.

    `treat_tinyint1_as_boolean`: TINYINT(1) is true for 1, false for 0 and any other value the
    number that it is; otherwise always a number. `fields_include`: whether the value holds all
    columns or leaves out those of the key.
    """

    treat_tinyint1_as_boolean: bool = True
    fields_include: Literal["ALL", "EXCEPT_KEY"] = "ALL"
