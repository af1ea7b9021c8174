"""Whether the holes that the browser fills are where it can fill them: in text between elements.
Imported only for pages with such holes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Final

from ..core.storable import Response

#: Elements that hold only text, or content that scripts do not find in the page.
_TEXT_ONLY: Final = frozenset({
    "head", "iframe", "math", "noembed", "noframes", "noscript", "option", "script", "select",
    "style", "svg", "template", "textarea", "title", "xmp",
})  # fmt: skip
#: Elements of tables that hold only other such elements, and those that may hold any.
_TABLE: Final = frozenset({"table", "tbody", "tfoot", "thead", "tr", "colgroup"})
_CELLS: Final = frozenset({"caption", "td", "th"})
#: Elements that a head may hold; any other ends it.
_OF_HEADS: Final = frozenset({
    "base", "link", "meta", "noscript", "script", "style", "template", "title",
})  # fmt: skip


def misplaced(response: Response, start: str, holes: Sequence[int]) -> int | None:
    """The first of ``holes`` whose marker is in an attribute, a script, a text field or another
    place without elements, or in a page that is not HTML. ``start`` begins all markers of the page,
    before their numbers."""
    kind = response.first("content-type").partition(";")[0].strip().lower()
    if kind != "text/html":
        return holes[0]
    body = response.body.decode("latin-1")
    parser = _Parser()
    try:
        parser.feed(body)
        parser.close()
    except (AssertionError, ValueError):  # raised for declarations that browsers ignore
        return None
    marker = re.compile(re.escape(start) + "([0-9a-f]{6})")
    there, fine = Counter(marker.findall(body)), Counter(marker.findall("\n".join(parser.text)))
    return next((n for n in holes if there[f"{n:06x}"] != fine[f"{n:06x}"]), None)


class _Parser(HTMLParser):
    """Collects the text between elements. Knows only as much of HTML as that needs."""

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
