"""Placeholders `#{name}`: finding them, and giving them values in the process that needs them.

Law of this file: a value goes from its origin into the text it was asked for and nowhere else. No repr, no error and
no second substitution ever sees it, so a value that itself looks like `#{nested}` stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from shared.errors import InvalidJob, MissingSecret

#: The first character is never a dot, so a name can neither climb out of the directory nor hide in it.
NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
PLACEHOLDER = re.compile(r"#\{(" + NAME + r")\}")

ENVIRONMENT_PREFIX = "HEADRACE_VAR_"
DIRECTORY_VARIABLE = "HEADRACE_VARS_DIR"

#: Certificates and key chains fit; a log file that was mounted by mistake does not.
FILE_BYTES_MAX = 1 << 20


def names_in(text: str) -> tuple[str, ...]:
    """The names of all placeholders in a text, in order, each once."""
    return tuple(dict.fromkeys(PLACEHOLDER.findall(text)))


def has_placeholder(text: str) -> bool:
    """True when the text holds at least one placeholder."""
    return PLACEHOLDER.search(text) is not None


def environment_name(name: str) -> str:
    """The environment variable that a placeholder is looked up in: `db.user-name` is HEADRACE_VAR_DB_USER_NAME."""
    return ENVIRONMENT_PREFIX + re.sub(r"[-.]", "_", name).upper()


def parse_variables(arguments: Iterable[str]) -> dict[str, str]:
    """Read the arguments of `--var`, each `name=value`; the value may be empty and may hold further `=`.

    Raises:
        InvalidJob: an argument has no `=`, its name is no placeholder name, or a name comes twice.
    """
    variables: dict[str, str] = {}
    for number, argument in enumerate(arguments, start=1):
        name, equals, value = argument.partition("=")
        if not equals or re.fullmatch(NAME, name) is None:
            # The argument itself is not shown: without its name it may well be a password.
            raise InvalidJob(
                f"Argument {number} of --var is not of the form name=value.",
                "A name has letters, digits, `_`, `-` and `.`: --var password=…",
            )
        if name in variables:
            raise InvalidJob(f"--var {name}=… is given twice.", "Give each variable once.")
        variables[name] = value
    return variables


class Resolver:
    """Gives placeholders their values: from `--var`, else from the environment, else from a directory of files.

    Args:
        variables: the `--var` mapping.
        environment: the process environment, looked up as HEADRACE_VAR_<NAME>.
        directory: a directory with one file per placeholder, named as the placeholder; None for none.
    """

    __slots__ = ("__directory", "__environment", "__variables")

    def __init__(
        self,
        variables: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.__variables = dict(variables or {})
        # Only what can ever be asked for is kept, so that the rest of the environment is not copied around.
        self.__environment = {
            name: value for name, value in (environment or {}).items() if name.startswith(ENVIRONMENT_PREFIX)
        }
        self.__directory = directory

    @classmethod
    def from_environment(cls, variables: Mapping[str, str], environment: Mapping[str, str]) -> Resolver:
        """A resolver over all three origins, with the directory taken from HEADRACE_VARS_DIR."""
        directory = environment.get(DIRECTORY_VARIABLE, "")
        return cls(variables, environment, Path(directory) if directory else None)

    def __repr__(self) -> str:
        return "Resolver()"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a Resolver holds secrets and stays in its process")

    def value(self, name: str, where: str = "") -> str:
        """The value of one placeholder; `where` is the option's path for the error.

        Raises:
            MissingSecret: none of the three origins has it, or its file cannot be read.
        """
        variable = environment_name(name)
        value = self.__variables.get(name, self.__environment.get(variable))
        if value is not None:
            return _as_text(value, name, where)
        value = self.__from_file(name, where)
        if value is None:
            raise MissingSecret(
                f"The placeholder #{{{name}}}{_at(where)} has no value.",
                f"Give --var {name}=…, set {variable}, or put a file named {name} into the directory "
                f"that {DIRECTORY_VARIABLE} names.",
            )
        return value

    def substitute(self, text: str, where: str = "") -> str:
        """The text with every placeholder replaced, once: values are not searched for placeholders.

        Raises:
            MissingSecret: a placeholder has no value.
        """
        return PLACEHOLDER.sub(lambda match: self.value(match[1], where), text)

    def __from_file(self, name: str, where: str) -> str | None:
        if self.__directory is None:
            return None
        try:
            with (self.__directory / name).open("rb") as file:
                content = file.read(FILE_BYTES_MAX + 1)
            if len(content) > FILE_BYTES_MAX:
                raise ValueError("it is larger than 1 MiB")
            return _without_newline(content.decode("utf-8"))
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            reason = "it is not UTF-8 text"  # the exception itself would carry the content along
        except OSError as error:
            reason = error.strerror or type(error).__name__
        except ValueError as error:
            reason = str(error)
        raise MissingSecret(
            f"The file of the placeholder #{{{name}}}{_at(where)} cannot be used: {reason}.",
            f"Look at the file {name} in the directory that {DIRECTORY_VARIABLE} names.",
        )


def _as_text(value: str, name: str, where: str) -> str:
    """The value itself. Bytes of the command line or the environment that are no UTF-8 come as halves of characters."""
    if value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value):
        return value
    raise MissingSecret(
        f"The value of the placeholder #{{{name}}}{_at(where)} is not UTF-8 text.",
        f"Look at --var, or at the environment variable {environment_name(name)}.",
    )


def _without_newline(text: str) -> str:
    """Editors and `echo` end a file with one newline, which is not part of the value; a second one is."""
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _at(where: str) -> str:
    return f" at {where}" if where else ""
