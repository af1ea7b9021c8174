"""What a statement that is plain text does, as far as its first words tell."""

from __future__ import annotations

import re
from typing import Final, Literal

Kind = Literal["read", "write", "neither", "commit"]

#: Comments and parentheses in front of a statement.
_BEFORE: Final = re.compile(r"(?:\s+|\(|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", re.DOTALL)
_WORD: Final = re.compile(r"[a-z]+", re.IGNORECASE)
#: They neither show nor change rows.
_NEITHER: Final = frozenset({
    "begin", "desc", "describe", "explain", "pragma", "release", "reset", "rollback",
    "savepoint", "set", "show", "start", "use",
})  # fmt: skip
_READS: Final = frozenset({"select", "values", "table"})
#: ``EXPLAIN ANALYZE DELETE …`` deletes, ``SELECT … INTO`` makes a table.
_HIDDEN: Final = re.compile(r"\b(insert|update|delete|merge|replace|into)\b", re.IGNORECASE)
_QUOTED: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`")


#: Databases in which a statement about tables, and the begin of a transaction, commit.
IMPLICIT_COMMIT: Final = frozenset({"mysql", "mariadb", "oracle"})
_COMMITS: Final = re.compile(
    r"(alter|create|drop)(?!\s+temporary)|rename|truncate|grant|revoke|begin|start|lock"
    r"|set\s+(session\s+|@@)?autocommit",
    re.IGNORECASE,
)


def has_committed(statement: str, dialect: str) -> bool:
    """Whether a statement in plain text has committed what was written before it."""
    if kind_of(statement) == "commit":
        return True
    return dialect in IMPLICIT_COMMIT and bool(_COMMITS.match(_without_comments(statement)))


def _without_comments(statement: str) -> str:
    before = _BEFORE.match(statement)
    return statement[before.end() :] if before else statement


def kind_of(statement: str) -> Kind:
    """``"read"`` is a plain SELECT; ``"commit"`` ends a transaction; whatever is not known counts
    as ``"write"``."""
    text = _without_comments(statement)
    word = _WORD.match(text)
    if word is None:
        return "write" if text.strip(" ;\n") else "neither"
    first = word[0].lower()
    bare = _QUOTED.sub("''", text).rstrip("; \t\r\n")
    if ";" in bare:
        return "write"
    if first in ("commit", "end"):
        return "commit"
    if first in ("prepare", "xa", "lock", "unlock"):
        return "neither" if first != "prepare" or "transaction" in bare.lower() else "write"
    if first == "explain":
        return "write" if "analyze" in bare.lower() and _HIDDEN.search(bare) else "neither"
    if first in _NEITHER:
        return "neither"
    if first in _READS:
        locks = re.sub(r"\bfor\s+(no\s+key\s+)?update\b", "", bare, flags=re.IGNORECASE)
        return "write" if re.search(r"\binto\b", locks, re.IGNORECASE) else "read"
    return "write"
