"""From a visitor to a `Plan`: which page they ask for, its key, and why they may not have it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from werkzeug.datastructures import EnvironHeaders, Headers, ImmutableMultiDict

from ..core.cache_key import (
    Request,
    Rules,
    Visitor,
    cookie_pairs,
    counting_cookie,
    decoded,
    narrow,
    url_refusal,
)
from ..core.freshness import names_of
from ..core.header_reads import header_of, keyed_by, refined
from ..core.hosts import is_trusted
from ..core.storable import varies
from ..core.stored_page import Entry
from ..errors import ConfigurationError
from ..policy import UNKEYABLE, Policy
from ..settings import Settings
from ..storage.page_store import PageStore
from .declarations import Declarations
from .declared_paths import Paths
from .drafts import Drafts
from .framework import Match, Routes, Site, origin_of
from .learned_routes import NOTHING_LEARNED, LearnedRoute, LearnedRoutes
from .route_names import UNDECLARED, RouteNames
from .target import Target as Target

log: Final = logging.getLogger("isgware")
#: The most frequent result for a URL that is not declared, if anything was learned of it.
_LEARNED: Final = LearnedRoute(undeclared=True)


@dataclass(slots=True, eq=False)
class Plan:
    """``target`` is ``None`` if no page may be stored for the URL. ``bypass``: why the visitor gets
    the app's own answer. ``plain``: the raw request line alone identifies the page. ``cookies``: a
    visitor with cookies must be checked all the same."""

    target: Target | None
    bypass: str = ""
    cacheable_by_request_line: bool = False
    cookies: bool = False
    vary_cookie: bool = False


@dataclass(frozen=True, slots=True)
class BypassRequest:
    """The argument of a callable ``bypass`` or ``is_bot``; read-only."""

    path: str
    args: ImmutableMultiDict[str, str]
    headers: Headers
    cookies: dict[str, str]


class Planner:
    def __init__(
        self,
        settings: Settings,
        site: Site,
        page_store: PageStore,
        now: Callable[[], float],
        drafts: Drafts | None = None,
    ) -> None:
        self._drafts = drafts
        self._settings = settings
        self._site = site
        self._page_store = page_store
        self._now = now
        self.routes = Routes(settings.routes)
        self.paths = Paths(site, self.routes)
        self.learned_routes = learned_routes = LearnedRoutes(page_store, now)
        self.learned_route, self.learn = learned_routes.find, learned_routes.learn
        self.remember = learned_routes.remember
        #: What was learned of the latest URL of each route; of URLs without a route, under "".
        self._latest: dict[str, LearnedRoute] = {}
        #: The key of a URL whose pages are not rendered, if responses to visitors' own requests are
        #: stored.
        self.own_key: Callable[[Visitor, LearnedRoute], str] = lambda visitor, learned_route: ""
        #: The keyed values of a visitor beside headers and cookies: `Variants.value`.
        self.variant_of: Callable[[str, Visitor], object] = lambda name, visitor: None
        self.declarations = Declarations(settings, site, self.routes, learned_routes)
        self.match = self.declarations.match
        self.names = RouteNames(site, self.routes)
        self._warned_of_tags: set[str] = set()
        self.values = site.values
        #: Headers whose keyed value may come from a cookie; caches in front cannot know that.
        self.by_cookie = frozenset(site.resolvers) if site.language_cookies else frozenset[str]()
        self._origins = tuple(tuple(url.rstrip("/").split("://", 1)) for url in settings.base_url)

    def plan(
        self, visitor: Visitor, at: tuple[str, str] | None = None, *, again: bool = False,
        serving: bool = False,
    ) -> Plan | None:  # fmt: skip
        """``None``: the URL is not declared, and nothing has been learned of it. ``at``: the scheme
        and host of the page, in place of ``base_url``. ``again``: as for `LearnedRoutes.find`.

        ``serving``: a stored page may be the answer. Then a decorator that is known only from the
        store does not count, since the code may have changed. A render would find that out.
        """
        match = self.match(visitor)
        visitor = self._as_seen(visitor)
        refusal = url_refusal(visitor) or self._untrusted(visitor)
        if refusal:
            return Plan(None, refusal) if match else None
        origin = at or self._origin(visitor)
        base = _base(visitor, origin).base_key(self._settings.build_id)
        learned_route = self._learned(visitor, match, base, origin, again=again, serving=serving)
        policy, is_declared = self.declarations.policy(match, learned_route)
        if policy is None:
            return None
        rules = self._rules(policy, learned_route, visitor)
        request = narrow(visitor, rules, origin)
        if isinstance(request, str):
            return Plan(None, request)
        tags = self._tags(match, policy)
        if tags is None and match is not None and policy != match.policy:
            tags = ()  # its tags need the view's arguments, which are not known yet
        target = self._target(
            request, base, match, policy, is_declared, rules, tags or (),
            self.declarations.decorator(match, learned_route), learned_route,
        )  # fmt: skip
        return Plan(
            target,
            self.bypass(visitor, policy) or ("odd-tag" if tags is None else ""),
            cacheable_by_request_line=not rules.headers
            and not rules.cookies
            and not rules.variants
            and not callable(policy.bypass),
            cookies=policy.bypass is not None,
            vary_cookie=learned_route.vary_cookie,
        )

    def _learned(
        self, visitor: Visitor, match: Match | None, base: str,
        origin: tuple[str, str] | None, *,
        again: bool, serving: bool,
    ) -> LearnedRoute:  # fmt: skip
        learned_route = self.learned_route(
            base, lambda: self._expected(visitor, match, origin), again=again and match is None
        )
        if match or learned_route != NOTHING_LEARNED:
            self._latest[match.route if match else ""] = learned_route
        doubted = serving and match is None and learned_route.fingerprint
        if doubted and not self.declarations.believes(base):
            return dataclasses.replace(learned_route, fingerprint="")
        return learned_route

    def _as_seen(self, visitor: Visitor) -> Visitor:
        """The visitor with scheme and host as the app sees them."""
        scheme, host = origin_of(self._site, visitor)
        if (scheme, host) == (visitor.scheme, visitor.host):
            return visitor
        return dataclasses.replace(visitor, scheme=scheme, host=host)

    def redirects_to(self, visitor: Visitor) -> str | None:
        """The path below the script name to which the app redirects this spelling of it."""
        return self._site.redirects_to(visitor) or self.routes.redirects_to(visitor)

    def relearned(self, target: Target, entry: Entry) -> bool:
        """Whether a page varies by more than its visitor's plan knew, so that a new plan is needed.
        What was learned of a URL may be evicted before its pages, so each page repeats it."""
        if entry.fingerprint != target.policy.fingerprint:
            return False  # its Vary may come from a policy that is no longer in force
        names = varies(entry.headers) - target.keyed - UNKEYABLE
        if not names:
            return False
        known = self.learned_route(target.base)
        if not names.issubset(map(header_of, known.vary)):
            read = entry.reads.headers if entry.reads is not None else ()
            vary = tuple(sorted({*refined(names, read), *known.vary}))
            self.learn(target.base, dataclasses.replace(known, vary=vary), announce=False)
        return True

    def undeclared_target(
        self, visitor: Visitor, vary: frozenset[str], policy: Policy | None,
        arguments: dict[str, Any], at: tuple[str, str] | None = None,
    ) -> Target | None:  # fmt: skip
        """The page to render in the background after a visitor's own answer, of a route that is
        learned.

        ``policy`` is that of its view, if one was found; without it, the headers decide.
        """
        decorator = policy.fingerprint if policy is not None else ""
        policy = self.declarations.with_defaults(policy) if policy is not None else None
        visitor = self._as_seen(visitor)
        if url_refusal(visitor) or self._untrusted(visitor):
            return None
        origin = at or self._origin(visitor)
        base = _base(visitor, origin).base_key(self._settings.build_id)
        learned_route = self.learned_route(base)
        learned_route = dataclasses.replace(
            learned_route,
            vary=(*learned_route.vary, *vary.difference(map(header_of, learned_route.vary))),
        )
        rules = self._rules(policy or self.declarations.undeclared, learned_route, visitor)
        request = narrow(visitor, rules, origin)
        if isinstance(request, str):
            return None
        match = Match(f"view:{policy.fingerprint}", policy, arguments) if policy else None
        tags = self._tags(match, policy or self.declarations.undeclared)
        if tags is None:
            return None
        return self._target(
            request, base, match, policy or self.declarations.undeclared, policy is not None,
            rules, tags, decorator, learned_route,
        )  # fmt: skip

    def foresee(self, visitors: Iterable[Visitor], at: tuple[str, str]) -> None:
        """Read in one operation what has been learned of many URLs that will be planned next.
        ``at``: their pages' scheme and host."""
        build_id = self._settings.build_id
        self.learned_routes.foresee(_base(visitor, at).base_key(build_id) for visitor in visitors)

    def _expected(
        self, visitor: Visitor, match: Match | None, origin: tuple[str, str] | None
    ) -> str:
        """The key of this visitor's page, if its URL is like the previous one of its route."""
        if visitor.method not in ("GET", "HEAD"):
            return ""
        likely = self._latest.get(
            match.route if match else "", NOTHING_LEARNED if match else _LEARNED
        )
        policy, _ = self.declarations.policy(match, likely)
        if policy is None:
            return self.own_key(visitor, likely)
        request = narrow(visitor, self._rules(policy, likely, visitor), origin)
        return "" if isinstance(request, str) else request.key(self._settings.build_id)

    def _rules(self, policy: Policy, learned_route: LearnedRoute, visitor: Visitor) -> Rules:
        headers = dict(policy.headers)
        for name, values in keyed_by(learned_route.vary).items():
            headers.setdefault(name, values)
        for name in self._site.varies_by(visitor):
            headers.setdefault(name, None)
        return Rules(
            policy.query,  # type: ignore[arg-type]
            tuple(sorted(headers.items())),
            policy.cookies_in_key,
            self._site.resolvers,
            policy.variants,
            self.variant_of,
        )

    def _target(
        self, request: Request, base: str, match: Match | None, policy: Policy,
        is_declared: bool, rules: Rules, tags: tuple[str, ...], decorator: str,
        learned_route: LearnedRoute,
    ) -> Target:  # fmt: skip
        route = (
            match.route if match else f"view:{policy.fingerprint}" if is_declared else UNDECLARED
        )
        counted = self.names.of_page(route, request)
        return Target(
            request,
            request.key(self._settings.build_id),
            base,
            route,
            policy,
            is_declared,
            tags,
            frozenset(name for name, _ in rules.headers),
            names_of(request.full_path, request.query, tags, counted),
            decorator,
            _lists(learned_route, policy),
        )

    def _tags(self, match: Match | None, policy: Policy) -> tuple[str, ...] | None:
        """``None`` if one is not a valid tag, such as one with an oversized argument. The page
        could not be purged by it, so it is not stored."""
        if match is None:
            return ()
        try:
            return policy.fill_tags(match.arguments)
        except ConfigurationError as error:
            if match.route not in self._warned_of_tags:
                self._warned_of_tags.add(match.route)
                log.warning(
                    "%s: %s Such pages are not stored.", match.route, error,
                    exc_info=error.__cause__ if callable(policy.tags) else None,
                )  # fmt: skip
            return None

    def bypass(self, visitor: Visitor, policy: Policy) -> str:
        """Why this visitor gets the app's own answer, whatever is stored; empty if nothing is
        against a stored page."""
        headers = visitor.headers
        if has_credentials(headers):
            return "authorization"
        if policy.revalidate == 0 and policy.revalidate is not False:
            return "revalidate-0"
        cookie = headers.get("HTTP_COOKIE")
        if cookie and self._drafts and self._drafts.owned(cookie):
            return "draft"
        names = self._site.bypass_cookies
        if cookie and names and counting_cookie(cookie, names):
            return "bypass-cookie"
        if policy.bypass is None:
            return ""
        if not callable(policy.bypass):
            return "bypass-cookie" if cookie and counting_cookie(cookie, policy.bypass) else ""
        try:
            return "bypass" if policy.bypass(shown(visitor)) else ""
        except Exception:
            log.exception("bypass= raised; the visitor gets the app's own answer.")
            return "bypass-failed"

    def trusts(self, scheme: str, host: str) -> bool:
        """Whether pages of this origin may be stored."""
        trusted = self._settings.trusted_hosts
        return not trusted or is_trusted(scheme, host, trusted)

    def _untrusted(self, visitor: Visitor) -> str:
        return "" if self.trusts(visitor.scheme, visitor.host) else "untrusted-host"

    def _origin(self, visitor: Visitor) -> tuple[str, str] | None:
        """The visitor's own origin if it is one of several base URLs, else the first."""
        if not self._origins:
            return None
        own = (visitor.scheme, visitor.host)
        scheme, host = own if own in self._origins else self._origins[0]
        return scheme, host


def has_credentials(environ: Mapping[str, Any]) -> bool:
    """Whether client or server identify the user: Authorization, REMOTE_USER, a client certificate.
    Apache sets ``SSL_CLIENT_VERIFY`` to NONE for visitors without one."""
    get = environ.get
    if get("HTTP_AUTHORIZATION") or get("REMOTE_USER") or get("AUTH_TYPE"):
        return True
    return "SSL_CLIENT_" in " ".join(environ) and any(  # a tenth of the cost
        name.startswith("SSL_CLIENT_") and value not in ("", "NONE")
        for name, value in environ.items()
    )


def personal(visitor: Visitor, policy: Policy) -> str | None:
    """The cookie that makes this visitor's answer personal, on pages that vary by cookie. A cookie
    whose value is inserted into the page does not."""
    cookies = visitor.headers.get("HTTP_COOKIE")
    known = (*policy.keyed_cookies, *policy.hole_cookies)
    return counting_cookie(cookies, policy.cookies, known)


def _lists(learned_route: LearnedRoute, policy: Policy) -> dict[str, tuple[str, ...]]:
    """Headers that are keyed by their best match in a learned list."""
    if not learned_route.vary:
        return {}
    said, learned = dict(policy.headers), keyed_by(learned_route.vary)
    return {name: values for name, values in learned.items() if values and name not in said}


def _base(visitor: Visitor, origin: tuple[str, str] | None) -> Request:
    scheme, host = origin or (visitor.scheme, visitor.host)
    return Request(scheme, host, visitor.script_name, visitor.path)


def shown(visitor: Visitor) -> BypassRequest:
    """A visitor as callables of the user get it."""
    return BypassRequest(
        decoded(visitor.path),
        ImmutableMultiDict(parse_qsl(visitor.query, keep_blank_values=True)),
        Headers(EnvironHeaders(dict(visitor.headers))),
        dict(reversed(cookie_pairs(visitor.headers.get("HTTP_COOKIE")))),
    )
