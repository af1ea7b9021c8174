"""The last renders of a page, as they are stored with it: short, since each page in memory has it.

A line of text for each, the latest last: when it began, how many seconds it took, a letter for who
asked for it, and one for what it found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .stored_page import Entry

#: So many are kept.
LAST: Final = 5
#: Who has a page rendered: a visitor who waits for it; a process of the site in the background,
#: since its time was up or it was revalidated; a worker, for the same reason; a build; a call of
#: `regenerate`.
VISITOR, BACKGROUND, WORKER, BUILD, REGENERATE = (
    "visitor", "background", "worker", "build", "regenerate",
)  # fmt: skip
_BY: Final = {by[:2]: by for by in (VISITOR, BACKGROUND, WORKER, BUILD, REGENERATE)}
_FOUND: Final = {"*": "first", "+": "changed", "=": "unchanged"}
_MARKS: Final = {found: mark for mark, found in _FOUND.items()}


#: The same for people.
BY_WHOM: Final = {
    VISITOR: "a visitor who waited", BACKGROUND: "the site, in the background",
    WORKER: "a worker", BUILD: "a build", REGENERATE: "a call of regenerate", "": "",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PastRender:
    """``at``: when it began, in seconds since the epoch; ``seconds``: how long it took; ``by``: who
    asked for it; ``found``: ``first``, ``changed`` or ``unchanged``."""

    at: float
    seconds: float
    by: str
    found: str


def noted(before: str, render: PastRender) -> str:
    """``before`` with one more render, without those that are too many."""
    line = f"{render.at:.2f} {render.seconds:.4g} {render.by[:2]} {_MARKS[render.found]}"
    return "\n".join((*before.split("\n")[1 - LAST :], line) if before else (line,))


def past_renders(text: str) -> list[PastRender]:
    """The latest first. What is no such line is left out: what a store holds is not trusted."""
    found = []
    for line in reversed(text.split("\n")[-LAST:]):
        try:
            at, seconds, by, mark = line.split(" ")
            found.append(PastRender(float(at), float(seconds), _BY.get(by, ""), _FOUND[mark]))
        except (ValueError, KeyError):
            continue
    return found


def renders_of(entry: Entry) -> list[PastRender]:
    """The last renders of a page, the latest first. Of a page of an earlier release, or a response
    to a visitor's own request, only that is known which it was made by."""
    if entry.renders:
        return past_renders(entry.renders)
    return [PastRender(entry.rendered_at, entry.render_seconds, "", "")]
