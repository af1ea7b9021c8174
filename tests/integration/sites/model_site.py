"""The site of the random operations: every page says which version of its data it shows, when its
render began (by the clock that all processes of the machine share), and what of the request it saw.

`SITE_DATA` is a directory with a file for each page, its version; a file is replaced whole.
"""

from __future__ import annotations

import os
import random
import time
import urllib.parse
import uuid
from collections.abc import Iterable
from pathlib import Path

import sitecore

from isgware import ISG, Policy

DATA = Path(os.environ["SITE_DATA"])
#: Seconds that a render takes after it has read its data: a render is old when it ends.
PAUSES = (0.0, 0.0, 0.002, 0.01, 0.03, 0.15)


def site(environ: sitecore.Environ, start_response: sitecore.StartResponse) -> Iterable[bytes]:
    begun = time.monotonic()
    path = environ["PATH_INFO"]
    version = int((DATA / urllib.parse.quote(path, safe="")).read_text())
    time.sleep(random.choice(PAUSES))
    fields = {
        "path": path,
        "query": environ["QUERY_STRING"],
        "cookie": environ.get("HTTP_COOKIE", ""),
        "begun": begun,
        "version": version,
        "nonce": uuid.uuid4().hex,
        "padding": "x" * random.choice((100, 1_000, 20_000)),
    }
    return sitecore.answer(start_response, 200, sitecore.seal(fields))


TAGS = ["pages", "section:{section}", "page:{section}-{name}"]
isg = ISG(
    site,
    store=sitecore.store_url(),
    base_url="http://site.example",
    routes={
        "/page/<section>/<name>": Policy(
            revalidate=3600, tags=TAGS, query=["v"], vary=["cookie:bucket"]
        ),
        "/brief/<section>/<name>": Policy(
            revalidate=1, tags=TAGS, query=["v"], vary=["cookie:bucket"]
        ),
    },
)
application = sitecore.Outside(isg, isg)
