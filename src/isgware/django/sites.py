"""Sites that ``django.contrib.sites`` keeps in each process: a render that gets one from there
shows its row, although nobody asks the database for it.

When a site is saved, Django forgets it in that process alone. What others then show is older; so a
read of one that was kept is noted as that of a cache.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from django.apps import apps

from ..core.unseen import cached
from ..render_context import database
from ..rendering.callers import Callers, where

_CALLERS: Final = Callers(frozenset({"django", "contextlib", "functools"}), frozenset())


def watch_sites(counts: Callable[[str], bool]) -> None:
    """Record which sites clean rooms get; ``counts``: whether a table is recorded."""
    if not apps.is_installed("django.contrib.sites"):
        return
    from django.contrib.sites.models import SiteManager

    for name in ("_get_site_by_id", "_get_site_by_request"):
        method = vars(SiteManager).get(name)
        if method is not None:
            original = getattr(method, "_isgware", method)
            setattr(SiteManager, name, _watched(original, counts))


def _watched(original: Any, counts: Callable[[str], bool]) -> Any:
    @functools.wraps(original)
    def get(self: Any, *given: Any, **named: Any) -> Any:
        from django.contrib.sites import models

        before = list(models.SITE_CACHE.values()) if database.get() is not None else []
        site = original(self, *given, **named)
        reads = database.get()
        if reads is not None and counts(site._meta.db_table):
            reads.row(site._meta.db_table, site.pk)
            if any(site is each for each in before):
                reads.note("cache sites", lambda: cached("sites", where(_CALLERS.caller())))
        return site

    get._isgware = original  # type: ignore[attr-defined]
    return get
