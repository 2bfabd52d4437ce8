"""Helm, built from its source with Go: the tests of the chart in `helm/` render it, and nothing else needs it.

Go comes from PATH, or else from Debian's newest suite into a scratch folder, because the Go of a stable Debian may be
too old for this Helm. The build runs at the lowest priority, so that tests may go on beside it.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from .console import StackError, run, say, step
from .debian import unpack_with_dependencies
from .installed import install_once

HELM_VERSION = "3.18.6"
_SUITE = "sid"
_PACKAGE = "golang-go"
# A hundred modules are downloaded one by one, and go gives up at the first that does not come.
_TRIES = 3


def install_helm(folder: Path) -> Path:
    """Return the program, built first if it is missing.

    It has a folder, and so a lock, of its own: the build takes minutes, in which servers can be installed.
    """
    return install_once(folder / "tools", f"helm-{HELM_VERSION}", _build) / "helm"


def _build(target: Path, work: Path) -> None:
    go = shutil.which("go") or str(_fetch_go(work))
    # Modules and objects go to the scratch folder; writable, so that it can be removed.
    environment = {
        **os.environ,
        "GOBIN": str(target),
        "GOPATH": str(work / "go"),
        "GOCACHE": str(work / "cache"),
        "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -modcacherw -trimpath".strip(),
        "CGO_ENABLED": "0",
    }
    with step(f"go: building Helm {HELM_VERSION} (minutes, once)"):
        _install(go, work, environment)
    if not (target / "helm").is_file():
        raise StackError("go ended well and left no helm", f"look into {target}")


def _install(go: str, work: Path, environment: Mapping[str, str]) -> None:
    """Build it; what was downloaded and compiled before a failure is not lost for the next try."""
    for tries_left in reversed(range(_TRIES)):
        try:
            run(
                ["nice", "-n", "19", go, "install", f"helm.sh/helm/v3/cmd/helm@v{HELM_VERSION}"],
                what=f"building Helm {HELM_VERSION} with Go",
                hint="check the network and GOPROXY; Go 1.24 or newer is needed (`go version`)",
                folder=work,
                environment=environment,
            )
        except StackError as error:
            if not tries_left:
                raise
            say(f"{error.what}\ntrying again")
        else:
            return


def _fetch_go(work: Path) -> Path:
    root = work / "root"
    packages = work / "packages"
    packages.mkdir()
    unpack_with_dependencies(_PACKAGE, _SUITE, root, packages)
    found = next(_programs(root), None)
    if found is None:
        raise StackError(f"Debian's {_PACKAGE} has no go program where it should be", "put Go 1.24 or newer on PATH")
    return found


def _programs(root: Path) -> Iterator[Path]:
    yield from sorted(root.glob("usr/lib/go-*/bin/go"))
