"""Variants by the content of a visitor's session, and by the app's own variant functions.

``vary=["session:lang", "user:role"]`` puts a value of each into a page's key. This module finds the
value, once per request; `core.cache_key.narrow` decides whether it can be part of a key.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from ..core.cache_key import NoVariant, Visitor, counting_cookie, is_variant
from ..errors import ConfigurationError
from .framework import Site
from .visitor_check import VisitorCheck

log: Final = logging.getLogger("isgware")
#: Where `Visitor.memo` keeps the values.
VARIANTS: Final = "variants"
Function = TypeVar("Function", bound=Callable[..., Any])
#: The functions of an app, by name.
Functions = dict[str, Callable[..., Any]]
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Variants:
    """``functions`` are those registered with ``@isg.variant``."""

    def __init__(self, site: Site, visitors: VisitorCheck) -> None:
        self.site = site
        self._visitors = visitors
        self.functions: Functions = {}
        self._logged: set[str] = set()

    def value(self, name: str, visitor: Visitor) -> object:
        """The value keyed under ``name``: ``None`` for a visitor without a session or a cookie that
        counts, or whose session lacks that key. Raises `NoVariant` if it cannot be found out."""
        known: dict[str, object] = visitor.memo.setdefault(VARIANTS, {})
        if name not in known:
            known[name] = self._asked(name, visitor)
        found = known[name]
        if isinstance(found, NoVariant):
            raise found
        return found

    def _asked(self, name: str, visitor: Visitor) -> object:
        if counting_cookie(visitor.headers.get("HTTP_COOKIE"), None) is None:
            return None
        kind, _, what = name.partition(":")
        if kind == "user":
            return self._said(what, visitor)
        session = self._visitors.session(visitor)
        return NoVariant("session-unreadable") if session is None else session.get(what)

    def _said(self, name: str, visitor: Visitor) -> object:
        function = self.functions.get(name)
        if function is None:
            return self._failed(
                name,
                f"vary= names 'user:{name}', and nobody has registered it. "
                f"Put @isg.variant({name!r}) on a function, in a module that is imported.",
            )
        try:
            value = self.site.ask(function, visitor)
        except Exception as error:
            return self._failed(
                name,
                f"The function of @isg.variant({name!r}) raised {type(error).__name__}.",
                error,
            )
        if not is_variant(value):
            self._log_once(
                name,
                f"The function of @isg.variant({name!r}) returned "
                f"{str(value)[:80]!r}. Return a string of at most 64 printable characters.",
            )
            return NoVariant("odd-variant")
        return value

    def _failed(self, name: str, text: str, error: Exception | None = None) -> NoVariant:
        self._log_once(name, text, error)
        return NoVariant("variant-failed")

    def _log_once(self, name: str, text: str, error: Exception | None = None) -> None:
        """Once for each function: the message would be the same for each visitor."""
        if name not in self._logged:
            self._logged.add(name)
            log.error("%s Such visitors get the app's own answers.", text, exc_info=error)


def checked_function(name: Any, function: Any, functions: Functions) -> None:
    """Raise `ConfigurationError` if it cannot be registered."""
    checked_variant_name(name)
    if not callable(function):
        raise ConfigurationError(f"@isg.variant({name!r}) goes on a function, not {function!r}.")
    if name in functions:
        there = functions[name]
        raise ConfigurationError(
            f"@isg.variant({name!r}) is registered already, by {there.__module__}."
            f"{getattr(there, '__qualname__', there)}; give this one another name."
        )


def checked_variant_name(name: Any) -> None:
    """Raise `ConfigurationError` for what is no name: a function, where parentheses are missing."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"@isg.variant({name!r}): give a name of letters, digits, '_', '.' and '-', as in "
            "@isg.variant('role'), and name it in vary=['user:role']."
        )
