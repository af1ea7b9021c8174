"""Checks of the values of policies and options, one for each kind."""

from __future__ import annotations

import datetime
import math
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from .adaptive import Adaptive
from .errors import ConfigurationError

#: Cookie, Authorization, Accept-Encoding and Host have rules of their own and are never in a key.
UNKEYABLE: Final = frozenset({"cookie", "authorization", "accept-encoding", "host"})
#: A host as a URL or a Host field names it, with or without a port.
HOST: Final = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?\Z")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")


def checked_revalidate(value: Any) -> float | bool | Adaptive | None:
    if value is None or value is False or isinstance(value, Adaptive):
        return cast("bool | Adaptive | None", value)
    if value is True:
        raise ConfigurationError(
            "revalidate=True has no meaning: give seconds, or False for 'until revalidated'."
        )
    return _seconds("revalidate", value)


def checked_expire(value: Any) -> float:
    seconds = _seconds("expire", value)
    if seconds == 0:
        raise ConfigurationError(
            "expire=0 would drop every page at once; use revalidate=0 instead."
        )
    return seconds


def checked_share(option: str, value: Any) -> float | None:
    """A share above 0, at most 1; ``None`` for none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ConfigurationError(f"{option}={value!r}: give a share above 0, at most 1, like 0.5.")
    return value


def checked_tag(tag: Any) -> str:
    if not isinstance(tag, str) or not tag or len(tag) > 256 or not tag.isprintable():
        raise ConfigurationError(f"{tag!r} is not a tag: use 1 to 256 printable characters.")
    return tag


def _seconds(option: str, value: Any) -> float:
    if isinstance(value, datetime.timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigurationError(f"{option}={value!r} is not a number of seconds.")
    if value < 0:
        raise ConfigurationError(f"{option}={value!r} is negative; give seconds, 0 or more.")
    return value


def checked_tags(tags: Any) -> Any:
    if callable(tags):
        return tags
    if isinstance(tags, str):
        raise ConfigurationError(f"tags={tags!r} is one string; write tags=[{tags!r}].")
    if not isinstance(tags, Iterable):
        raise ConfigurationError(f"tags={tags!r}: give a list of tags, or a callable.")
    for tag in (tags := tuple(tags)):
        checked_tag(tag)
        try:
            placeholders(tag)
        except ValueError as error:
            raise ConfigurationError(f"The tag {tag!r} has odd braces: {error}.") from error
    return tags


def placeholders(tag: str) -> set[str]:
    names = {name for _, name, _, _ in string.Formatter().parse(tag) if name is not None}
    for name in names:
        if not name.isidentifier():
            raise ValueError(f"{{{name}}} is not the name of a URL argument")
    return names


def no_such_argument(tag: str, arguments: Iterable[str]) -> str:
    has = ", ".join(sorted(arguments)) or "none"
    return f"The tag {tag!r} names an argument that its route does not have (it has: {has})."


def checked_query(query: Any) -> Any:
    if query == "all":
        return "all"
    if isinstance(query, str):
        raise ConfigurationError(
            f"query={query!r}: write query=({query!r},), 'all', or () for none."
        )
    if not isinstance(query, Iterable):
        raise ConfigurationError(
            f"query={query!r}: give names of parameters, 'all', or () for none."
        )
    names = tuple(query)
    if not all(isinstance(name, str) and name for name in names):
        raise ConfigurationError("query= takes 'all' or the names of query parameters.")
    return names


def checked_vary(vary: Any) -> tuple[tuple[str, tuple[str, ...] | None], ...]:
    if isinstance(vary, str):
        raise ConfigurationError(f"vary={vary!r} is one string; write vary=[{vary!r}].")
    if not isinstance(vary, Iterable):
        raise ConfigurationError(f"vary={vary!r}: give a list of header names, or a mapping.")
    items = vary.items() if isinstance(vary, Mapping) else ((_vary_name(name)) for name in vary)
    checked: dict[str, tuple[str, ...] | None] = {}
    for name, values in items:
        if not isinstance(name, str):
            raise ConfigurationError(f"vary= takes header names, not {name!r}.")
        if name.lower().startswith(("session:", "user:")):
            key, token = _checked_variant(name), "variant"
        elif name.lower().startswith("cookie:"):
            key = "cookie:" + name[len("cookie:") :].strip()
            token = key[len("cookie:") :]
        else:
            key = token = name.lower()
            if key in UNKEYABLE:
                raise ConfigurationError(
                    f"vary={name!r} cannot be part of a key; for one cookie write 'cookie:NAME'."
                )
        if not _TOKEN.match(token):
            raise ConfigurationError(
                f"vary={name!r} is not the name of a header, 'cookie:NAME', "
                "'session:KEY' or 'user:NAME'."
            )
        if values is not None:
            values = _strings(f"vary[{name!r}]", values)
        checked[key] = tuple(values) if values is not None else None
    return tuple(sorted(checked.items()))


def _checked_variant(name: str) -> str:
    """``session:KEY``, a key of the session, or ``user:NAME``, a function that is registered."""
    kind, _, value = name.partition(":")
    kind, value = kind.lower(), value.strip()
    if kind == "session" and not (0 < len(value) <= 256 and value.isprintable()):
        raise ConfigurationError(
            f"vary={name!r} names no key of the session: write 'session:KEY', as in 'session:lang'."
        )
    if kind == "user" and not _TOKEN.match(value):
        raise ConfigurationError(
            f"vary={name!r} names no function: write 'user:NAME' for one that is registered with "
            "@isg.variant('NAME')."
        )
    return f"{kind}:{value}"


def checked_value_holes(value: Any) -> tuple[str, ...]:
    """Names of cookies, as ``cookie:NAME``."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigurationError(f"value_holes={value!r}: give a list such as ['cookie:NAME'].")
    for name in (names := tuple(value)):
        cookie = name.removeprefix("cookie:") if isinstance(name, str) else ""
        if cookie == name or not _TOKEN.match(cookie):
            raise ConfigurationError(
                f"value_holes={value!r}: {name!r} is not 'cookie:' and the name of a cookie. CSP "
                "nonces are found without being named."
            )
    return names


def _strings(option: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, str) and isinstance(value, Iterable):
        items = tuple(value)
        if all(isinstance(item, str) for item in items):
            return items
    raise ConfigurationError(f"{option} takes a list of strings.")


def _vary_name(name: Any) -> tuple[Any, Sequence[str] | None]:
    return name if isinstance(name, tuple) else (name, None)


def cookie_names(option: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigurationError(f"{option}={value!r}: give a list of cookie names.")
    names = tuple(value)
    if not all(isinstance(name, str) and _TOKEN.match(name) for name in names):
        raise ConfigurationError(f"{option}={value!r} holds something that is not a cookie name.")
    return names


def checked_loading_page(value: Any) -> Any:
    """HTML text, a file that holds it, or ``app:/path``, a page of the app itself."""
    if value is None or (isinstance(value, str) and ("<" in value or value.startswith("app:/"))):
        return value
    shown = f"loading_page={str(value)!r}"
    if not isinstance(value, str | Path):
        raise ConfigurationError(f"{shown}: give HTML text, the path of a file, or 'app:/path'.")
    try:
        Path(value).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{shown} is neither HTML text nor the path of a file that can be read "
            f"({error}); a page of the app itself is written 'app:/path'."
        ) from None
    return value
