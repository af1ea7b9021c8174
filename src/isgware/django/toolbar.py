"""A panel for django-debug-toolbar: what isgware would do with a request, and why.

``DEBUG_TOOLBAR_PANELS = [..., "isgware.django.toolbar.ISGPanel"]``. Pages of declared views are
rendered in the clean room, whose address is 192.0.2.1: name it in ``INTERNAL_IPS``, or the toolbar
leaves those pages out.
"""

from __future__ import annotations

from typing import Any

from debug_toolbar.panels import Panel
from django.utils.html import format_html, format_html_join

from ..errors import ISGError
from ..formatting import printable
from .integration import isg


class ISGPanel(Panel):  # type: ignore[misc]  # the toolbar has no types
    """Its text is that of ``isgware why``."""

    panel_id = "ISGPanel"
    title = "isgware"

    def generate_stats(self, request: Any, response: Any) -> None:
        """Ask about this very request."""
        headers = {name: value for name, value in request.headers.items() if value}
        try:
            why = isg().why(
                request.get_full_path(), method=request.method, headers=headers,
                scheme=request.scheme, host=request.get_host(),
            )  # fmt: skip
        except (ISGError, UnicodeError) as error:
            self.record_stats({"outcome": "-", "lines": [("error", printable(str(error)))]})
            return
        first, *rest = str(why).split("\n")
        lines = [("", first), *(_pair(line) for line in rest if line.strip())]
        self.record_stats({"outcome": why.outcome, "lines": lines})

    @property
    def nav_subtitle(self) -> str:
        return str(self.get_stats().get("outcome", ""))

    @property
    def content(self) -> str:
        rows = format_html_join(
            "", '<tr><th scope="row">{}</th><td>{}</td></tr>', self.get_stats().get("lines", ())
        )
        return str(format_html("<table><tbody>{}</tbody></table>", rows))


def _pair(line: str) -> tuple[str, str]:
    """Name and value of a line of `Why`, which is set in columns."""
    return (line[:13].strip(), line[13:].strip()) if line.startswith("  ") else ("", line)
