"""`Policy`: how pages of a route are stored."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from .adaptive import Adaptive, longest
from .errors import ConfigurationError
from .option_checks import UNKEYABLE as UNKEYABLE
from .option_checks import (
    checked_expire,
    checked_loading_page,
    checked_query,
    checked_revalidate,
    checked_share,
    checked_tag,
    checked_tags,
    checked_value_holes,
    checked_vary,
    cookie_names,
    no_such_argument,
    placeholders,
)

ONE_YEAR: Final = 31_536_000.0
ATTRIBUTE: Final = "__isgware_policy__"
#: What names in ``vary`` begin with that are not those of headers.
_NO_HEADER: Final = ("cookie:", "session:", "user:")
View = TypeVar("View", bound=Callable[..., Any])
T = TypeVar("T")
#: Policies by fingerprint: the store keeps the fingerprint, this process looks the policy up here.
declared: Final[dict[str, Policy]] = {}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How pages of a route are kept. Times are seconds; see the table in the documentation.

    Raises `ConfigurationError` for values that cannot be meant.
    """

    revalidate: float | bool | datetime.timedelta | Adaptive | None = None
    expire: float | datetime.timedelta = ONE_YEAR
    tags: Sequence[str] | Callable[..., Iterable[str]] = ()
    fallback: str | bool = "blocking"
    loading_page: str | Path | None = None
    paths: Iterable[Any] | Callable[[], Iterable[Any]] | None = None
    query: str | Sequence[str] = "all"
    vary: Sequence[str] | Mapping[str, Sequence[str] | None] = ()
    cookies: Sequence[str] | None = None
    bypass: Sequence[str] | Callable[[Any], bool] | None = None
    accept: Callable[[Any, Any], bool] | None = None
    value_holes: Sequence[str] = ()
    keep_vary: bool = False
    shrink_limit: float | None = None

    def __post_init__(self) -> None:
        revalidate = checked_revalidate(self.revalidate)
        expire = checked_expire(self.expire)
        fresh = longest(revalidate)
        if fresh and expire < fresh:
            if expire != ONE_YEAR:
                said = f"{revalidate:g}" if fresh == revalidate else repr(revalidate)
                raise ConfigurationError(
                    f"expire={expire:g} is shorter than revalidate={said}: a page cannot "
                    "be dropped before it is stale; make expire at least as long as revalidate."
                )
            expire = float(fresh)
        put = functools.partial(object.__setattr__, self)
        put("revalidate", revalidate)
        put("expire", expire)
        put("tags", checked_tags(self.tags))
        put("query", checked_query(self.query))
        put("vary", checked_vary(self.vary))
        put("shrink_limit", checked_share("shrink_limit", self.shrink_limit))
        put("value_holes", checked_value_holes(self.value_holes))
        if self.cookies is not None:
            put("cookies", cookie_names("cookies", self.cookies))
        if self.bypass is not None and not callable(self.bypass):
            put("bypass", cookie_names("bypass", self.bypass))
        if not isinstance(self.keep_vary, bool):
            raise ConfigurationError(f"keep_vary={self.keep_vary!r}: say True or False.")
        if self.accept is not None and not callable(self.accept):
            raise ConfigurationError("accept= takes a callable (old, new) -> bool.")
        if isinstance(self.fallback, bool):  # as Next.js spells it
            put("fallback", "loading" if self.fallback else "not-found")
        self._check_fallback()

    def _check_fallback(self) -> None:
        if self.fallback not in ("blocking", "loading", "not-found"):
            raise ConfigurationError(
                f"fallback={self.fallback!r}: choose 'blocking', 'loading' or 'not-found'."
            )
        if isinstance(self.paths, str | bytes) or not (
            self.paths is None or callable(self.paths) or hasattr(self.paths, "__iter__")
        ):
            raise ConfigurationError(
                "paths= takes an iterable of paths, or a callable returning one."
            )
        if self.fallback == "not-found" and self.paths is None:
            raise ConfigurationError(
                "fallback='not-found' without paths= would answer 404 to everything; "
                "list the pages that exist with paths=."
            )
        checked_loading_page(self.loading_page)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Identifies everything that shapes a stored page; callables count by name."""
        parts = [
            repr(self.revalidate),
            repr(self.expire),
            _name(self.tags) if callable(self.tags) else repr(self.tags),
            repr(self.query),
            repr(self.vary),
            repr(self.cookies),
            _name(self.bypass) if callable(self.bypass) else repr(self.bypass),
            *(["keep_vary"] if self.keep_vary else []),
            str(getattr(self, "_salt", "")),
            *map(repr, self.value_holes),
        ]
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    @property
    def headers(self) -> tuple[tuple[str, tuple[str, ...] | None], ...]:
        """Keyed request headers in lower case, each with its allowed values, if they are named."""
        vary = cast("tuple[tuple[str, tuple[str, ...] | None], ...]", self.vary)
        return tuple(item for item in vary if not item[0].startswith(_NO_HEADER))

    @property
    def cookies_in_key(self) -> tuple[tuple[str, tuple[str, ...] | None], ...]:
        """Keyed cookies, each with its allowed values, if they are named."""
        vary = cast("tuple[tuple[str, tuple[str, ...] | None], ...]", self.vary)
        prefix = "cookie:"
        return tuple((n[len(prefix) :], values) for n, values in vary if n.startswith(prefix))

    @property
    def keyed_cookies(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.cookies_in_key)

    @functools.cached_property
    def variants(self) -> tuple[tuple[str, tuple[str, ...] | None], ...]:
        """What is keyed of the visitor's session (``session:KEY``) and of what functions say of
        them (``user:NAME``), each with its allowed values, if they are named."""
        vary = cast("tuple[tuple[str, tuple[str, ...] | None], ...]", self.vary)
        return tuple(item for item in vary if item[0].startswith(("session:", "user:")))

    @functools.cached_property
    def keyed_session(self) -> frozenset[str]:
        """Keys of the session that are part of the page's key."""
        names = (name for name, _ in self.variants if name.startswith("session:"))
        return frozenset(name.removeprefix("session:") for name in names)

    @functools.cached_property
    def hole_cookies(self) -> tuple[str, ...]:
        """Cookies whose values are put into the page for their owners."""
        return tuple(name.removeprefix("cookie:") for name in self.value_holes)

    def fill_tags(self, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """The route's tags, with ``{name}`` filled from the URL's arguments.

        Raises `ConfigurationError` when a tag names an argument the route does not have, when what
        is filled in makes no tag, and when a callable fails.
        """
        if callable(self.tags):
            try:
                return tuple(checked_tag(tag) for tag in self.tags(**arguments))
            except ConfigurationError:
                raise
            except Exception as error:
                raise ConfigurationError(f"The callable tags= raised {error!r}.") from error
        filled = []
        for tag in self.tags:
            try:
                filled.append(checked_tag(tag.format_map(arguments) if "{" in tag else tag))
            except (KeyError, IndexError, AttributeError, ValueError) as error:
                raise ConfigurationError(no_such_argument(tag, arguments)) from error
        return tuple(filled)

    @functools.cached_property
    def placeholders(self) -> frozenset[str]:
        """The names of URL arguments in its tags."""
        tags = () if callable(self.tags) else self.tags
        return frozenset(name for tag in tags for name in placeholders(tag))

    def check_arguments(self, names: Iterable[str]) -> None:
        """Raise `ConfigurationError` if a tag's placeholder is not among a route's arguments."""
        known = set(names)
        for tag in () if callable(self.tags) else self.tags:
            if not placeholders(tag) <= known:
                raise ConfigurationError(no_such_argument(tag, known))


def combined(*policies: Policy | None) -> Policy | None:
    """One policy of several, earlier ones first: each field from the first that says it."""
    given: list[Policy] = []
    for policy in policies:
        if policy is not None and policy not in given:
            given.append(policy)
    if len(given) < 2:
        return given[0] if given else None
    said = {}
    for field in dataclasses.fields(Policy):
        for policy in given:
            value = getattr(policy, field.name)
            if value != getattr(NOTHING, field.name):
                said[field.name] = value
                break
    if "vary" in said:
        said["vary"] = dict(said["vary"])
    if "expire" in said and said.get("revalidate"):  # each may come from another policy
        said["expire"] = max(said["expire"], longest(said["revalidate"]))
    return Policy(**said)


def register(policy: Policy) -> Policy:
    """Make a policy known by its fingerprint. Another with the same one that is not equal (two
    lambdas of one module, another ``accept``) is told apart by the order of declaration, which is
    the same in every process that runs the same code."""
    salt = 0
    while True:
        known = declared.get(policy.fingerprint)
        if known is None or known == policy:
            declared[policy.fingerprint] = policy
            return policy
        salt += 1
        policy = salted(policy, salt)


def salted(policy: Policy, salt: object) -> Policy:
    """An equal policy with another fingerprint."""
    made = dataclasses.replace(policy)
    object.__setattr__(made, "_salt", salt)
    return made


def policy_of(view: Any) -> Policy | None:
    """The policy that ``@revalidate`` attached to a view function, or to the class behind it."""
    found = getattr(view, ATTRIBUTE, None)
    if found is None:
        found = getattr(getattr(view, "view_class", None), ATTRIBUTE, None)
    return found if isinstance(found, Policy) else None


def _name(function: Any) -> str:
    return (
        f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function))}"
    )


#: What a route says that says nothing; fields equal to these count as "not said" in `combined`.
NOTHING: Final = Policy()
