"""The one table of options: keyword arguments, framework configuration and the environment.

An option is looked for in the keyword arguments, then in the framework's configuration
(``ISGWARE_*`` in Flask, the ``ISGWARE`` dict in Django), then in ``ISGWARE_*`` environment
variables; the first that says it counts.
"""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from .adaptive import Adaptive, written
from .core.hosts import normal_host
from .errors import ConfigurationError
from .option_checks import HOST, checked_loading_page, checked_revalidate
from .policy import Policy

Check = Callable[[str, Any], Any]
#: Characters of a secret that opens the dashboard or the metrics: whoever has a cookie that is
#: signed under a shorter one may find it without asking the site.
MIN_SECRET: Final = 16
SHORT_SECRET: Final = (
    f"give {MIN_SECRET} characters or more, of chance: secrets.token_urlsafe() has 43."
)


def _fail(name: str, value: Any, remedy: str) -> ConfigurationError:
    shown = "…" if name in ("secret", "metrics_secret") else repr(value)
    return ConfigurationError(f"{name}={shown}: {remedy}")


def _count(low: int) -> Check:
    def check(name: str, value: Any) -> int:
        if isinstance(value, str) and value.strip().isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise _fail(name, value, f"give a whole number, {low} or more.")
        return value

    return check


def _seconds(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not math.isfinite(number) or number <= 0:
        raise _fail(name, value, "give seconds, more than 0.")
    return number


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str) and str(value).lower() in _WORDS:
        return _WORDS[str(value).lower()]
    raise _fail(name, value, "say True or False (1 or 0 in the environment).")


_WORDS: Final = {
    "1": True, "true": True, "yes": True, "on": True,
    "0": False, "false": False, "no": False, "off": False, "": False,
}  # fmt: skip


def _enabled(name: str, value: Any) -> bool | str | None:
    if value is None:
        return None
    if value == "report":
        return "report"
    try:
        return _flag(name, value)
    except ConfigurationError:
        raise _fail(name, value, "say True, False or 'report'.") from None


def _dependencies(name: str, value: Any) -> bool | str:
    if value == "soft":
        return "soft"
    try:
        return _flag(name, value)
    except ConfigurationError:
        raise _fail(name, value, "say True, False or 'soft'.") from None


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise _fail(name, value, "give a non-empty string.")
    return value


def _secret(name: str, value: Any) -> str | None:
    return None if value is None else _text(name, value)


def _long_secret(name: str, value: Any) -> str | None:
    secret = _secret(name, value)
    if secret is not None and len(secret.strip()) < MIN_SECRET:
        raise _fail(name, value, SHORT_SECRET)
    return secret


def _choice(*choices: str) -> Check:
    def check(name: str, value: Any) -> str:
        if value not in choices:
            raise _fail(name, value, "choose " + ", ".join(map(repr, choices)) + ".")
        return str(value)

    return check


def _share(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number <= 1:
        raise _fail(name, value, "give a share from 0 (no guesses) to 1; 0.1 is usual.")
    return number


def _default_revalidate(name: str, value: Any) -> float | bool | Adaptive | None:
    if isinstance(value, str):
        if adaptive := written(value):
            return adaptive
        if value.lower() in ("false", "no", "off"):
            return False
        try:
            value = float(value)
        except ValueError:
            raise _fail(name, value, "give seconds, Adaptive(10, 3600), or False.") from None
    return checked_revalidate(value)


def _routes(name: str, value: Any) -> Mapping[str, Policy]:
    if not isinstance(value, Mapping):
        raise _fail(name, value, "give a mapping of URL patterns to policies.")
    for pattern, policy in value.items():
        if not isinstance(pattern, str) or not pattern.startswith("/"):
            raise _fail(name, pattern, "a URL pattern starts with a slash: '/posts/<slug>'.")
        if not isinstance(policy, Policy):
            raise _fail(name, policy, f"the route {pattern!r} takes a Policy(...).")
    return value


#: What a policy for all declared routes may say.
_DEFAULTS: Final = ("cookies", "vary", "query", "bypass")


def _policy_defaults(name: str, value: Any) -> Policy | None:
    if value is None:
        return None
    if not isinstance(value, Policy):
        raise _fail(name, value, "give a Policy(...), for all declared routes.")
    others = [
        field.name
        for field in dataclasses.fields(Policy)
        if field.name not in (*_DEFAULTS, "expire")
        and getattr(value, field.name) != getattr(Policy(), field.name)
    ]
    if others or value.expire != Policy().expire:
        names = ", ".join(others or ["expire"])
        raise _fail(name, value, f"{names} is said by each route; defaults may say {_LIST}.")
    return value


_LIST: Final = ", ".join(_DEFAULTS)


def _strings(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [item.strip() for item in value.split(",") if item.strip()]
    if not isinstance(value, Sequence) or not all(isinstance(item, str) for item in value):
        raise _fail(name, value, "give a list of strings.")
    return tuple(value)


def checked_base_url(name: str, value: Any) -> tuple[str, ...]:
    urls = _strings(name, value) if value is not None else ()
    found = []
    for url in urls:
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise _fail(name, url, f"{error}.") from None
        if (
            parts.scheme not in ("http", "https")
            or not HOST.match(parts.netloc)
            or parts.path.strip("/")
        ):
            raise _fail(name, url, "give scheme and host only, such as 'https://www.example.com'.")
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise _fail(name, url, "give scheme and host only, such as 'https://www.example.com'.")
        found.append(f"{parts.scheme}://{normal_host(parts.scheme, parts.netloc)}")
    return tuple(found)


def _trusted_hosts(name: str, value: Any) -> tuple[str, ...]:
    hosts = _strings(name, value)
    for host in hosts:
        if "/" in host:
            raise _fail(name, host, "give hosts only, such as 'example.com' or 'localhost:5000'.")
    return hosts


def _derived(name: str, value: Any) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _fail(name, value, "give a mapping: {'shop.Stock': ['shop.Product']}.")
    return {key: _strings(name, sources) for key, sources in value.items()}


def _mount(name: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
        raise _fail(name, value, "give a path such as '/_isg', without a slash at its end.")
    return value


def _compress(name: str, value: Any) -> tuple[str, ...] | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _WORDS:
        return _WORDS[value.lower()]
    names = _strings(name, value)
    if not set(names) <= {"br", "zstd", "gzip"}:
        raise _fail(name, value, "name encodings among 'br', 'zstd', 'gzip', or say False.")
    return names


def _executor(name: str, value: Any) -> Any:
    takes_work = any(callable(getattr(value, how, None)) for how in ("submit", "send"))
    if value is not None and not takes_work:
        raise _fail(name, value, "give a concurrent.futures.Executor, or a CeleryExecutor.")
    processes = sys.modules.get("concurrent.futures.process")  # not imported: it is none
    if processes is not None and isinstance(value, processes.ProcessPoolExecutor):
        raise _fail(name, value, "renders run in this process; give a ThreadPoolExecutor.")
    return value


def _loading_page(name: str, value: Any) -> Any:
    return checked_loading_page(value)


def _is_bot(name: str, value: Any) -> Any:
    if value is None or callable(value) or isinstance(value, re.Pattern):
        return value
    try:
        return re.compile(value, re.IGNORECASE)
    except (re.error, TypeError) as error:
        remedy = f"give a regular expression for User-Agents, or a callable ({error})."
        raise _fail(name, value, remedy) from None


def _observers(name: str, value: Any) -> tuple[Callable[..., object], ...]:
    given = (value,) if callable(value) else value
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(map(callable, given)):
        raise _fail(name, value, "give a callable that is told each event, or a list of them.")
    return tuple(given)


def _clock(name: str, value: Any) -> Any:
    if value is not None and not callable(value):
        raise _fail(name, value, "give a callable that returns seconds.")
    return value


def _anything(name: str, value: Any) -> Any:
    return value


def _option(default: Any, check: Check, doc: str) -> Any:
    return field(default=default, metadata={"check": check, "doc": doc})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every option with its default. ``load`` is the way in."""

    store: Any = _option("file:.isgware", _anything, "URL of the store, or a cachelib BaseCache")
    revalidate: float | bool | Adaptive | None = _option(
        None, _default_revalidate, "seconds fresh, for every storable page that says nothing itself"
    )
    defaults: Policy | None = field(
        default=None,
        metadata={"check": _policy_defaults, "doc": "what declared routes do not say themselves"},
    )
    routes: Mapping[str, Policy] = field(
        default_factory=dict,
        metadata={"check": _routes, "doc": "policies by URL pattern, in Werkzeug's language"},
    )
    base_url: tuple[str, ...] = _option((), checked_base_url, "scheme and host of every render")
    trusted_hosts: tuple[str, ...] = _option((), _trusted_hosts, "hosts for which pages are kept")
    secret: str | None = field(
        default=None,
        repr=False,
        metadata={"check": _secret, "doc": "opens what lies under mount"},
    )
    metrics_secret: str | None = field(
        default=None,
        repr=False,
        metadata={"check": _long_secret, "doc": "opens the metrics under mount, nothing else"},
    )
    mount: str = _option("/_isg", _mount, "where the control endpoint lies")
    cache_control: str = _option(
        "shared", _choice("shared", "full", "ignore"), "which Cache-Control of the app counts"
    )
    heuristic: float = _option(
        0.0, _share, "fresh for this share of the time since Last-Modified, if nothing is said"
    )
    workers: int = _option(4, _count(1), "threads that regenerate pages")
    queue_size: int = _option(1_000, _count(1), "regenerations waiting; more are dropped")
    executor: Any = _option(None, _executor, "an Executor to regenerate in instead")
    coordinator: Any = _option(None, _anything, "store URL for leases and invalidations")
    memory: int = _option(64 * 1024**2, _count(0), "bytes of the in-process layer; 0: none")
    max_page: int = _option(10 * 1024**2, _count(1), "bytes of the largest page that is stored")
    max_pages: int = _option(1_000_000, _count(1), "pages in the store")
    history: int = _option(1, _count(0), "previous versions of each page that the store keeps")
    max_bytes: int = _option(4 * 1024**3, _count(1), "bytes in the store")
    max_waiters: int = _option(1_000, _count(0), "visitors waiting for renders of others")
    loading_page: Any = _option(
        None, _loading_page, "shown while a page renders: HTML text, a file, or 'app:/path'"
    )
    loading_renders: int = _option(
        16, _count(0), "first renders behind loading pages, of each route; more visitors wait"
    )
    is_bot: Any = _option(
        None, _is_bot, "who never gets a loading page: a pattern of User-Agents, or a callable"
    )
    build_id: str = _option("", lambda name, value: str(value or ""), "keeps pages of builds apart")
    compress: tuple[str, ...] | bool = _option(True, _compress, "encodings made when storing")
    debug: bool = _option(False, _flag, "log one line per decision")
    downstream: float = _option(60.0, _seconds, "s-maxage of pages with revalidate=False")
    enabled: bool | str | None = _option(None, _enabled, "True, False or 'report'")
    dependencies: bool | str = _option(
        False,
        _dependencies,
        "renew pages when what they show of the database changes: True, 'soft'",
    )
    untracked: tuple[str, ...] = _option(
        (), _strings, "models or tables on which no page depends, whatever it shows of them"
    )
    derived: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict,
        metadata={"check": _derived, "doc": "what the database makes of what: views, triggers"},
    )
    lease_time: float = _option(10.0, _seconds, "seconds a lease lasts unless renewed")
    wait_time: float = _option(10.0, _seconds, "seconds a visitor waits for another's render")
    render_timeout: float = _option(60.0, _seconds, "seconds until a background render is given up")
    drain_time: float = _option(5.0, _seconds, "seconds that close and exit wait for renders")
    backend_timeout: float = _option(0.3, _seconds, "seconds an operation of the store may take")
    probe_interval: float = _option(1.0, _seconds, "seconds between probes of a failed store")
    offline_time: float = _option(60.0, _seconds, "seconds pages in memory count without the store")
    dynamic_time: float = _option(60.0, _seconds, "seconds a page is remembered as not storable")
    observer: tuple[Callable[..., object], ...] = _option(
        (), _observers, "callables that are told each decision and render, see isgware.events"
    )
    clock: Any = _option(None, _clock, "callable that tells the time, for tests")

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
        for source in (framework or {}, given):
            for name, value in source.items():
                if name not in known:
                    raise ConfigurationError(
                        f"{name!r} is not an option of ISG. {_nearest(name, known)}"
                    )
                values[name] = value
        for name, value in values.items():
            values[name] = known[name].metadata["check"](name, value)
        return cls(**values)


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    import difflib

    close = difflib.get_close_matches(name.lower(), known, 1)
    return f"Did you mean {close[0]!r}?" if close else "Options: " + ", ".join(known) + "."
