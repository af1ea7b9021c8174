"""Cache-Control and its targeted forms: the syntax only, not the meaning.

RFC 9111, section 5.2: directive names are case-insensitive, each argument may be a token or a
quoted string, and several fields form one list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from .structured_fields import Item, dictionary

#: A name in a header field (RFC 9110, section 5.6.2).
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
#: Split at commas outside of quoted strings. A quote without an end is an ordinary character.
_ITEM = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,])+')
#: Obeyed even in an item that does not parse.
_REFUSALS = frozenset({"no-store", "private", "no-cache"})
#: Directives that may name fields, and then apply to these fields only (5.2.2.4, 5.2.2.7).
QUALIFIED = frozenset({"private", "no-cache"})
#: Targeted fields (RFC 9213) that this cache obeys, the most specific first.
TARGETED = ("isg-cache-control", "cdn-cache-control")

#: Directives whose argument is a number of seconds.
_SECONDS = frozenset(
    {"max-age", "s-maxage", "stale-while-revalidate", "stale-if-error", "min-fresh", "max-stale"}
)

Directives = dict[str, str | None]


def parse(values: Iterable[str]) -> Directives:
    """Directives by lower-case name. The first of repeated directives counts (RFC 9111, 4.2.1),
    except for `QUALIFIED` ones: they refuse everything that any of them refuses.

    An item that does not parse gives no lifetime, but a refusal in it counts: a typing error must
    not make a private response public.
    """
    found: Directives = {}
    for text in values:
        for name, argument in _directives_of(text):
            if name in QUALIFIED and name in found:
                several = field_names(found[name]), field_names(argument)
                argument = ", ".join(sorted(several[0] | several[1])) if all(several) else None
                found[name] = argument
            found.setdefault(name, argument)
    return found


@lru_cache(maxsize=256)
def _directives_of(text: str) -> tuple[tuple[str, str | None], ...]:
    """Cached: an app sends few different values, and repeats them with every page."""
    return tuple(pair for item in _ITEM.findall(text) for pair in _directives(item))


def _directives(item: str) -> Iterator[tuple[str, str | None]]:
    name, equals, argument = (part.strip() for part in item.partition("="))
    if TOKEN.fullmatch(name):
        quoted = _QUOTED.fullmatch(argument)
        if not equals:
            yield name.lower(), None
            return
        if quoted:
            yield name.lower(), re.sub(r"\\(.)", r"\1", quoted[1])
            return
        if not re.search(r'[\s;"]', argument):
            yield name.lower(), argument
            return
    for word in re.split(r'[\s;=,"]+', item.lower()):
        if word in _REFUSALS:
            yield word, None


def effective(headers: Iterable[tuple[str, str]]) -> tuple[Directives, bool]:
    """The directives that count for this cache, and whether a targeted field gave them.

    A targeted field replaces Cache-Control altogether. An empty one, or one that is no structured
    field, is ignored (RFC 9213, sections 2.1 and 2.2).
    """
    fields: dict[str, list[str]] = {}
    for name, value in headers:
        fields.setdefault(name.lower(), []).append(value)
    for targeted in TARGETED:
        if targeted in fields and (members := dictionary(", ".join(fields[targeted]))):
            return {
                name: _argument(name, value)
                for name, value in members.items()
                if value is not False  # "?0": the directive does not apply
            }, True
    return parse(fields.get("cache-control", ())), False


def _argument(name: str, value: Item) -> str | None:
    """A member's value as the argument of a directive. A lifetime that is not an Integer is
    malformed (RFC 9213, section 2.1)."""
    if name in _SECONDS:
        return str(value) if type(value) is int else ""
    if isinstance(value, tuple):
        return ", ".join(item for item in value if isinstance(item, str))
    return value if isinstance(value, str) else None


def field_names(argument: str | None) -> frozenset[str]:
    """The fields that a qualified ``no-cache`` or ``private`` names, in lower case."""
    return frozenset(name.strip().lower() for name in (argument or "").split(",")) - {""}


def delta_seconds(value: str | None) -> float | None:
    """A number of seconds (RFC 9111, section 1.2.2), or ``None`` for anything else."""
    if value is None or not value.isascii() or not value.isdigit():
        return None
    digits = value.lstrip("0")
    return float(min(int(digits[:12] or "0"), 2**31))


def shared_lifetime(directives: Directives, targeted: bool) -> float | None:
    """Freshness lifetime for shared caches, in seconds; ``None`` if there is none.

    A malformed lifetime counts as 0 (RFC 9111, section 4.2.1).
    """
    for name in ("s-maxage", "max-age") if targeted else ("s-maxage",):
        if name in directives:
            return delta_seconds(directives[name]) or 0.0
    return None
