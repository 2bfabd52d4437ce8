"""MariaDB 10.11 from Debian's release 12, in a private root, run through that root's own loader. For tests only."""

from pathlib import Path

from .console import run
from .debian import through_loader, unpack_with_dependencies
from .installed import install_once
from .mysql import HEADRACE_PASSWORD, HEADRACE_USER, ROOT_USER, MysqlServer, first_options

_NAME = "mariadb-10.11-plugins"
_PACKAGES = ("mariadb-server-core", "libpam0g")
# Has the plugins by which accounts log in, of which one needs the library above, and names much that a server can do without.
_ALONE = ("mariadb-server",)
_SUITE = "bookworm"
# What the package's own install script feeds to the server, in its order.
_SYSTEM_FILES = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
_USERS_SQL = f"""\
DELETE FROM global_priv WHERE User = '';
FLUSH PRIVILEGES;
CREATE OR REPLACE USER '{ROOT_USER}'@'%' IDENTIFIED BY '';
GRANT ALL ON *.* TO '{ROOT_USER}'@'%' WITH GRANT OPTION;
CREATE USER '{HEADRACE_USER}'@'%' IDENTIFIED BY '{HEADRACE_PASSWORD}';
GRANT SELECT, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO '{HEADRACE_USER}'@'%';
"""


def install_mariadb(folder: Path) -> Path:
    """Return the private root of MariaDB, made first if it is missing."""
    return install_once(folder, _NAME, _make_root)


class MariadbServer(MysqlServer):
    """A MariaDB with a password-less root and the user `headrace`."""

    name = "mariadb"
    # Its defaults are no binlog, and rows only where a statement is unsafe.
    options = ("--log-bin=binlog", "--binlog-format=ROW", "--binlog-row-image=FULL", "--skip-name-resolve")

    @classmethod
    def memory(cls, pool_mb: int, redo_mb: int) -> tuple[str, ...]:
        """Return the options for the sizes; the redo log is one file."""
        return (f"--innodb-buffer-pool-size={pool_mb}M", f"--innodb-log-file-size={redo_mb}M")

    def _mysqld(self, data: Path) -> list[str]:
        usr = self._install / "usr"
        return [
            *through_loader(self._install),
            str(usr / "sbin/mariadbd"),
            *first_options(usr, data),
            f"--plugin-dir={usr / 'lib/mysql/plugin'}",
            f"--lc-messages-dir={usr / 'share/mysql'}",
            f"--character-sets-dir={usr / 'share/mysql/charsets'}",
        ]

    def _initialise(self, fresh: Path) -> None:
        fresh.mkdir()
        files = (self._install / "usr/share/mysql" / name for name in _SYSTEM_FILES)
        sql = "CREATE DATABASE mysql;\nUSE mysql;\n" + "\n".join(file.read_text() for file in files) + _USERS_SQL
        command = [*self._mysqld(fresh), "--bootstrap", "--skip-log-bin"]
        run(command, what=f"initialising {self.name}", hint=self._hint, told=sql)


def _make_root(target: Path, work: Path) -> None:
    version = unpack_with_dependencies(_PACKAGES, _SUITE, target, work, alone=_ALONE)
    (target / "VERSION").write_text(f"{version}\n")
