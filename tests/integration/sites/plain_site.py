"""A plain WSGI application under `isgware.ISG`; with `SITE_BARE` set, the same without it."""

from __future__ import annotations

import os
from collections.abc import Iterable

import sitecore

PAGES = ("/page/", "/brief/", "/kept/", "/open/", "/first/")


def site(environ: sitecore.Environ, start_response: sitecore.StartResponse) -> Iterable[bytes]:
    if not environ["PATH_INFO"].startswith(PAGES):
        return sitecore.answer(start_response, 404, b"no such page")
    if environ["REQUEST_METHOD"] == "POST":
        status = sitecore.knob(environ["PATH_INFO"]).get("post_status", 200)
        return sitecore.answer(start_response, status, b"posted")
    status, headers, body = sitecore.render(environ)
    return sitecore.answer(start_response, status, body, headers)


if os.environ.get("SITE_BARE"):
    application: sitecore.WSGIApp = sitecore.Outside(site)
else:
    from isgware import ISG, Policy
    from isgware.backends.redis import pubsub as redis_news

    if os.environ.get("SITE_POLL"):  # seconds between two readings of what messages tell, too
        redis_news.INTERVAL = float(os.environ["SITE_POLL"])
    isg = ISG(
        site,
        store=sitecore.store_url(),
        routes={
            "/page/<name>": Policy(revalidate=3600, tags=["pages", "page:{name}"]),
            "/brief/<name>": Policy(revalidate=1, tags=["brief:{name}"]),
            "/first/<name>": Policy(revalidate=3600, fallback="loading"),
            "/kept/<name>": Policy(revalidate=False, tags=["kept:{name}"]),
        },
    )
    application = sitecore.Outside(isg, isg)
