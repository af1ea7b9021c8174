"""Code outside the web process, a cron job say: `outside_script.py VERB NAME...`."""

from __future__ import annotations

import json
import sys

import sitecore

import isgware

store = isgware.connect(sitecore.store_url())
paths = [page.path for page in store.pages()]
getattr(store, sys.argv[1])(*sys.argv[2:])
print(json.dumps({"pages": paths}))
