"""Whether a request is a navigation: a browser opens the page in a window.

Only then a loading page is of use, since it replaces itself. Fetch Metadata says so where it is
sent (https://www.w3.org/TR/fetch-metadata/); for other clients there are Accept and User-Agent.
"""

from __future__ import annotations

import re
from typing import Final

from ..core.cache_key import Visitor

#: User-Agents of programs that read the page itself: search engines, previews of networks and
#: messengers, crawlers and assistants of AI services, archives, audits. Matched anywhere, ignoring
#: case.
BOTS: Final = re.compile(
    r"bot\b|bot[-_/]|crawl|spider|slurp|scrape|archiver|heritrix|validator|monitor|"
    r"google-|-google|feedfetcher|lighthouse|pagespeed|bingpreview|yandex(?!search)|"
    r"qwantify|yeti/|ahrefs|semrush|prerender|rendertron|"
    r"facebookexternalhit|facebookcatalog|meta-external|whatsapp|viber|skypeuripreview|"
    r"slack-imgproxy|embedly|iframely|vkshare|flipboardproxy|mastodon|cardyb|link ?preview|"
    r"chatgpt|openai|anthropic|claude-|perplexity|cohere-|diffbot|mistralai|google-?other|omgili",
    re.IGNORECASE,
)


def navigates(visitor: Visitor) -> bool:
    """Whether a browser opens this URL in a window, to show it now."""
    if visitor.method != "GET":
        return False
    header = visitor.header
    if "text/html" not in (header("Accept") or "").lower():
        return False
    if header("Sec-Fetch-Dest") not in (None, "document"):
        return False
    if header("Sec-Fetch-Mode") not in (None, "navigate"):
        return False
    if header("X-Requested-With") is not None:
        return False
    purposes = (header(name) or "" for name in ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"))
    return not any("prefetch" in said or "preview" in said for said in map(str.lower, purposes))


def is_bot(visitor: Visitor) -> bool:
    """Whether the User-Agent matches `BOTS`. A missing one does not."""
    return BOTS.search(visitor.header("User-Agent") or "") is not None
