"""What the holes of a page read of a visitor: recorded in the run for their placeholders, or, if
the page gives a placeholder of its own, declared where the hole is used.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..core.reads import Reads, reads_of
from ..holes import Markers
from ..recording import COOKIES, EVERYTHING, OPENED, SESSION, Recording

Noted = dict[tuple[str, str], str]


def asked(recording: Recording | None) -> Noted:
    if recording is None or not recording.attached:
        return {(COOKIES, EVERYTHING): ""}
    return dict(recording.reads)


def asked_by_given(markers: Markers, recording: Recording | None, client: bool) -> Noted:
    """What holes ask of a visitor whose placeholder the page gives: nobody has run them.
    ``client``: those that the browser fills, or the others."""
    noted: Noted = {}
    opened = [name for kind, name in (recording.reads if recording else ()) if kind == OPENED]
    for use, given in zip(markers.uses, markers.placeholders, strict=True):
        if given is None or use.client is not client:
            continue
        if (use.cookies is None and use.session is None) or (use.session and not opened):
            noted[COOKIES, EVERYTHING] = use.name
        noted.update({(COOKIES, name): use.name for name in use.cookies or ()})
        noted.update({(SESSION, name): use.name for name in use.session or ()})
        noted.update({(OPENED, name): use.name for name in opened})
    return noted


def reads_of_client(
    markers: Markers, noted: Mapping[tuple[str, str], str], now: float
) -> Reads | None:
    """The reads of holes that the browser fills; ``None`` if they are made for everybody. Nobody
    has run one with a placeholder of the page's own, and one that asks nothing of its visitor is
    there for something else, such as the time."""
    for use, given in zip(markers.uses, markers.placeholders, strict=True):
        if use.client and given is not None and use.cookies is None and use.session is None:
            return None
    reads = reads_of(noted, now)
    return reads if reads.personal else None
