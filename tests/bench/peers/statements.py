"""A statement that newer MySQL servers call otherwise, renamed in copies of a peer's classes.

MySQL 8.4 dropped SHOW MASTER STATUS for SHOW BINARY LOG STATUS, with the same columns. A peer that knows only the old name
cannot be measured beside the others; with the new name it can, and nothing else in it is touched. The table says so.
"""

import zipfile
from pathlib import Path

_OLD, _NEW = b"SHOW MASTER STATUS", b"SHOW BINARY LOG STATUS"


def renamed(jar: Path, target: Path) -> Path:
    """Writes the classes that hold the statement into a jar of their own, to stand before theirs on the class path."""
    with zipfile.ZipFile(jar) as whole, zipfile.ZipFile(target, "w") as changed:
        for name in whole.namelist():
            data = whole.read(name) if name.endswith(".class") else b""
            if _constant(_OLD) in data:
                changed.writestr(name, data.replace(_constant(_OLD), _constant(_NEW)))
    return target


def _constant(text: bytes) -> bytes:
    """A string as a class file's constant pool has it: its tag, its length, its bytes. Others refer to it by number."""
    return b"\x01" + len(text).to_bytes(2, "big") + text
