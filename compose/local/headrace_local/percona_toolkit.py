"""pt-online-schema-change of Debian's Percona Toolkit, in a private root with a Perl of its own. For tests only.

It comes from one fixed release of Debian, so that Perl and the compiled modules fit each other on any machine.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from .debian import through_loader, unpack_with_dependencies
from .installed import install_once

_NAME = "percona-toolkit-3.2"
_SUITE = "bookworm"
_PERL = "5.36"
_PACKAGES = ("libdbd-mysql-perl", "libterm-readkey-perl", "perl-base", f"perl-modules-{_PERL}")
# It names gdb and more, which others of its tools need.
_ALONE = ("percona-toolkit",)


def install_pt_osc(folder: Path) -> Path:
    """Return the private root of pt-online-schema-change, made first if it is missing."""
    return install_once(folder, _NAME, _make_root)


def pt_osc_command(root: Path) -> list[str]:
    """Return how to run it, with `pt_osc_environment`."""
    return [*through_loader(root), str(root / "usr/bin/perl"), str(root / "usr/bin/pt-online-schema-change")]


def pt_osc_environment(root: Path) -> Mapping[str, str]:
    """Return the variables that it needs: Perl and the client library look for their files outside of the root first."""
    libraries = Path(through_loader(root)[0]).parent.name
    perl = (
        root / "usr/share/perl5",
        root / "usr/lib" / libraries / "perl5" / _PERL,
        root / "usr/share/perl" / _PERL,
        root / "usr/lib" / libraries / "perl" / _PERL,
        root / "usr/lib" / libraries / "perl-base",
    )
    return {
        **os.environ,
        "PERL5LIB": ":".join(map(str, perl)),
        "MARIADB_PLUGIN_DIR": str(root / "usr/lib" / libraries / "libmariadb3/plugin"),
    }


def _make_root(target: Path, work: Path) -> None:
    unpack_with_dependencies(_PACKAGES, _SUITE, target, work, alone=_ALONE)
