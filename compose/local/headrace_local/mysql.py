"""MySQL from Debian's newest suite, in a private root, run through that root's own loader.

The suite's C library is newer than the machine's, so mysqld cannot be run directly. The stack uses
`MysqlServer`, as do tests that need one with other options. Other servers of the
family are subclasses: what differs between them is how the program is called and told its sizes.
"""

import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .console import run, step
from .debian import through_loader, unpack_with_dependencies
from .installed import install_once
from .server import Server

_SUITE = "sid"
_PACKAGE = "mysql-server-core"
ROOT_USER = "root"
ROOT_PASSWORD = ""
HEADRACE_USER = "headrace"
HEADRACE_PASSWORD = "headrace-local"
# What headrace needs of a server, and no more. Run while the data folder is initialised, which
# writes no binlog: a fresh server starts with an empty gtid_executed.
_USERS_SQL = f"""\
CREATE USER '{HEADRACE_USER}'@'%' IDENTIFIED WITH caching_sha2_password BY '{HEADRACE_PASSWORD}';
GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '{HEADRACE_USER}'@'%';
"""
# The longest path that fits into the kernel's sockaddr_un, with its closing zero.
_SOCKET_PATH_BYTES_MAX = 107

# ROW, log-bin and binlog_row_metadata=MINIMAL are the server's defaults, and are left to it.
_OPTIONS = (
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--binlog-row-image=FULL",
    "--secure-file-priv=NULL",
    "--mysqlx=OFF",
)
# What every server of the family understands.
COMMON_OPTIONS = ("--server-id=1", "--local-infile=ON", "--max-connections=200")


def install_mysql(folder: Path) -> Path:
    """Return the private root of MySQL, made first if it is missing."""
    return install_once(folder, "mysql", _make_root)


class MysqlServer(Server):
    """A MySQL server with a password-less root and the user `headrace`.

    `template` is an initialised data folder that servers of one kind share: the first one makes it, the others copy it,
    which takes a fraction of the time.
    """

    name = "mysql"
    options: Sequence[str] = _OPTIONS
    root_user = ROOT_USER
    root_password = ROOT_PASSWORD
    user = HEADRACE_USER
    password = HEADRACE_PASSWORD

    def __init__(
        self,
        install: Path,
        directory: Path,
        port: int,
        options: Sequence[str] = (),
        *,
        template: Path | None = None,
    ) -> None:
        super().__init__(directory, port)
        self._install = install.absolute()
        self._template = template
        self._options = tuple(options)
        self._data = self.directory / "data"
        self.socket = _socket_path(self.directory)

    def prepare(self) -> None:
        """Initialise the data folder, with our users, unless it is there."""
        _temporary(self._data).mkdir(parents=True, exist_ok=True)
        if self._data.is_dir():
            return
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        with step(f"{self.name}: initialising its data folder"):
            if self._template is None:
                self._initialise(fresh)
            else:
                self._copy(self._template, fresh)
        fresh.rename(self._data)

    def command(self) -> Sequence[str]:
        """Return mysqld's command line."""
        return [
            *self._mysqld(self._data),
            f"--bind-address={self.host}",
            f"--port={self.port}",
            f"--socket={self.socket}",
            f"--pid-file={self.directory / 'mysqld.pid'}",
            *COMMON_OPTIONS,
            *self.memory(512, 256),
            *self.options,
            *self._options,
        ]

    @classmethod
    def memory(cls, pool_mb: int, redo_mb: int) -> tuple[str, ...]:
        """Return the options for the sizes of InnoDB's buffer pool and of its redo log."""
        return (f"--innodb-buffer-pool-size={pool_mb}M", f"--innodb-redo-log-capacity={redo_mb}M")

    def probe(self, connection: socket.socket) -> bool:
        """Tell whether the server greets: header of 4 bytes, then protocol version 10."""
        greeting = connection.recv(5)
        return len(greeting) == 5 and greeting[4] == 10

    def _copy(self, template: Path, fresh: Path) -> None:
        if not template.is_dir():
            self._initialise(fresh)
            fresh.rename(template)
        shutil.copytree(template, fresh)
        (fresh / "auto.cnf").unlink(missing_ok=True)  # it names a server

    def _initialise(self, fresh: Path) -> None:
        """Make the data folder `fresh`, with our users in it."""
        users = self.directory / "users.sql"
        users.write_text(_USERS_SQL)
        run(
            [*self._mysqld(fresh), "--initialize-insecure", f"--init-file={users}"],
            what=f"initialising {self.name}",
            hint=self._hint,
        )

    @property
    def _hint(self) -> str:
        return f"is the disk full? If not, remove {self._install} to install it again"

    def _mysqld(self, data: Path) -> list[str]:
        """Return the program and what it has to know whether it initialises or serves."""
        usr = self._install / "usr"
        return [
            *through_loader(self._install, ("mysql", "mysql/private")),
            str(usr / "sbin/mysqld"),
            *first_options(usr, data),
            f"--plugin-dir={usr / 'lib/mysql/plugin'}",
            f"--lc-messages-dir={usr / 'share/mysql'}",
            f"--character-sets-dir={usr / 'share/mysql/charsets'}",
        ]


def first_options(base: Path, data: Path) -> list[str]:
    """Return the options that come first: no files of the machine's own, and where things are.

    Temporary tables too have a folder of their own: a server that starts removes all `#sql` files of that folder,
    those of another one as well.
    """
    return [
        "--no-defaults",
        *(["--user=root"] if os.geteuid() == 0 else []),  # the server refuses root unless told so
        f"--basedir={base}",
        f"--datadir={data}",
        f"--tmpdir={_temporary(data)}",
    ]


def _temporary(data: Path) -> Path:
    return data.parent / "tmp"


def _make_root(target: Path, work: Path) -> None:
    version = unpack_with_dependencies([_PACKAGE], _SUITE, target, work)
    (target / "VERSION").write_text(f"{version}\n")


def _socket_path(directory: Path) -> Path:
    path = directory / "mysqld.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES_MAX:
        return path
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"headrace-{digest}.sock"
