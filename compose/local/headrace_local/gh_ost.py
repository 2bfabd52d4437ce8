"""gh-ost, built from its source with Go, for the tests in which it alters a table that a job copies and follows."""

from pathlib import Path

from .go import GoProgram, install_program

# It has checkpoints and reverts, and so makes more tables beside the one that it alters than older ones do.
_GH_OST = GoProgram("gh-ost", "github.com/github/gh-ost", "go/cmd/gh-ost", "1.1.8", needs_go="1.23")


def install_gh_ost(folder: Path) -> Path:
    """Return the program, built first if it is missing."""
    return install_program(folder, _GH_OST)
