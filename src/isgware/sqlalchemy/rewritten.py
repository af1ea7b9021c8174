"""Whether an app's own ``before_cursor_execute`` has made another statement of one, or its
``do_execute`` has executed something itself: SQLAlchemy's elements, from which reads and writes are
recorded, do not say what was executed then.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final

#: Comments, as tools that trace queries add them. MySQL executes those that begin with ``/*!``,
#: and takes ``--`` for one only if a space follows.
_COMMENTS: Final = re.compile(r"(?:\s|;|/\*(?!!)(?:(?!\*/).)*\*/|--\s[^\n]*\n)*", re.DOTALL)


#: On a dialect, and on an execution context: it is watched; the dialect has executed.
_EXECUTED: Final = "_isgware_executed"
_EXECUTING: Final = ("do_execute", "do_execute_no_params", "do_executemany")


def watch_hooks(dialect: Any) -> bool:
    """Have a dialect with hooks of the app's note what it executes itself; returns whether it has
    any beside ours."""
    if not _has_hooks(dialect):
        return False
    if _EXECUTED in dialect.__dict__:
        return True
    dialect.__dict__[_EXECUTED] = True
    for name in _EXECUTING:
        original = getattr(dialect, name)

        @functools.wraps(original)
        def execute(
            cursor: Any, statement: Any, *given: Any, original: Any = original, **named: Any
        ) -> Any:
            context = named.get("context") or (given[-1] if given else None)
            if context is not None:
                context.__dict__[_EXECUTED] = statement
            return original(cursor, statement, *given, **named)

        setattr(dialect, name, execute)
    return True


def _has_hooks(dialect: Any) -> bool:
    return any(len(getattr(dialect.dispatch, name)) > 1 for name in _EXECUTING)


def taken_over(dialect: Any, statement: str, context: Any) -> bool:
    """Whether a hook has executed something in place of ``statement``."""
    if context.execute_style.name == "INSERTMANYVALUES":
        return False
    return _has_hooks(dialect) and context.__dict__.get(_EXECUTED) != statement


def rewritten(statement: str, parameters: Any, context: Any, many: bool) -> bool:
    """``statement`` and ``parameters`` are what is executed; `None` if it has no parameters."""
    if context.execute_style.name == "INSERTMANYVALUES":  # SQLAlchemy makes batches of it
        return False
    known = context.parameters if many else context.parameters[0]
    if parameters is not known and _differ(parameters or (), known or ()):
        return True
    if statement is context.statement:
        return False
    before, found, after = statement.partition(context.statement)
    return not (found and _COMMENTS.fullmatch(before) and _COMMENTS.fullmatch(after + "\n"))


def _differ(one: Any, other: Any) -> bool:
    try:
        return bool(one != other)
    except Exception:  # values may compare as they like
        return True
