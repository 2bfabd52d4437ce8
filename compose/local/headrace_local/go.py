"""Programs that are built from their source with Go, for tests.

Go comes from PATH, or else from Debian's newest suite into a scratch folder, because the Go of a stable Debian may be
too old. A build runs at the lowest priority, so that tests may go on beside it.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .console import StackError, run, say, step
from .debian import unpack_with_dependencies
from .installed import install_once

_SUITE = "sid"
_PACKAGE = "golang-go"
# A hundred modules are downloaded one by one, and go gives up at the first that does not come.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class GoProgram:
    """A program, the `package` of a `module` in one version, and the oldest Go that builds it."""

    name: str
    module: str
    package: str
    version: str
    needs_go: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def install_program(folder: Path, program: GoProgram) -> Path:
    """Return the program, built first if it is missing.

    Such programs have a folder, and so a lock, of their own: a build takes minutes, in which servers can be installed.
    """
    return install_once(folder / "tools", f"{program.name}-{program.version}", partial(_build, program)) / program.name


def _build(program: GoProgram, target: Path, work: Path) -> None:
    go = shutil.which("go") or str(_fetch_go(program, work))
    # A module that needs nothing but the program: with a version on its command line go asks for the list of all versions as well.
    source = work / "build"
    source.mkdir()
    (source / "go.mod").write_text(
        f"module build\n\ngo {program.needs_go}\n\nrequire {program.module} v{program.version}\n"
    )
    # Modules and objects go to the scratch folder; writable, so that it can be removed.
    environment = {
        **os.environ,
        "GOBIN": str(target),
        "GOPATH": str(work / "go"),
        "GOCACHE": str(work / "cache"),
        "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -modcacherw -trimpath -mod=mod".strip(),
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    with step(f"go: building {program} (minutes, once)"):
        _install(go, program, source, environment)
    if not (target / program.name).is_file():
        raise StackError(f"go ended well and left no {program.name}", f"look into {target}")


def _install(go: str, program: GoProgram, folder: Path, environment: Mapping[str, str]) -> None:
    """Build it; what was downloaded and compiled before a failure is not lost for the next try."""
    for tries_left in reversed(range(_TRIES)):
        try:
            run(
                ["nice", "-n", "19", go, "install", f"{program.module}/{program.package}"],
                what=f"building {program} with Go",
                hint=f"check the network and GOPROXY; Go {program.needs_go} or newer is needed (`go version`)",
                folder=folder,
                environment=environment,
            )
        except StackError as error:
            if not tries_left:
                raise
            say(f"{error.what}\ntrying again")
        else:
            return


def _fetch_go(program: GoProgram, work: Path) -> Path:
    root = work / "root"
    packages = work / "packages"
    packages.mkdir()
    unpack_with_dependencies([_PACKAGE], _SUITE, root, packages)
    found = next(_programs(root), None)
    if found is None:
        hint = f"put Go {program.needs_go} or newer on PATH"
        raise StackError(f"Debian's {_PACKAGE} has no go program where it should be", hint)
    return found


def _programs(root: Path) -> Iterator[Path]:
    yield from sorted(root.glob("usr/lib/go-*/bin/go"))
