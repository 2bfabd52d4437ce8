"""Java on this machine: found where it may be, installed with apt where it is missing."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .console import StackError
from .debian import install_packages

_JAVA_VERSION_MIN = 17
_JAVA = f"Java {_JAVA_VERSION_MIN} or newer"


def find_java() -> str:
    """Return a Java that is new enough."""
    found = next(_fit_javas(), None)
    if found is None:
        raise StackError(f"{_JAVA} is missing on this machine", "put it on PATH or set JAVA_HOME")
    return found


def find_compiler() -> str | None:
    """Return the compiler of a Java that is new enough; None when no JDK is there."""
    compilers = (str(Path(program).resolve().with_name("javac")) for program in _fit_javas())
    return next((compiler for compiler in compilers if Path(compiler).exists()), None)


def install_java(*, maven: bool, compiler: bool = False) -> None:
    """Install, in one go, what the machine lacks of Java, maven (if asked for) and a compiler (if asked for)."""
    packages, why = [], []
    if compiler and find_compiler() is None:
        packages.append("default-jdk-headless")
        why.append(f"a compiler of {_JAVA}")
    elif next(_fit_javas(), None) is None:
        packages.append("default-jre-headless")  # Debian 12: 17, Debian 13: 21
        why.append(_JAVA)
    if maven and shutil.which("mvn") is None:
        packages.append("maven")
        why.append("maven")
    if packages:
        install_packages(packages, " and ".join(why))


def _fit_javas() -> Iterator[str]:
    return (program for program in _javas() if _java_version(program) >= _JAVA_VERSION_MIN)


def _javas() -> Iterator[str]:
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    if home:
        yield str(Path(home) / "bin" / "java")
    if on_path:
        yield on_path
    yield from map(str, sorted(Path("/usr/lib/jvm").glob("*/bin/java")))


def _java_version(program: str) -> int:
    """Return the major version (17 for 17.0.15, 8 or less counts as 1), 0 if it does not run."""
    try:
        done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found.group(1)) if found else 0
