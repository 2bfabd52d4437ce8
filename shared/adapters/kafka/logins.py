"""Java's logins (SASL) as librdkafka's options: login modules, callback handlers, OAUTHBEARER.

Law of this file: what a login asks for is passed on or refused by its name, for a wish that is left out could log in
as somebody else; no error tells a value.
"""

from __future__ import annotations

from shared.adapters.kafka.jaas import LoginModule, parse_login
from shared.errors import InvalidJob

_JAAS = "sasl.jaas.config"
_HANDLER = "sasl.login.callback.handler.class"
_RETRIEVER = "sasl.oauthbearer.jwt.retriever.class"
_ENDPOINT = "sasl.oauthbearer.token.endpoint.url"

#: Java's classes for tokens that are fetched with an id and a secret, without their packages.
_FETCHES_TOKENS = frozenset({"OAuthBearerLoginCallbackHandler", "DefaultJwtRetriever", "ClientCredentialsJwtRetriever"})

_CLIENT_ID, _CLIENT_SECRET = "sasl.oauthbearer.client.id", "sasl.oauthbearer.client.secret"

#: Kafka 4.1 has them as options of their own, under names that librdkafka takes too.
_ALIASES = {
    "sasl.oauthbearer.client.credentials.client.id": _CLIENT_ID,
    "sasl.oauthbearer.client.credentials.client.secret": _CLIENT_SECRET,
}

#: Options of OAuthBearerLoginModule.
_TOKEN_OPTIONS = {"clientId": _CLIENT_ID, "clientSecret": _CLIENT_SECRET, "scope": "sasl.oauthbearer.scope"}
_EXTENSION = "extension_"

_MECHANISMS = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
_NO_CLASSES = f"Java classes cannot be loaded here: use {_MECHANISMS}, the last one with Kafka's own handler."

#: Modules that somebody may well have, and what to do about them.
_HINTS = {
    "Krb5LoginModule": "Kerberos is not in the Kafka client that pip installs: use another listener of the brokers.",
    "IAMLoginModule": "IAM logins of Amazon MSK are not supported: use SCRAM there.",
}

#: With one of these, somebody wants to log in.
_WANTS_LOGIN = (_JAAS, "sasl.username", "sasl.password", _ENDPOINT, _CLIENT_SECRET)


def take_login(given: dict[str, str]) -> dict[str, str]:
    """The options for the login; takes all that it translates out of `given`. May hold secrets.

    Raises:
        InvalidJob: the login cannot be read, or librdkafka has nothing like it.
    """
    for name in (alias for alias in _ALIASES if alias in given):
        given[_ALIASES[name]] = given.pop(name)
    wanted = next((name for name in _WANTS_LOGIN if name in given), None)
    text = given.pop(_JAAS, None)
    module = None if text is None else parse_login(text, f"sink.properties.{_JAAS}")
    mechanism = (given.get("sasl.mechanism") or given.get("sasl.mechanisms") or "").upper()
    if module is not None and not mechanism:
        raise _refused("sasl.mechanism", "is missing beside `sasl.jaas.config`", f"Add it: {_MECHANISMS}.")
    _require_sasl(given, wanted)
    found = _credentials(module) if module is not None else {}
    if mechanism == "OAUTHBEARER":
        found |= _tokens(given, found)
    elif _HANDLER in given:
        raise _refused(_HANDLER, "has no effect on this mechanism", _NO_CLASSES)
    return found


def _require_sasl(given: dict[str, str], wanted: str | None) -> None:
    if wanted and not given.get("security.protocol", "").upper().startswith("SASL_"):
        raise InvalidJob(
            f"`{wanted}` is given, but `security.protocol` asks for no login: it would not be used.",
            "Set properties.security.protocol to SASL_SSL (or SASL_PLAINTEXT), or remove the sasl.* options.",
            "sink.properties.security.protocol",
        )


def _credentials(module: LoginModule) -> dict[str, str]:
    if module.name == "OAuthBearerLoginModule":
        return _token_options(module)
    if module.name not in ("PlainLoginModule", "ScramLoginModule"):
        hint = "Use PlainLoginModule, ScramLoginModule or OAuthBearerLoginModule, or the sasl.* options of librdkafka."
        raise _refused(_JAAS, f"has the login module {module.name}", _HINTS.get(module.name, hint))
    if module.options.get("tokenauth", "false").lower() != "false":
        raise _refused(_JAAS, "asks for a delegation token (tokenauth)", "Log in with a user and a password.")
    _require_only(module, {"username", "password", "tokenauth"})
    missing = [name for name in ("username", "password") if name not in module.options]
    if missing:
        raise _refused(_JAAS, f"has no {missing[0]}", f'Add {missing[0]}="…" to its login module.')
    return {"sasl.username": module.options["username"], "sasl.password": module.options["password"]}


def _token_options(module: LoginModule) -> dict[str, str]:
    if any(name.startswith("unsecuredLogin") for name in module.options):
        raise _refused(_JAAS, "asks for an unsecured token", "Give clientId and clientSecret, and a token endpoint.")
    extensions = {n.removeprefix(_EXTENSION): v for n, v in module.options.items() if n.startswith(_EXTENSION)}
    _require_only(module, {*_TOKEN_OPTIONS, *(_EXTENSION + name for name in extensions)})
    found = {option: module.options[name] for name, option in _TOKEN_OPTIONS.items() if name in module.options}
    if extensions:
        found["sasl.oauthbearer.extensions"] = ",".join(f"{name}={value}" for name, value in extensions.items())
    return found


def _require_only(module: LoginModule, known: set[str]) -> None:
    """Of strange options not even the name is told: where a quote is missing, it may be a part of the password."""
    if set(module.options) - known:
        taken = "clientId, clientSecret, scope and extension_…" if "clientId" in known else "username and password"
        raise _refused(_JAAS, f"has an option that {module.name} does not take here", f"It takes {taken}.")


def _tokens(given: dict[str, str], login: dict[str, str]) -> dict[str, str]:
    """How OAUTHBEARER comes by its tokens: as OpenID Connect has it, which Java's handler means too."""
    for name in (_HANDLER, _RETRIEVER):
        if name in given and given.pop(name).rpartition(".")[2] not in _FETCHES_TOKENS:
            raise _refused(name, "names a class that is not known here", _NO_CLASSES)
    if given.get("sasl.oauthbearer.method", "oidc").lower() != "oidc" or "sasl.oauthbearer.config" in given:
        return {}
    elsewhere = {"sasl.oauthbearer.grant.type", "sasl.oauthbearer.metadata.authentication.type"} & given.keys()
    needed = {_ENDPOINT, _CLIENT_ID, _CLIENT_SECRET}
    missing = [] if elsewhere else sorted(needed - given.keys() - login.keys())
    if missing:
        raise _refused(missing[0], "is missing, which OAUTHBEARER needs", f"Give properties.{missing[0]}.")
    return {"sasl.oauthbearer.method": "oidc"}


def _refused(name: str, reason: str, hint: str) -> InvalidJob:
    return InvalidJob(f"`{name}` {reason}.", hint, f"sink.properties.{name}")
