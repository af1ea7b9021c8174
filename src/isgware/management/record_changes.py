"""Which tags and paths a changed record invalidates.

Shared by the hooks of Django and SQLAlchemy. They find out what changed, and when it is committed.
`Hook` turns a record into invalidations, and `fire` passes these to an ISG.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from string import Formatter
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from ..core.local_path import names_for_tags
from ..errors import ConfigurationError, InvalidPath
from ..option_checks import checked_tags, placeholders
from .operations import Invalidations

log: Final = logging.getLogger("isgware")
#: Names in one operation of the store, so that an import of many records does not delay others.
_AT_ONCE: Final = 500
_MODES: Final = {"purge": True, "revalidate": False}

#: Texts with ``{field}``, or a callable from a record to texts.
Names = tuple[str, ...] | Callable[[Any], Any]
Read = Callable[[Any, str], Any]


class Invalidation(NamedTuple):
    """One tag or path whose pages are purged (``hard``) or become stale."""

    text: str
    is_path: bool
    hard: bool


@dataclass(frozen=True)
class Hook:
    """The arguments of ``revalidate_on_change``. ``model`` is its name, for messages."""

    model: str
    tags: Names
    paths: Names
    hard: bool

    @property
    def fields(self) -> frozenset[str]:
        """The placeholders of all texts."""
        return frozenset(name for text in self._texts() for name in placeholders(text))

    @property
    def asks(self) -> bool:
        """Whether there is a callable, which may read anything of a record."""
        return callable(self.tags) or callable(self.paths)

    def invalidations(self, record: Any, read: Read) -> list[Invalidation]:
        """The invalidations of ``record``, whose fields are ``read(record, name)``. Raises what a
        callable raises: it is the app's code, and a change without invalidation would be worse."""
        found = []
        for is_path, said in ((False, self.tags), (True, self.paths)):
            if callable(said):
                given = said(record)
                texts = [given] if isinstance(given, str) else list(given)
            else:
                filled = (self._filled(text, record, read, is_path) for text in said)
                texts = [text for text in filled if text is not None]
            found += [Invalidation(text, is_path, self.hard) for text in texts]
        return found

    def constant_invalidations(self) -> list[Invalidation]:
        """The invalidations that are the same for all records."""
        return [
            Invalidation(text, is_path, self.hard)
            for is_path, said in ((False, self.tags), (True, self.paths))
            for text in ([] if callable(said) else said)
            if not placeholders(text)
        ]

    def _filled(self, text: str, record: Any, read: Read, is_path: bool) -> str | None:
        values = {name: read(record, name) for name in placeholders(text)}
        try:
            return (_PathFormatter() if is_path else Formatter()).vformat(text, (), values)
        except (TypeError, ValueError) as error:  # such as {day:%Y} without a day
            log.warning("%s: %r cannot be filled and is left out: %s", self.model, text, error)
            return None

    def _texts(self) -> list[str]:
        return [text for said in (self.tags, self.paths) if not callable(said) for text in said]


class _PathFormatter(Formatter):
    """Quotes inserted values: paths are percent-decoded later."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return quote(format(value, format_spec), safe="/")


def made_hook(
    model: str, tags: Any, paths: Any, mode: str, known: Callable[[str], bool], remedy: str
) -> Hook:
    """Raises `ConfigurationError` for what cannot work. ``known`` tells whether ``model`` has a
    field."""
    if mode not in _MODES:
        raise ConfigurationError(f"mode={mode!r}: say 'purge' or 'revalidate'.")
    tags = checked_tags(tags)
    if isinstance(paths, str):
        raise ConfigurationError(f"paths={paths!r} is one string; write paths=[{paths!r}].")
    hook = Hook(model, tags, checked_tags(paths), _MODES[mode])
    if not (hook.tags or hook.paths):
        raise ConfigurationError(f"Say which pages show a {model}: give tags= or paths=.")
    for name in sorted(hook.fields):
        if not known(name):
            raise ConfigurationError(
                f"{model} has no field {name!r} to fill {{{name}}} with. {remedy}"
            )
    return hook


def is_on(isg: Invalidations) -> bool:
    """False while ``isg`` is switched off: then there is nothing to look up."""
    return isg._is_on()


def fire(isg: Invalidations, invalidations: Iterable[Invalidation]) -> None:
    """Invalidate. Never raises: the record is written, whatever happens to its pages.

    If the store is unavailable, it is repeated later: see `PageStore.invalidate_eventually`.
    """
    try:
        names: dict[bool, dict[str, None]] = {True: {}, False: {}}
        for each in invalidations:
            names[each.hard].update(dict.fromkeys(_names(isg, each)))
        for hard, found in names.items():
            listed = list(found)
            for start in range(0, len(listed), _AT_ONCE):
                isg._invalidate_eventually(listed[start : start + _AT_ONCE], hard=hard)
    except Exception:
        log.exception("A record was changed; the pages that show it could not be invalidated.")


def _names(isg: Invalidations, each: Invalidation) -> list[str]:
    try:
        return isg._names(each.text) if each.is_path else names_for_tags([each.text])
    except (ConfigurationError, InvalidPath) as error:
        log.warning("A record was changed, and nothing invalidated for %r: %s", each.text, error)
        return []
