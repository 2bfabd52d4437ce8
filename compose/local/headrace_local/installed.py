"""All-or-nothing installs: a folder under its final name is complete.

An install is made in a temporary sibling and renamed when it is done, so a half-finished one (Ctrl-C,
lost network, full disk) is simply made again. Called by the modules of the servers.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from .console import StackError, step
from .layout import locked


def install_once(folder: Path, name: str, make: Callable[[Path, Path], None]) -> Path:
    """Return `folder / name`; when it is missing, `make(target, work)` fills it first.

    `work` is a scratch folder that is gone afterwards. Both lie on the same disk as the result,
    so that the last rename is one step.
    """
    target = folder / name
    if target.is_dir():
        return target
    try:
        with locked(folder):
            if not target.is_dir():  # another program may have made it while we waited
                _remove_scratch(folder, name)
                with step(f"installing {name} into {target}"):
                    try:
                        _make(folder, name, make).rename(target)
                    finally:
                        _remove_scratch(folder, name)
    except OSError as error:
        raise StackError(
            f"cannot install {name} into {folder}: {error}",
            "mend that, or choose another folder with HEADRACE_STACK_INSTALL_DIR",
        ) from error
    return target


def _make(folder: Path, name: str, make: Callable[[Path, Path], None]) -> Path:
    scratch = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=folder))
    target, work = scratch / "target", scratch / "work"
    work.mkdir()
    make(target, work)
    return target


def _remove_scratch(folder: Path, name: str) -> None:
    """Remove scratch folders: ours, and those of programs that were killed while they installed."""
    for scratch in folder.glob(f".{name}.*"):
        shutil.rmtree(scratch)
