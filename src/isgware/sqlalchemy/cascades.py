"""What the database changes by itself with a row: ``ON DELETE CASCADE`` and the like."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from .columns import table_name

_ACTIONS: Final = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})


@dataclass(frozen=True, slots=True)
class Cascade:
    """Rows of ``table`` whose ``columns`` have the values of ``referred`` columns go with the row
    they refer to, or, unless ``deletes``, get other values in those columns."""

    table: Any
    columns: tuple[str, ...]
    referred: tuple[str, ...]
    deletes: bool
    nulls: bool


def cascades_of(table: Any, rule: str = "ondelete") -> list[Cascade]:
    """Those of tables that refer to ``table``; ``rule`` is ``"ondelete"`` or ``"onupdate"``."""
    return [
        Cascade(
            other, tuple(key.parent.name for key in constraint.elements),
            tuple(key.column.name for key in constraint.elements),
            action == "CASCADE", action == "SET NULL",
        )
        for other in table.metadata.tables.values()
        for constraint in other.foreign_key_constraints
        if (action := str(getattr(constraint, rule) or "").upper()) in _ACTIONS
        and _refers(constraint, table)
    ]  # fmt: skip


def tables_below(
    table: Any, columns: Collection[str] | None = None, seen: set[Any] | None = None
) -> Iterator[str]:
    """All tables whose rows may be changed with one of ``table`` that is deleted, or whose
    ``columns`` are set."""
    seen = set() if seen is None else seen
    for each in cascades_of(table, "ondelete" if columns is None else "onupdate"):
        if columns is not None and set(columns).isdisjoint(each.referred):
            continue
        deletes = each.deletes and columns is None
        if (reached := (each.table, None if deletes else each.columns)) not in seen:
            seen.add(reached)
            yield table_name(each.table)
            yield from tables_below(each.table, reached[1], seen)


def referred(table: Any) -> tuple[str, ...]:
    """The columns of ``table`` by which rows of others go with its own."""
    return tuple(dict.fromkeys(name for each in cascades_of(table) for name in each.referred))


def _refers(constraint: Any, table: Any) -> bool:
    try:
        return bool(constraint.referred_table is table)
    except Exception:  # to a table that is not in the metadata, so not to this one
        return False
