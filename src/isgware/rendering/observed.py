"""What was recorded during a clean-room render, as far as it decides about storing the page.

The page is refused if the render wrote to the session, took it apart, or used a token of one
visitor. Everything else that it read of the visitor becomes the page's `Reads`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from ..core.deleted_cookies import without_deletions
from ..core.reads import Reads, reads_of, united
from ..core.storable import Refusal, Response, varies, without_vary_cookie
from ..recording import COOKIES, EVERYTHING, Recording


def unfit(recording: Recording, response: Response) -> Refusal | None:
    """Why the page may not be stored because of what its render did."""
    for key, where in dict(recording.writes).items():
        place = f" ({where})" if where else ""
        return Refusal("set-cookie", f"writes the session key {key!r}{place}")
    marked = recording.marked(response.body, response.headers)
    return Refusal(marked) if marked else None


def observed(
    recording: Recording, response: Response, *, unread: Iterable[str], keep_vary: bool,
    before: Reads | None, now: float,
) -> tuple[Response, Reads]:  # fmt: skip
    """The response without cookie deletions, and what its page reads. ``unread`` cookies are part
    of the page's key, or inserted for each visitor, so they are no reads. ``before``: the reads of
    earlier renders of the page."""
    headers, deleted = without_deletions(response.headers, now)
    noted = dict(recording.reads)
    for name in deleted:
        noted.setdefault((COOKIES, name), "Set-Cookie")
    said = "cookie" in varies(headers)
    if recording.session_vary and not keep_vary:
        headers, said = without_vary_cookie(headers), False
    if said or (recording.session_vary and keep_vary):
        noted.setdefault((COOKIES, EVERYTHING), "Vary: Cookie")
    for name in unread:
        noted.pop((COOKIES, name), None)
    return dataclasses.replace(response, headers=headers), united(reads_of(noted, now), before, now)
