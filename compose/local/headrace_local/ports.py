"""Who listens on a port of this machine, read from the kernel (Linux /proc).

Called before a server starts, so that a taken port is named as such instead of as some server's
log line. Also picks free ports for throw-away servers.
"""

import random
import socket
from pathlib import Path

from .console import StackError
from .layout import HOST

_LISTEN = "0A"
# Below the range that Linux gives to outgoing connections (32768 and up): while a killed server is
# down, a client's connection could otherwise take its port, even a retry that connects to itself.
_PORTS_TO_PICK = range(20_000, 32_000)
_PICKS_MAX = 100


def is_taken(port: int) -> bool:
    """Tell whether somebody listens on the port; a socket in TIME_WAIT does not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now. Nothing keeps them free, so use them soon."""
    picked = random.SystemRandom().sample(_PORTS_TO_PICK, k=_PICKS_MAX)
    free = [port for port in picked if not is_taken(port)][:count]
    if len(free) < count:
        raise StackError(f"{_PICKS_MAX} ports tried, and no {count} of them are free", "stop some servers")
    return free


def holder_of(port: int) -> str:
    """Return `name (pid N)` of the program that listens on the port, as far as we may see it."""
    inodes = _listening_inodes(port)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            targets = {str(handle.readlink()) for handle in (process / "fd").iterdir()}
            name = (process / "comm").read_text().strip()
        except OSError:
            continue  # ended meanwhile, or not ours to look into
        if targets & {f"socket:[{inode}]" for inode in inodes}:
            return f"{name} (pid {process.name})"
    return "another program"


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes
