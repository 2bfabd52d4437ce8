"""Jars from Maven's repository, with all that they need."""

import os
from collections.abc import Sequence
from pathlib import Path

from .console import run, step
from .java import find_java

#: slf4j 1.7's way to log4j 2, which Kafka and most programs want.
LOG4J = "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = (
    "<project><modelVersion>4.0.0</modelVersion><groupId>headrace</groupId><artifactId>jars</artifactId>"
    "<version>1</version><dependencies>{}</dependencies></project>"
)
_DEPENDENCY = (
    "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>"
    "<exclusions>{}</exclusions></dependency>"
)
_EXCLUSION = "<exclusion><groupId>{}</groupId><artifactId>{}</artifactId></exclusion>"


def copy_jars(what: str, artifacts: Sequence[str], target: Path, work: Path, without: Sequence[str] = ()) -> None:
    """Copy the artifacts (group:artifact:version) and all they need, but for `without` (group:artifact), to `target`."""
    exclusions = "".join(_EXCLUSION.format(*one.split(":")) for one in without)
    (work / "pom.xml").write_text(
        _POM.format("".join(_DEPENDENCY.format(*one.split(":"), exclusions) for one in artifacts))
    )
    with step(f"maven: downloading {what}"):
        run(
            [
                "mvn",
                "-q",
                "-B",
                "-Dstyle.color=never",
                _COPY,
                "-DincludeScope=runtime",
                f"-DoutputDirectory={target}",
            ],
            what=f"downloading {what} with maven",
            hint="check the network, or name your mirror in maven's settings.xml",
            folder=work,
            # The java on PATH may be an older one than the one that we found.
            environment={**os.environ, "JAVA_HOME": str(Path(find_java()).resolve().parents[1])},
        )
