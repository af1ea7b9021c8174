"""`advice_on`: what can be done about each reason for which visitors got no stored page, or that
nothing need be done. Reasons that keep a page out of the store have theirs in `rendering.remedies`.
"""

from __future__ import annotations

from typing import Final

from ..rendering.remedies import REMEDIES

_MEANT: Final = "Nothing: that is what was asked for."
_ODD_URL: Final = "Nothing: such requests come from scanners and broken links."
_LOG: Final = "The exception is in the log."
_ADVICE: Final[dict[str, str]] = {
    "authorization": "Nothing, if they are known for a reason. A browser behind Basic "
    "authentication sends it with every request: protect staging sites otherwise.",
    "draft": _MEANT,
    "bypass": "Nothing, if bypass= says so of the right requests.",
    "bypass-cookie": "Nothing, if bypass= names the right cookies.",
    "learning": "Declare the route: pages of declared routes are rendered for their first visitor.",
    "expired": "Pages are visited less often than they expire: let expire be longer.",
    "purged": (
        "Where a stale page may be shown once more, revalidate instead of purging, or say "
        "dependencies='soft'."
    ),
    "not-modified": "Nothing: the app has confirmed the stored response.",
    "loading": "Render pages before anybody asks: isgware build.",
    "wait-timeout": "Renders take longer than wait_time, or too many visitors wait for them: look "
    "at the render times, render beforehand (isgware build), or raise wait_time.",
    "render-failed": "The view raised or answered 5xx; the app's log has why.",
    "broken-response": "The body broke off, or was not as long as its Content-Length; the log of "
    "isgware says which.",
    "isgware-failed": "A defect of isgware. The exception is in the log; please report it.",
    "regeneration-failed": "isgware ls names the pages that fail, and their last errors.",
    "regeneration-dropped": "More workers, a longer queue_size, or isgware worker.",
    "stale-if-error": "Renders fail: isgware ls names the pages and their last errors.",
    "not-listed": "Nothing, if paths= lists every page that there is.",
    "holes": "Nothing: in debug mode the app shows what is in the holes.",
    "hole-failed": f"Holes fail, and placeholders stand in the pages. {_LOG}",
    "before-holes": "Nothing: the app had another answer for these visitors, such as a redirect.",
    "no-such-holes": "Nothing: these browsers show a page from before the last release.",
    "nothing-personal": "Nothing: placeholders are right for visitors without anything personal.",
    "report": "Nothing: in report mode the app answers everybody.",
    "debug": "Nothing: in debug mode nothing is stored.",
    "odd-path": _ODD_URL,
    "odd-query": _ODD_URL,
    "odd-host": _ODD_URL,
    "odd-header": "The header that the page varies by is too long, or holds control characters; "
    "name its values in vary= if you know them.",
    "odd-cookie": "The cookie that the page varies by is too long, or holds control characters.",
    "odd-request": _ODD_URL,
    "method": "Nothing: only GET and HEAD are answered from the store.",
    "no-cache": "The app says no-cache: declare the route, if its page may be kept.",
    "must-understand": "The app says must-understand with a status that isgware does not know.",
    "stale": "The app's responses are stale when they come, and have no validator: let it say "
    "s-maxage, or ETag or Last-Modified.",
    "empty-body": "The view answers 200 with nothing; the page before it is kept.",
    "bad-location": "The view redirects to what is no URL.",
    "max-stale": "Nothing: the requests said that they take stale pages.",
    "only-if-cached": "Nothing: the requests wanted stored pages only.",
    "other": "Too many routes or reasons to tell apart; isgware log shows them one by one.",
}


def advice_on(reason: str) -> str:
    """Empty for a reason that nobody knows."""
    if reason.startswith("status-"):
        return f"The view answers {reason[7:]}: only pages, redirects and 404 and 410 are stored."
    return _ADVICE.get(reason) or REMEDIES.get(reason, "")
