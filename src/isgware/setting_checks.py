"""What values each option takes: checks that return what is kept of one.

Each raises `ConfigurationError`, which names the option, the value and the remedy.
"""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
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


def count(low: int) -> Check:
    def check(name: str, value: Any) -> int:
        if isinstance(value, str) and value.strip().isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise _fail(name, value, f"give a whole number, {low} or more.")
        return value

    return check


def seconds(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not math.isfinite(number) or number <= 0:
        raise _fail(name, value, "give seconds, more than 0.")
    return number


def flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str) and str(value).lower() in _WORDS:
        return _WORDS[str(value).lower()]
    raise _fail(name, value, "say True or False (1 or 0 in the environment).")


_WORDS: Final = {
    "1": True, "true": True, "yes": True, "on": True,
    "0": False, "false": False, "no": False, "off": False, "": False,
}  # fmt: skip


def enabled(name: str, value: Any) -> bool | str | None:
    if value is None:
        return None
    if value == "report":
        return "report"
    try:
        return flag(name, value)
    except ConfigurationError:
        raise _fail(name, value, "say True, False or 'report'.") from None


def dependencies(name: str, value: Any) -> bool | str:
    if value == "soft":
        return "soft"
    try:
        return flag(name, value)
    except ConfigurationError:
        raise _fail(name, value, "say True, False or 'soft'.") from None


def lag(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number <= _MAX_LAG:
        remedy = "give the seconds by which replicas may lag, such as 2, an hour at most; 0: none."
        raise _fail(name, value, remedy)
    return number


#: Seconds. What was changed is remembered for so long.
_MAX_LAG: Final = 3_600.0


def of_dependencies(values: Mapping[str, Any]) -> None:
    """What says how dependencies are recorded or told says nothing without them."""
    for name in ("dependencies_durable", "dependencies_lag", "untracked", "derived"):
        if values.get(name) and not values.get("dependencies"):
            raise _fail(name, values[name], "set dependencies=True, too, or leave it out.")


def text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise _fail(name, value, "give a non-empty string.")
    return value


def secret(name: str, value: Any) -> str | None:
    return None if value is None else text(name, value)


def long_secret(name: str, value: Any) -> str | None:
    text = secret(name, value)
    if text is not None and len(text.strip()) < MIN_SECRET:
        raise _fail(name, value, SHORT_SECRET)
    return text


def choice(*choices: str) -> Check:
    def check(name: str, value: Any) -> str:
        if value not in choices:
            raise _fail(name, value, "choose " + ", ".join(map(repr, choices)) + ".")
        return str(value)

    return check


def share(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number <= 1:
        raise _fail(name, value, "give a share from 0 (no guesses) to 1; 0.1 is usual.")
    return number


def default_revalidate(name: str, value: Any) -> float | bool | Adaptive | None:
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


def routes(name: str, value: Any) -> Mapping[str, Policy]:
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


def policy_defaults(name: str, value: Any) -> Policy | None:
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


def strings(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [item.strip() for item in value.split(",") if item.strip()]
    if not isinstance(value, Sequence) or not all(isinstance(item, str) for item in value):
        raise _fail(name, value, "give a list of strings.")
    return tuple(value)


def checked_base_url(name: str, value: Any) -> tuple[str, ...]:
    urls = strings(name, value) if value is not None else ()
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


def trusted_hosts(name: str, value: Any) -> tuple[str, ...]:
    hosts = strings(name, value)
    for host in hosts:
        if "/" in host:
            raise _fail(name, host, "give hosts only, such as 'example.com' or 'localhost:5000'.")
    return hosts


def derived(name: str, value: Any) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _fail(name, value, "give a mapping: {'shop.Stock': ['shop.Product']}.")
    return {key: strings(name, sources) for key, sources in value.items()}


def mount(name: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
        raise _fail(name, value, "give a path such as '/_isg', without a slash at its end.")
    return value


def compress(name: str, value: Any) -> tuple[str, ...] | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _WORDS:
        return _WORDS[value.lower()]
    names = strings(name, value)
    if not set(names) <= {"br", "zstd", "gzip"}:
        raise _fail(name, value, "name encodings among 'br', 'zstd', 'gzip', or say False.")
    return names


def executor(name: str, value: Any) -> Any:
    takes_work = any(callable(getattr(value, how, None)) for how in ("submit", "send"))
    if value is not None and not takes_work:
        raise _fail(name, value, "give a concurrent.futures.Executor, or a CeleryExecutor.")
    processes = sys.modules.get("concurrent.futures.process")  # not imported: it is none
    if processes is not None and isinstance(value, processes.ProcessPoolExecutor):
        raise _fail(name, value, "renders run in this process; give a ThreadPoolExecutor.")
    return value


def loading_page(name: str, value: Any) -> Any:
    return checked_loading_page(value)


def is_bot(name: str, value: Any) -> Any:
    if value is None or callable(value) or isinstance(value, re.Pattern):
        return value
    try:
        return re.compile(value, re.IGNORECASE)
    except (re.error, TypeError) as error:
        remedy = f"give a regular expression for User-Agents, or a callable ({error})."
        raise _fail(name, value, remedy) from None


def observers(name: str, value: Any) -> tuple[Callable[..., object], ...]:
    given = (value,) if callable(value) else value
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(map(callable, given)):
        raise _fail(name, value, "give a callable that is told each event, or a list of them.")
    return tuple(given)


def clock(name: str, value: Any) -> Any:
    if value is not None and not callable(value):
        raise _fail(name, value, "give a callable that returns seconds.")
    return value


def anything(name: str, value: Any) -> Any:
    return value
