"""Names that newer servers and Javas call otherwise, renamed in copies of a peer's classes.

MySQL 8.4 dropped SHOW MASTER STATUS for SHOW BINARY LOG STATUS, with the same columns. Java 15 dropped its script engine,
which lives on as a library under another name. A peer that knows only the old name cannot be measured beside the others;
with the new name it can, and nothing else in it is touched. The table says so.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

STATEMENT = {b"SHOW MASTER STATUS": b"SHOW BINARY LOG STATUS"}

_SCRIPT = "{}/nashorn/api/scripting/ScriptObjectMirror"
_FORMS = (
    "{}",
    "L{};",
    "(L{};)Ljava/lang/String;",
    "(Ljavax/script/ScriptEngine;Ljava/lang/String;Ljava/lang/String;)L{};",
)
SCRIPT_ENGINE = {
    form.format(_SCRIPT.format("jdk")).encode(): form.format(_SCRIPT.format("org/openjdk")).encode() for form in _FORMS
}


def renamed(jar: Path, target: Path, names: Mapping[bytes, bytes] = STATEMENT) -> Path:
    """Writes the classes that hold a name into a jar of their own, to stand before theirs on the class path."""
    constants = {_constant(old): _constant(new) for old, new in names.items()}
    with zipfile.ZipFile(jar) as whole, zipfile.ZipFile(target, "w") as changed:
        for name in whole.namelist():
            data = whole.read(name) if name.endswith(".class") else b""
            if any(old in data for old in constants):
                for old, new in constants.items():
                    data = data.replace(old, new)
                changed.writestr(name, data)
    return target


def _constant(text: bytes) -> bytes:
    """A string as a class file's constant pool has it: its tag, its length, its bytes. Others refer to it by number."""
    return b"\x01" + len(text).to_bytes(2, "big") + text
