"""Hands a URL match that isgware has made over to Flask, so that a request is matched once.

Flask matches when the session is open, so that converters may use it. So this is done only if all
converters of the app are Werkzeug's own, which look at nothing but the path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from werkzeug.routing import Map, MapAdapter, Rule

Found = tuple[Rule, Mapping[str, Any]]
_READY: Final = "_isgware_found"


class Matched(NamedTuple):
    """What ``adapter`` has found for a GET of a path, which is given as the environ has it and as
    text. ``found`` is ``None`` if there is no view, or a redirect."""

    path: str
    text: str
    adapter: MapAdapter | None
    found: Found | None


def only_werkzeugs_converters(url_map: Map) -> bool:
    return all(
        type(converter).__module__ == "werkzeug.routing.converters"
        for rule in url_map.iter_rules()
        for converter in rule._converters.values()
    )


def prepare(adapter: MapAdapter | None, known: Matched) -> None:
    """Have ``adapter`` answer its next call with what is known, if it would find the same."""
    ours = known.adapter
    if (
        type(adapter) is MapAdapter
        and ours is not None
        and adapter.default_method == "GET"
        and adapter.path_info == known.text
        and adapter.map is ours.map
        and adapter.script_name == ours.script_name
        and adapter.subdomain == ours.subdomain
        and adapter.server_name == ours.server_name
        and adapter.websocket == ours.websocket
    ):
        adapter.__dict__[_READY] = known.found
        adapter.__class__ = _ReadyAdapter


class _ReadyAdapter(MapAdapter):
    def match(self, *args: Any, **kwargs: Any) -> Any:
        self.__class__ = MapAdapter  # type: ignore[assignment]
        rule, arguments = self.__dict__.pop(_READY)
        if not args and kwargs == {"return_rule": True}:
            return rule, dict(arguments)  # the app may change its own
        return self.match(*args, **kwargs)
