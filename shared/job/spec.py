"""The job file as a whole: `parse` checks its structure, `JobFile.resolve` gives it values.

    parse(text, file) -> JobFile            the text with its placeholders; this form is stored in Kafka
    JobFile.resolve(resolver) -> JobSpec    typed values and secrets; this form stays in its process

Options may be nested (`properties: {bootstrap.servers: …}`) or dotted (`properties.bootstrap.servers: …`), as in
Flink CDC; both become one dotted name. Every option is checked in `parse` as far as it holds no placeholder, so most
mistakes show without any secret at hand.

Law of this file: one mistake, one `InvalidJob` with path, line and hint. Other rooms import the job from here.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from shared.errors import InvalidJob
from shared.job.options import is_secret
from shared.job.placeholders import PLACEHOLDER, Resolver, names_in
from shared.job.reading import check_literals, resolve, resolve_rows
from shared.job.records import (
    AliyunSpec,
    FieldsInclude,
    JobSpec,
    PipelineSpec,
    RowsSpec,
    SinkSpec,
    SourceSpec,
    located,
)
from shared.job.routing import RouteMode, RouteRule
from shared.job.structure import Setting, Structure, read_structure
from shared.job.values import ServerIdRange

__all__ = [
    "AliyunSpec",
    "FieldsInclude",
    "JobFile",
    "JobSpec",
    "PipelineSpec",
    "RouteMode",
    "RouteRule",
    "RowsSpec",
    "ServerIdRange",
    "SinkSpec",
    "SourceSpec",
    "job_name",
    "parse",
]

#: Names go into topics and Redis keys with prefixes and suffixes; Kafka's bound for the whole is 249.
NAME_LENGTH_MAX = 100
#: Options that hold a list of settings, where a literal may stand beside a placeholder without being a secret.
_STRUCTURED = re.compile(r"(jaas\.config|oauthbearer\.config)$", re.IGNORECASE)
_LITERAL_SETTING = re.compile(
    r"(password|passphrase|secret|token)\w*[\"']?\s*[=:]\s*(\"[^\"]|'[^']|[^\s\"';,])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class JobFile:
    """A job file whose structure is right; its placeholders are not resolved. Build it with `parse`."""

    file: str
    _text: str = field(repr=False)  # may hold a literal secret, until `submit` refuses it
    _structure: Structure = field(repr=False)

    def to_text(self) -> str:
        """The file as written, placeholders and comments included: `parse` takes it again."""
        return self._text

    def name(self, default: str) -> str:
        """The job's name: `pipeline.name`, else the default, as `job_name` spells it.

        Raises:
            InvalidJob: nothing is left of the name.
        """
        setting = self._structure.blocks["pipeline"].get("name")
        if setting is None:
            return job_name(default)
        try:
            return job_name(setting.text)
        except InvalidJob as error:
            raise located(error, self.file, self._structure.lines) from None

    def placeholders(self) -> tuple[str, ...]:
        """The names of all placeholders, in the order of the file, each once."""
        found = (name for s in self._structure.settings() for name in names_in(s.text))
        return tuple(dict.fromkeys(found))

    def literal_secrets(self) -> tuple[str, ...]:
        """The paths of options that hold a secret in clear text, which must not be stored in Kafka."""
        return tuple(s.path for s in self._structure.settings() if is_secret(s.path) and _holds_literal(s))

    def resolve(self, resolver: Resolver) -> JobSpec:
        """The job with all values, for this process only.

        Raises:
            MissingSecret: a placeholder has no value.
            InvalidJob: a value is not what its option expects.
        """
        return resolve(self._structure, self.file, resolver)

    def rows(self, resolver: Resolver) -> RowsSpec:
        """How rows become messages, without any other value of the file.

        Raises:
            MissingSecret: a placeholder of one of these options has no value.
            InvalidJob: a value is not what its option expects.
        """
        return resolve_rows(self._structure, self.file, resolver)

    def written_properties(self) -> dict[str, str]:
        """The sink's `properties.*` as the file has them, without that prefix; a secret is a placeholder."""
        found = {}
        for setting in self._structure.blocks["sink"].values():
            name = setting.name.removeprefix("properties.")
            if name != setting.name:
                # `submit` stores no literal secret; should one be there, it goes no further.
                hidden = is_secret(setting.path) and _holds_literal(setting)
                found[name] = "#{" + name.rpartition(".")[2] + "}" if hidden else setting.text
        return found


def parse(text: str, file: str = "job.yaml") -> JobFile:
    """Read a job file and check all of it that needs no placeholder.

    Args:
        text: the file's content.
        file: its name, for errors.

    Raises:
        InvalidJob: the file is no YAML, or has an unknown, refused, missing or ill-typed option.
    """
    structure = read_structure(text, file)
    check_literals(structure, file)
    name = structure.blocks["pipeline"].get("name")
    if name is not None and not name.is_literal:
        what, hint = (
            "The job's name holds a placeholder.",
            "Write it out: it is the same everywhere.",
        )
        raise located(InvalidJob(what, hint, name.path), file, structure.lines)
    job = JobFile(file, text, structure)
    if name is not None:
        job.name("")
    return job


def job_name(text: str) -> str:
    """A name that is valid in Kafka topics and Redis keys: a-z, 0-9, `_` and `-`, at most 100 characters.

    Raises:
        InvalidJob: nothing is left of the text.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    slug = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")[:NAME_LENGTH_MAX].rstrip("-")
    if not slug.strip("_-"):
        raise InvalidJob(
            "Nothing is left of the job's name without special characters.",
            "Use letters a to z, digits, `-` and `_`.",
            "pipeline.name",
        )
    return slug


def _holds_literal(setting: Setting) -> bool:
    """True when a secret, or a part of one, stands in the file itself."""
    rest = PLACEHOLDER.sub("", setting.text)
    if setting.is_literal or not _STRUCTURED.search(setting.name):
        return bool(rest.strip())
    return _LITERAL_SETTING.search(rest) is not None
