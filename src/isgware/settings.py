"""The one table of options: keyword arguments, framework configuration and the environment.

An option is looked for in the keyword arguments, then in the framework's configuration
(``ISGWARE_*`` in Flask, the ``ISGWARE`` dict in Django), then in ``ISGWARE_*`` environment
variables; the first that says it counts.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from . import setting_checks as checks
from .adaptive import Adaptive
from .errors import ConfigurationError
from .policy import Policy

log: Final = logging.getLogger("isgware")


def _option(default: Any, check: checks.Check, doc: str) -> Any:
    return field(default=default, metadata={"check": check, "doc": doc})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every option with its default. ``load`` is the way in."""

    store: Any = _option(
        "file:.isgware", checks.anything, "URL of the store, or a cachelib BaseCache"
    )
    revalidate: float | bool | Adaptive | None = _option(
        None,
        checks.default_revalidate,
        "seconds fresh, for every storable page that says nothing itself",
    )
    defaults: Policy | None = field(
        default=None,
        metadata={
            "check": checks.policy_defaults,
            "doc": "what declared routes do not say themselves",
        },
    )
    routes: Mapping[str, Policy] = field(
        default_factory=dict,
        metadata={"check": checks.routes, "doc": "policies by URL pattern, in Werkzeug's language"},
    )
    base_url: tuple[str, ...] = _option(
        (), checks.checked_base_url, "scheme and host of every render"
    )
    trusted_hosts: tuple[str, ...] = _option(
        (), checks.trusted_hosts, "hosts for which pages are kept"
    )
    secret: str | None = field(
        default=None,
        repr=False,
        metadata={"check": checks.secret, "doc": "opens what lies under mount"},
    )
    metrics_secret: str | None = field(
        default=None,
        repr=False,
        metadata={
            "check": checks.long_secret,
            "doc": "opens the metrics under mount, nothing else",
        },
    )
    mount: str = _option("/_isg", checks.mount, "where the control endpoint lies")
    cache_control: str = _option(
        "shared", checks.choice("shared", "full", "ignore"), "which Cache-Control of the app counts"
    )
    heuristic: float = _option(
        0.0,
        checks.share,
        "fresh for this share of the time since Last-Modified, if nothing is said",
    )
    workers: int = _option(4, checks.count(1), "threads that regenerate pages")
    queue_size: int = _option(1_000, checks.count(1), "regenerations waiting; more are dropped")
    executor: Any = _option(None, checks.executor, "an Executor to regenerate in instead")
    coordinator: Any = _option(None, checks.anything, "store URL for leases and invalidations")
    memory: int = _option(64 * 1024**2, checks.count(0), "bytes of the in-process layer; 0: none")
    max_page: int = _option(
        10 * 1024**2, checks.count(1), "bytes of the largest page that is stored"
    )
    max_pages: int = _option(1_000_000, checks.count(1), "pages in the store")
    history: int = _option(
        1, checks.count(0), "previous versions of each page that the store keeps"
    )
    max_bytes: int = _option(4 * 1024**3, checks.count(1), "bytes in the store")
    max_waiters: int = _option(1_000, checks.count(0), "visitors waiting for renders of others")
    loading_page: Any = _option(
        None, checks.loading_page, "shown while a page renders: HTML text, a file, or 'app:/path'"
    )
    loading_renders: int = _option(
        16, checks.count(0), "first renders behind loading pages, of each route; more visitors wait"
    )
    is_bot: Any = _option(
        None,
        checks.is_bot,
        "who never gets a loading page: a pattern of User-Agents, or a callable",
    )
    build_id: str = _option("", lambda name, value: str(value or ""), "keeps pages of builds apart")
    compress: tuple[str, ...] | bool = _option(True, checks.compress, "encodings made when storing")
    debug: bool = _option(False, checks.flag, "log one line per decision")
    panel: bool = _option(
        False, checks.flag, "in development, a panel on each page says what becomes of it"
    )
    downstream: float = _option(60.0, checks.seconds, "s-maxage of pages with revalidate=False")
    enabled: bool | str | None = _option(None, checks.enabled, "True, False or 'report'")
    dependencies: bool | str = _option(
        False,
        checks.dependencies,
        "renew pages when what they show of the database changes: True, 'soft'",
    )
    dependencies_durable: bool = _option(
        False,
        checks.flag,
        "announce commits beforehand, so that those of writers that are killed renew pages, too",
    )
    dependencies_lag: float = _option(
        0.0,
        checks.lag,
        "seconds by which replicas of the database may lag: pages are renewed once more then",
    )
    untracked: tuple[str, ...] = _option(
        (), checks.strings, "models or tables on which no page depends, whatever it shows of them"
    )
    derived: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict,
        metadata={
            "check": checks.derived,
            "doc": "what the database makes of what: views, triggers",
        },
    )
    lease_time: float = _option(10.0, checks.seconds, "seconds a lease lasts unless renewed")
    wait_time: float = _option(10.0, checks.seconds, "seconds a visitor waits for another's render")
    render_timeout: float = _option(
        60.0, checks.seconds, "seconds until a background render is given up"
    )
    drain_time: float = _option(5.0, checks.seconds, "seconds that close and exit wait for renders")
    backend_timeout: float = _option(
        0.3, checks.seconds, "seconds an operation of the store may take"
    )
    probe_interval: float = _option(1.0, checks.seconds, "seconds between probes of a failed store")
    offline_time: float = _option(
        60.0, checks.seconds, "seconds pages in memory count without the store"
    )
    dynamic_time: float = _option(
        60.0, checks.seconds, "seconds a page is remembered as not storable"
    )
    observer: tuple[Callable[..., object], ...] = _option(
        (), checks.observers, "callables that are told each decision and render, see isgware.events"
    )
    clock: Any = _option(None, checks.clock, "callable that tells the time, for tests")

    def is_control_path(self, path: str) -> bool:
        """Whether a path lies at or below ``mount``."""
        return path == self.mount or path.startswith(self.mount + "/")

    @property
    def observes(self) -> bool:
        """Whether the answers of undeclared routes are looked at: they may be storable."""
        return self.revalidate is not None or self.cache_control != "ignore"

    @classmethod
    def load(
        cls,
        given: Mapping[str, Any],
        framework: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Settings:
        """Settings from their three sources. Raises `ConfigurationError`, naming the option."""
        values: dict[str, Any] = {}
        known = {option.name: option for option in dataclasses.fields(cls)}
        for name, text in (environ or {}).items():
            option = name.removeprefix("ISGWARE_").lower()
            if name.startswith("ISGWARE_") and option in known:
                values[option] = text
            elif name.startswith("ISGWARE_") and (near := _close(option, known, 0.8)):
                log.warning(
                    "%s in the environment is no option. Did you mean ISGWARE_%s?",
                    name, near.upper(),
                )  # fmt: skip
        for source in (framework or {}, given):
            for name, value in source.items():
                if name not in known:
                    raise ConfigurationError(
                        f"{name!r} is not an option of ISG. {_nearest(name, known)}"
                    )
                values[name] = value
        for name, value in values.items():
            values[name] = known[name].metadata["check"](name, value)
        checks.of_dependencies(values)
        return cls(**values)


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = _close(name.lower(), known)
    return f"Did you mean {close!r}?" if close else "Options: " + ", ".join(known) + "."


def _close(name: str, known: Mapping[str, Any], likeness: float = 0.6) -> str:
    import difflib

    return next(iter(difflib.get_close_matches(name, known, 1, likeness)), "")
