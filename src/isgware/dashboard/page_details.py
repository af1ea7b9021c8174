"""The page Page: one stored page, its variants, what it was made of and how it is sent."""

from __future__ import annotations

import re
from dataclasses import asdict
from itertools import islice
from typing import Any, Final

from ..backends.base import row_of
from ..core.dependency_labels import labelled_text
from ..core.freshness import State
from ..core.local_path import local_path, spelled
from ..core.render_log import renders_of
from ..core.stored_page import Entry
from ..errors import ConfigurationError
from ..http import cache_status as status
from ..management.dependency_verbs import lines_of, unseen_by
from ..management.operations import Operations
from ..management.page_history import PageVersion
from ..management.route_pages import RouteOf
from ..management.why_reasons import changed_by
from ..management.why_shared_cache import page_parts
from ..runtime import Runtime
from ..storage.catalogue import PageInfo, row_state
from ..storage.notes import last_failure, noted_failure
from ..storage.process_cache import Page

#: So many variants of a path are listed.
_VARIANTS: Final = 50
_DEPENDS: Final = 100


def page_details(isg: Operations, given: dict[str, str]) -> dict[str, Any]:
    """``given``: ``path``, and the ``key`` of one of its variants. Raises `InvalidPath` and
    `BackendUnavailable`."""
    runtime, path = isg.core.runtime, given.get("path", "")
    local_path(path)
    runtime.store.retry()
    stored = ((info, entry) for info, entry in runtime.catalogue.stored(path) if entry is not None)
    found = list(islice(stored, _VARIANTS))
    wanted = [pair for pair in found if pair[1].key == given.get("key")] or found
    chosen = wanted[0] if wanted else None
    return {
        "path": path,
        "variants": [
            {"key": entry.key, "url": info.url, "variant": info.variant, "state": info.state,
             "size": info.size, "age": info.age}
            for info, entry in found
        ],
        "page": None if chosen is None else _described(runtime, *chosen),
        "gone": _why_gone(runtime, path) if chosen is None else "",
        "versions": [] if chosen is None else _versions(isg, *chosen),
        "renders": [] if chosen is None else _renders(runtime, chosen[1]),
    }  # fmt: skip


def page_diff(isg: Operations, given: dict[str, str]) -> dict[str, Any]:
    """How a page differs from the ``version`` before. Raises as `page_details`, and
    `ConfigurationError` if there is no such version."""
    runtime, number = isg.core.runtime, version_number(given.get("version", ""))
    entry = runtime.catalogue.entry(given.get("key", ""))
    if entry is None or number is None:
        raise ConfigurationError("That version is not there any more.")
    info = runtime.catalogue.info_of(entry)
    lines = isg.diff(_named(entry), number, **_which(info, entry)).splitlines()
    return {"path": info.path, "key": entry.key, "version": number, "lines": lines}


def version_number(text: str) -> int | None:
    """Python reads other digits as numbers, too, and raises for some thousands of them."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def _versions(isg: Operations, info: PageInfo, entry: Entry) -> list[PageVersion]:
    try:
        return isg.history(_named(entry), **_which(info, entry))
    except ConfigurationError:  # it cannot be told apart from another
        return []


def _named(entry: Entry) -> str:
    query = entry.request.query
    return spelled(entry.request.full_path) + (f"?{query}" if query else "")


def _which(info: PageInfo, entry: Entry) -> dict[str, str]:
    return {"variant": info.variant, "host": entry.request.host}


def _renders(runtime: Runtime, entry: Entry) -> list[dict[str, Any]]:
    """What is known of the last ones, the latest first, and of the last that failed."""
    found = [{**asdict(render), "error": ""} for render in renders_of(entry)]
    failure = last_failure(runtime.store, entry.key, runtime.now())
    if failure is not None:
        found.insert(0, {"at": failure.at, "seconds": failure.seconds or None, "by": failure.by,
                         "found": "failed", "error": failure.error})  # fmt: skip
    return sorted(found, key=lambda render: float(render["at"]), reverse=True)


def stored_page(runtime: Runtime, given: dict[str, str]) -> Entry | None:
    """The page that the frame shows. Raises as `page_details`."""
    entry = runtime.catalogue.entry(given.get("key", ""))
    return None if entry is None or runtime.catalogue.gone(entry) else entry


def _described(runtime: Runtime, info: PageInfo, entry: Entry) -> dict[str, Any]:
    now, mirror = runtime.now(), runtime.engine.page_store.mirror
    row = row_of(entry)
    state = row_state(row, mirror, now)
    page = Page(entry, 0, "")
    failure = noted_failure(runtime.store, entry.key, now, entry.rendered_at)
    label = "HIT" if state is State.FRESH else "STALE"
    said = status.hit(page.ttl(now)) if state is State.FRESH else status.forwarded("stale")
    line, headers, _ = page.answer("identity", now, label, said)
    sizes = {"identity": len(entry.body)} | {k: len(v) for k, v in entry.encodings.items()}
    dependencies = runtime.engine.page_store.dependencies
    labels = dependencies.labels if dependencies is not None else None
    return {
        **page_parts(page, state, now),
        "depends": lines_of(entry, labels)[:_DEPENDS] if labels is not None else [],
        "unseen": unseen_by(entry),
        "changed": "" if state is State.FRESH else _changed(runtime, page),
        "key": entry.key,
        "url": info.url,
        "path": spelled(row.path),
        "route": entry.route or RouteOf(runtime)(row),
        "state": info.state,
        "variant": info.variant,
        "host": entry.request.host,
        "named": _named(entry),
        "build_id": entry.build_id,
        "status_line": line,
        "headers": headers,
        "sizes": sizes,
        "rendered_at": entry.rendered_at,
        "render_seconds": entry.render_seconds,
        "revalidate": entry.revalidate,
        "failures": 0 if failure is None else failure.count,
        "failed_at": None if failure is None else failure.at,
        "retry": None if failure is None else max(0.0, failure.until - now),
        "last_error": "" if failure is None else failure.error,
    }


def _changed(runtime: Runtime, page: Page) -> str:
    """Why it is not fresh."""
    page_store = runtime.engine.page_store
    text = changed_by(page, page_store, runtime.now(), page.entry.fingerprint)
    dependencies = page_store.dependencies
    return text if dependencies is None else labelled_text(text, dependencies.labels)


def _why_gone(runtime: Runtime, path: str) -> str:
    """What a page was purged or renewed by whose next visitor has not come yet."""
    entry = next(runtime.catalogue.gone_at(path), None)
    return "" if entry is None else _changed(runtime, Page(entry, 0, ""))
