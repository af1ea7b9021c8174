"""Whether an app's own ``before_cursor_execute`` has made another statement of one: SQLAlchemy's
elements, from which reads and writes are recorded, do not say what was executed then.
"""

from __future__ import annotations

import re
from typing import Any, Final

#: Comments, as tools that trace queries add them. MySQL executes those that begin with ``/*!``.
_COMMENTS: Final = re.compile(r"(?:\s|;|/\*(?!!)(?:(?!\*/).)*\*/)*", re.DOTALL)


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
    return not (found and _COMMENTS.fullmatch(before) and _COMMENTS.fullmatch(after))


def _differ(one: Any, other: Any) -> bool:
    try:
        return bool(one != other)
    except Exception:  # values may compare as they like
        return True
