"""Whether the holes of a page that the browser fills stand where it can: in the text between
elements. Imported for pages with such holes only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Final

from ..core.storable import Response

#: Elements that hold text only, or nothing that a script finds in the page.
_TEXT_ONLY: Final = frozenset({
    "head", "iframe", "math", "noembed", "noframes", "noscript", "option", "script", "select",
    "style", "svg", "template", "textarea", "title", "xmp",
})  # fmt: skip
#: Elements of tables that hold other such elements only, and those in which there may be any.
_TABLE: Final = frozenset({"table", "tbody", "tfoot", "thead", "tr", "colgroup"})
_CELLS: Final = frozenset({"caption", "td", "th"})
#: What a head may hold; anything else ends it.
_OF_HEADS: Final = frozenset({
    "base", "link", "meta", "noscript", "script", "style", "template", "title",
})  # fmt: skip


def misplaced(response: Response, start: str, holes: Sequence[int]) -> int | None:
    """The first of ``holes`` whose marker stands in an attribute, a script, a text field or another
    place where there can be no element, or in a page that is no HTML. ``start``: that of all
    markers of the page, before their numbers."""
    kind = response.first("content-type").partition(";")[0].strip().lower()
    if kind != "text/html":
        return holes[0]
    body = response.body.decode("latin-1")
    parser = _Parser()
    try:
        parser.feed(body)
        parser.close()
    except (AssertionError, ValueError):  # of declarations that no browser minds
        return None
    marker = re.compile(re.escape(start) + "([0-9a-f]{6})")
    there, fine = Counter(marker.findall(body)), Counter(marker.findall("\n".join(parser.text)))
    return next((n for n in holes if there[f"{n:06x}"] != fine[f"{n:06x}"]), None)


class _Parser(HTMLParser):
    """Collects what is text between elements. It knows as much of HTML as that takes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.text: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if "head" in self._open and tag not in _OF_HEADS:
            self._open.clear()
        if tag in _TEXT_ONLY or tag in _TABLE or tag in _CELLS:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass  # in SVG; elsewhere such elements are empty

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            last = len(self._open) - 1 - self._open[::-1].index(tag)
            del self._open[last:]

    def handle_data(self, data: str) -> None:
        if not self._open or (
            self._open[-1] in _CELLS and _TEXT_ONLY.isdisjoint(self._open)
        ):  # fmt: skip
            self.text.append(data)
