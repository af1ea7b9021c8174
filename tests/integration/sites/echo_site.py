"""Apps that tell all they are told: `/echo/…` declared, `/free/…` kept by what its headers say."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import sitecore

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from isgware import ISG, Policy
from tests.promises.strange import echo, honest

_declared = ISG(echo, store=sitecore.store_url(), routes={"/echo/<name>": Policy(revalidate=3600)})
_free = ISG(honest, store=sitecore.store_url(), cache_control="full")


def _site(environ: sitecore.Environ, start_response: sitecore.StartResponse) -> Iterable[bytes]:
    app = _free if "/free/" in environ["PATH_INFO"] else _declared
    return app(environ, start_response)


application = sitecore.Outside(_site)
