"""Debian packages: the machine's own, and a private root made of a newer suite's packages.

The archive's address is read out of the machine's own apt sources, so a mirror or an air-gapped
machine works as it is set up, and no address stands in this repository. The private root never
touches the machine: apt gets its own sources, lists and cache, and packages are only unpacked.
"""

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from .console import StackError, run, say, step

_APT_SOURCES = Path("/etc/apt")
_COMPONENT = "main"
# A machine's sources name its own release by its code name or by one of these.
_SUITE_NAMES = ("oldstable", "stable", "testing", "unstable", "sid")


def install_packages(packages: Sequence[str], why: str) -> None:
    """Install packages with the machine's apt when we are root; else tell the command to run."""
    command = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0:
        raise StackError(f"{why} is missing on this machine", f"run as root: {command}")
    if shutil.which("apt-get") is None:
        raise StackError(f"{why} is missing and this machine has no apt-get", f"install {why} yourself")
    hint = f"see what is wrong with: apt-get update && {command}"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"apt: installing {' '.join(packages)} ({why})"):
        what = f"installing {' '.join(packages)} with apt"
        run(["apt-get", "-q", "update"], what=what, hint=hint, environment=environment)
        run(shlex.split(command), what=what, hint=hint, environment=environment)


def unpack_with_dependencies(
    packages: Sequence[str], suite: str, root: Path, work: Path, *, alone: Sequence[str] = ()
) -> str:
    """Unpack packages of a suite and all they need into `root`; return the version of the first one.

    `alone` are packages that are unpacked without what they need.
    """
    package = packages[0]
    for program in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(program) is None:
            raise StackError(
                f"{package} comes from Debian's archive, and this machine has no {program}",
                "use a Debian machine, or compose/ with containers",
            )
    options = _private_apt(suite, work)
    hint = f"check the network and that the machine's Debian mirror has the suite {suite!r}"
    with step(f"apt: reading the package list of {suite}"):
        run(["apt-get", *options, "-q", "update"], what=f"reading suite {suite}", hint=hint)
    needed = sorted({*_closure(packages, options, hint), *alone})
    with step(f"apt: downloading {package} and what it needs, {len(needed)} packages"):
        what = f"downloading {package} from {suite}"
        run(["apt-get", *options, "-q", "download", *needed], what=what, hint=hint, folder=work)
    root.mkdir(parents=True)
    with step(f"unpacking {package}"):
        for archive in sorted(work.glob("*.deb")):
            what = f"unpacking {archive.name}"
            run(["dpkg-deb", "-x", str(archive), str(root)], what=what, hint="is the disk full?")
    (downloaded,) = work.glob(f"{package}_*.deb")
    return downloaded.name.split("_")[1]


def through_loader(root: Path, folders: Sequence[str] = ()) -> list[str]:
    """Return how to run a program with the C library and the libraries of an unpacked root.

    `folders` are searched as well: relative ones lie beside the root's libraries, absolute ones anywhere.
    """
    loaders = sorted(root.glob("**/lib/*-linux-gnu/ld-linux-*.so.*"))  # below usr/ since Debian merged the two
    if not loaders:
        raise StackError(f"no loader in {root}", f"remove {root} to install it again")
    triplet = loaders[0].parent.name
    usual = [root / "usr/lib" / triplet, root / "lib" / triplet]
    path = ":".join(str(folder) for folder in [*usual, *(usual[0] / folder for folder in folders)])
    return [str(loaders[0]), "--library-path", path]


def _private_apt(suite: str, work: Path) -> list[str]:
    """Write the private sources file and return the options that make apt use it and nothing else."""
    address, signed_by = _archive()
    say(f"apt: the machine's Debian archive is {address}")
    for folder in ("lists/partial", "cache/archives/partial", "parts"):
        (work / folder).mkdir(parents=True)
    sources = work / "other.sources"
    sources.write_text(
        f"Types: deb\nURIs: {address}\nSuites: {suite}\nComponents: {_COMPONENT}\n"
        + (f"Signed-By: {signed_by}\n" if signed_by else "")
    )
    settings = {
        "Dir::Etc::SourceList": str(sources),
        "Dir::Etc::SourceParts": str(work / "parts"),
        "Dir::State::lists": str(work / "lists"),
        "Dir::Cache": str(work / "cache"),
        # apt's download user cannot look into a root-only home directory.
        "APT::Sandbox::User": "root",
        # By default apt calls an unreachable archive a warning and ends with 0.
        "APT::Update::Error-Mode": "any",
        "Acquire::Retries": "3",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    }
    return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]


def _closure(packages: Sequence[str], options: Sequence[str], hint: str) -> set[str]:
    kinds = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    listing = run(
        [
            "apt-cache",
            *options,
            "depends",
            "--recurse",
            *(f"--no-{kind}" for kind in kinds),
            *packages,
        ],
        what=f"looking up {packages[0]}",
        hint=hint,
    )
    # Names at the line's begin are the real packages. Unless it is asked for, Perl serves only helper scripts.
    names = {line.strip() for line in listing.splitlines() if re.match(r"[a-z0-9]", line)}
    return {name for name in names if name in packages or not name.startswith("perl")}


def _archive() -> tuple[str, str]:
    """Return (address, signed-by) of the Debian archive in the machine's apt sources."""
    release = _release()
    found = [
        (address, signed_by)
        for address, suites, components, signed_by in _sources()
        if {release, *_SUITE_NAMES} & set(suites) and _COMPONENT in components
    ]
    # Another vendor's archive may use Debian's suite names too; Debian's own is usually named so.
    for address, signed_by in found:
        if address.rstrip("/").endswith("debian"):
            return address, signed_by
    if found:
        return found[0]
    raise StackError(
        f"no Debian archive with suite {release!r} and component {_COMPONENT!r} in {_APT_SOURCES}",
        "add the machine's usual Debian mirror to its apt sources, or use compose/ with containers",
    )


def _release() -> str:
    path = Path("/etc/os-release")
    text = path.read_text() if path.exists() else ""
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if found.get("ID") != "debian":
        raise StackError(
            f"database servers are taken from Debian, and this machine is {found.get('ID', 'unknown')!r}",
            "use a Debian machine, or compose/ with containers",
        )
    return found.get("VERSION_CODENAME", "sid")


def _sources() -> Iterator[tuple[str, list[str], list[str], str]]:
    """Yield (address, suites, components, signed-by) of both notations of apt sources."""
    parts = sorted((_APT_SOURCES / "sources.list.d").glob("*"))
    for path in (_APT_SOURCES / "sources.list", *parts):
        if path.suffix == ".sources":
            yield from _stanzas(path.read_text())
        elif path.suffix == ".list" and path.exists():
            yield from _lines(path.read_text())


def _stanzas(text: str) -> Iterator[tuple[str, list[str], list[str], str]]:
    text = "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", text):
        # A key may be written on several lines as well (an inline signing key): those are indented.
        joined = re.sub(r"\n[ \t]+", "\n ", stanza)
        found = dict(re.findall(r"^([A-Za-z-]+):[ \t]*((?:.*)(?:\n .*)*)", joined, re.MULTILINE))
        fields = {name.lower(): value.strip() for name, value in found.items()}
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes") != "no":
            suites, components = (
                fields.get("suites", "").split(),
                fields.get("components", "").split(),
            )
            for address in fields.get("uris", "").split():
                yield address, suites, components, fields.get("signed-by", "")


def _lines(text: str) -> Iterator[tuple[str, list[str], list[str], str]]:
    for line in text.splitlines():
        found = re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)", line.partition("#")[0])
        if found is not None:
            options, address, suite, components = found.groups()
            key = re.search(r"signed-by=(\S+)", options or "")
            yield address, [suite], components.split(), key.group(1) if key else ""
