"""What a clean-room render reads through SQLAlchemy becomes what its page depends on.

`read` is told of each statement before it is executed. Questions come from the statement
(`selects`, `questions`); keys of rows from the result, as it is fetched (`rows`).
"""

from __future__ import annotations

from typing import Any, Final

from ..core.database_reads import DatabaseReads
from ..render_context import current
from .columns import table_name, table_of
from .named import place
from .old_rows import OURS
from .questions import ask
from .raw_sql import kind_of
from .rows import Cursor
from .selects import Plan, known_plan, plan_of
from .tables import ignored
from .times import note_times
from .unique_rows import AskingCursor, unasked_of
from .writing import SAVEPOINTS

#: On a rendering: its mark. On a connection or a session: the mark of the render that has seen its
#: beginning last, since which it holds nothing from before.
_MARK: Final = "_isgware_mark"


def begun(thing: Any) -> bool:
    """A connection or a session begins. Returns whether it does within a clean room."""
    rendering = current.get()
    if rendering is None or not rendering.prerendering:
        return False
    setattr(thing, _MARK, rendering.__dict__.setdefault(_MARK, object()))
    return True


def begun_here(thing: Any) -> bool:
    """Whether the render in progress has seen it begin; never outside of a clean room."""
    mark = getattr(current.get(), _MARK, None)
    return mark is not None and getattr(thing, _MARK, None) is mark


def read(reads: DatabaseReads, connection: Any, statement: str, context: Any) -> None:
    """Note what ``statement`` reads. Never raises: what is not understood is everything."""
    if not getattr(connection, "_allow_autobegin", True):
        return  # the dialect looks what database it is
    try:
        if context is None or context.compiled is None:
            if kind_of(statement) in ("read", "write"):
                reads.everything(f"raw SQL in {place()}")
        elif not context.isddl:
            _read(reads, connection, context)
    except Exception as error:
        reads.everything(f"{type(error).__name__} in {place()}")


def _read(reads: DatabaseReads, connection: Any, context: Any) -> None:
    compiled = context.compiled
    if context.isinsert or context.isupdate or context.isdelete:
        if compiled.statement._returning:
            if not ignored(name := table_name(table_of(compiled.statement.table))):
                reads.table(name)
        return
    if context.is_text:
        if kind_of(context.unicode_statement) in ("read", "write"):
            reads.everything(f"text() in {place()}")
        return
    if isinstance(compiled.statement, SAVEPOINTS):
        return
    if not begun_here(connection):
        reads.everything(f"a transaction from before the render, in {place()}")
    plan = plan_of(compiled)
    if plan.unknown:
        reads.everything(f"{plan.unknown} in {place()}")
        return
    _note(reads, plan, context)


def _note(reads: DatabaseReads, plan: Plan, context: Any) -> None:
    if plan.times:
        note_times(reads, plan.times, context)
    for table in plan.whole:
        if not ignored(table):
            reads.table(table)
    ask(reads, plan.questions, context)
    unasked = tuple(unasked_of(reads, plan.unique, context)) if plan.unique else ()
    if unasked:
        context.cursor = AskingCursor(context.cursor, reads, plan.shown, unasked)
    elif plan.shown:
        context.cursor = Cursor(context.cursor, reads, plan.shown)


def read_again(reads: DatabaseReads, statement: str, parameters: Any, context: Any) -> bool:
    """`read`, of a statement that was understood before, is executed as SQLAlchemy has made it, and
    writes nothing. Returns false for all others, of which nothing is noted."""
    plan = known_plan(context.compiled) if context is not None else None
    if (
        plan is None or plan.unknown or not plan.alone
        or statement is not context.statement or parameters is not context.parameters[0]
        or OURS in context.execution_options or len(context.dialect.dispatch.do_execute) > 1
        or not begun_here(context.root_connection)
    ):  # fmt: skip
        return False
    try:
        _note(reads, plan, context)
    except Exception as error:
        reads.everything(f"{type(error).__name__} in {place()}")
    return True
