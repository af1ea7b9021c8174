"""Notes, when a statement is compiled, each SELECT in it and what that selects from.

Only the compiler knows that: an ORM statement becomes tables and joins there, options such as
`with_loader_criteria` reach into subqueries, and correlation takes tables out of them.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, Final, NamedTuple

import sqlalchemy
from sqlalchemy.sql.compiler import SQLCompiler

from ..errors import ConfigurationError

_SELECTS: Final = "_isgware_selects"
_HOOKED: Final = "_setup_select_stack"
_PARAMETERS: Final = (
    "self", "select", "compile_state", "entry", "asfrom", "lateral", "compound_index",
)  # fmt: skip


class Selected(NamedTuple):
    """One SELECT. ``froms``: what its FROM names, without what it takes from a SELECT around it.
    ``outermost``: its rows are those of the result. ``nested``: others select from it.
    ``statement`` is what it was before the ORM had made tables and joins of it."""

    select: Any
    statement: Any
    froms: tuple[Any, ...]
    outermost: bool
    nested: bool


def watch() -> None:
    """Have every compiler of this process note its SELECTs. Raises `ConfigurationError` if this
    SQLAlchemy has none that would."""
    original: Any = getattr(SQLCompiler, _HOOKED, None)
    if getattr(original, "isgware", False):
        return
    if original is None or tuple(inspect.signature(original).parameters) != _PARAMETERS:
        raise unknown_release()

    @functools.wraps(original)
    def noted(
        self: Any, select: Any, compile_state: Any, entry: Any, asfrom: Any, lateral: Any,
        compound_index: Any,
    ) -> Any:  # fmt: skip
        outermost = not self.stack and compound_index is None
        froms = original(self, select, compile_state, entry, asfrom, lateral, compound_index)
        found = Selected(
            select, getattr(compile_state, "select_statement", select), tuple(froms), outermost,
            bool(asfrom) and compound_index is None,
        )  # fmt: skip
        self.__dict__.setdefault(_SELECTS, []).append(found)
        return froms

    noted.isgware = True  # type: ignore[attr-defined]
    setattr(SQLCompiler, _HOOKED, noted)


def unknown_release() -> ConfigurationError:
    return ConfigurationError(
        f"dependencies= does not know SQLAlchemy {sqlalchemy.__version__}. Use a release that "
        "isgware was tested with, from 2.0 on, or switch dependencies off."
    )


def selects_of(compiled: Any) -> list[Selected] | None:
    """The SELECTs of a compiled statement; `None` if it was compiled before anybody took note."""
    found: list[Selected] | None = compiled.__dict__.get(_SELECTS)
    return found
