"""Jars of peers, fetched once with Maven, as compose/local fetches Kafka's."""

import os
from collections.abc import Sequence
from pathlib import Path

from headrace_local.console import StackError, run, step
from headrace_local.installed import install_once
from headrace_local.kafka import find_java, install_tools
from headrace_local.layout import default_install

from tests.bench.span import NotMeasured
from tests.plugins.fix_headrace import REPOSITORY

FOLDER = REPOSITORY / ".local" / "bench-peers"
#: slf4j 1.7's way to log4j 2, which most peers want.
LOG4J = "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = (
    "<project><modelVersion>4.0.0</modelVersion><groupId>headrace</groupId><artifactId>bench-peer</artifactId>"
    "<version>1</version><dependencies>{}</dependencies></project>"
)
_DEPENDENCY = (
    "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>"
    "<exclusions>{}</exclusions></dependency>"
)
_EXCLUSION = "<exclusion><groupId>{}</groupId><artifactId>{}</artifactId></exclusion>"


def jars(name: str, artifacts: Sequence[str], without: Sequence[str] = ()) -> Path:
    """The folder with the artifacts (group:artifact:version) and all they need, but for `without` (group:artifact).

    Raises:
        NotMeasured: they cannot be had.
    """
    exclusions = "".join(_EXCLUSION.format(*one.split(":")) for one in without)
    pom = _POM.format("".join(_DEPENDENCY.format(*one.split(":"), exclusions) for one in artifacts))

    def fetch(target: Path, work: Path) -> None:
        (work / "pom.xml").write_text(pom)
        with step(f"maven: downloading {name}"):
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
                what=f"downloading {name} with maven",
                hint="check the network, or name your mirror in maven's settings.xml",
                folder=work,
                environment={**os.environ, "JAVA_HOME": str(Path(find_java()).resolve().parents[1])},
            )

    try:
        install_tools(default_install(os.environ))
        return install_once(FOLDER, name, fetch)
    except StackError as error:
        raise NotMeasured(error.what) from error
