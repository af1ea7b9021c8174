"""Flask-Caching, which the app may read while a page is rendered."""

from __future__ import annotations

import sys

from ..rendering.app_caches import note_reads


def watch_caches() -> None:
    """Note what clean rooms read of it, if the app has imported it."""
    module = sys.modules.get("flask_caching")
    if module is not None:
        note_reads(module.Cache, ("get", "get_many", "get_dict"), lambda cache: "Flask-Caching")
