"""What can be done about each reason for which a page is not stored, or not given to a visitor."""

from __future__ import annotations

from typing import Final

from ..holes import NESTED
from .placeholders import FAILED, MISPLACED, NO_HOLE
from .value_holes import NO_TOKEN, NOT_FOUND

#: The decorator that declares the page did not run during its render.
NOT_RUN: Final = "decorator-not-run"
#: What can be done about each reason, for the log and the command line.
REMEDIES: Final[dict[str, str]] = {
    "set-cookie": "Set cookies elsewhere than on this page; a session write does.",
    "private": "The app says Cache-Control: private; say otherwise for pages without visitors.",
    "no-store": "The app says no-store.",
    "vary-star": "Vary: * means that no two requests get the same page.",
    "vary-too-wide": "The page varies by more headers than a key should hold.",
    "too-big": "Raise max_page, or leave the route undeclared.",
    "streaming": "Responses without an end are never stored; leave the route undeclared. One that "
    "is only slow may say its Content-Length, or needs a longer render_timeout.",
    "redirect-to-other-origin": "The app redirects the clean-room render to the same URL in "
    "another scheme or host: set base_url to the site's public URL, or make the proxy and "
    "the app agree (ProxyFix, SECURE_PROXY_SSL_HEADER).",
    "redirect-to-itself": "The page redirects to its own URL.",
    "revalidate-0": "revalidate=0 means never.",
    "no-lifetime": "Declare the route, or say ISG(revalidate=...).",
    "not-accepted": "The policy's accept= refused the new page.",
    "shrunk": "The new page is much shorter than the old one, which shrink_limit= does not allow. "
    "If it is meant to be so, purge the page, or regenerate it with force=True.",
    "session-taken-apart": "Code in C reads the whole session without asking it. Read keys of the "
    "session by name, or leave the route undeclared.",
    "session-unreadable": "The session's backend failed; the exception is in the log.",
    "cookie": "The page shows those who have that cookie or session key something of their own. "
    "Put that part of it into a hole, or load it with JavaScript; or say which cookies make a "
    "visitor personal: cookies= of the policy.",
    "clean-room-failed": "The view needs what the clean room does not hold (a cookie, a header, a "
    "user): name it in vary=, or leave the route undeclared.",
    "untrusted-host": "Add the host to trusted_hosts, if it is yours, and its port if it has one.",
    "bypass-failed": "The exception that bypass= raised is in the log.",
    NOT_FOUND: "A nonce or a token of this page stands in it in a form that cannot be replaced "
    "(escaped, encoded, compressed, in no field that is known), or a cookie of value_holes= is not "
    "in the body, is shorter than 16 characters, or holds others than A-Z a-z 0-9 _ . ~ + / = -.",
    NO_TOKEN: "The visitor has no such cookie yet, or one that the app did not set. The app's own "
    "answer gives them one; their next visit gets the stored page.",
    NOT_RUN: "Something answered in place of the view: a cache inside the app, a middleware, a "
    "before_request function. Have it let the view run when page.prerendering is true.",
    FAILED: "A hole could not be rendered for a visitor without session and cookies, of whom its "
    "placeholder is: the log has what it raised. Have it show something to strangers, or give the "
    "page a placeholder: {% call hole(...) %}, placeholder= or {% endhole %}.",
    NO_HOLE: "A hole's text was changed after page.hole() returned it (by a filter, a minifier, an "
    "encoding), cut, put into a header, or not put into the page. Put it in as it is.",
    MISPLACED: "client=True fills an element in the page: put the hole between elements of an HTML "
    "page (not into an attribute, script, comment, text field, head, SVG or row of a table), or "
    "take client=True off it.",
    NESTED: "A hole is filled whole: include the template, or call the function, in the outer one.",
    "odd-variant": "Keep a string of at most 64 printable characters under that key of the "
    "session, and return one from the function of @isg.variant; others get their own answers.",
    "variant-failed": "The log says which function raised, or is to be registered with "
    "@isg.variant('NAME') in a module that every process imports.",
    "odd-tag": "Give the page tags of 1 to 256 printable characters; a callable tags= may shorten "
    "what the URL holds.",
    "bad-header": "A header or the status line holds characters that HTTP forbids.",
}
