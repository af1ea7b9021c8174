"""What declares a page: the framework's URL map, ``routes``, a decorator that was seen to run, or a
learned answer. The code as it is now decides, not notes in the store.

`planner` asks before a page is served or rendered, the producer after its render: see
`Declarations.declaration_change`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from ..core.cache_key import Request, Visitor
from ..core.storable import GONE, KEPT, TEMPORARY
from ..errors import ConfigurationError
from ..policy import NOTHING, Policy, combined, declared, salted
from ..render_context import Rendering
from ..settings import Settings
from .framework import Match, Routes, Site
from .learned_routes import LearnedRoute, LearnedRoutes
from .target import Target

_MAX_PAIRS: Final = 1_024
#: Number of URLs remembered whose decorator ran here. Others are learned again.
_MAX_MET: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class DeclarationChange:
    """A page is not declared as was planned. ``gone``: nothing declares it any more. ``replan``: a
    new plan will find what declares it. If neither is set, the decorator did not run this time."""

    gone: bool = False
    replan: bool = False


class Declarations:
    def __init__(
        self, settings: Settings, site: Site, routes: Routes, learned_routes: LearnedRoutes
    ) -> None:
        self._settings = settings
        self._site = site
        self._routes = routes
        self._learned_routes = learned_routes
        #: Hashes of the base keys of URLs whose decorator ran in this process.
        self._met: set[int] = set()
        self.has_url_map = site.has_url_map
        said = settings.revalidate
        #: ``ISG(revalidate=)`` in the notes about URLs, and the policy of pages that are stored by
        #: it or by their own headers. If the default changes, they are stale.
        self.default = "" if said is None else repr(said)
        self.undeclared = NOTHING if said is None else salted(NOTHING, self.default)
        self._checked: set[str] = set()
        self._pairs: dict[tuple[int, int], tuple[Policy, Policy, Policy]] = {}

    def match(self, visitor: Visitor) -> Match | None:
        """The declared route of this URL, looked up once a request, unless what is looked up may
        depend on what its render shows."""
        if self._site.several_maps:
            return self._match(visitor)
        known = visitor.memo.get("declared")
        if known is None or known[0] != visitor.path:
            known = visitor.memo["declared"] = visitor.path, self._match(visitor)
        found: Match | None = known[1]
        return found

    def _match(self, visitor: Visitor) -> Match | None:
        """The tags of a route are checked when it is first used."""
        found, pattern = self._site.match(visitor), self._routes.match(visitor)
        if found is not None and pattern is not None:
            policy = self.combined(found.policy, pattern.policy)
            arguments = {**pattern.arguments, **found.arguments}
            found = Match(found.route, policy, arguments, found.decorator)
        found = found or pattern
        if found is not None and self._settings.defaults is not None:
            found = dataclasses.replace(found, policy=self.with_defaults(found.policy))
        if found is not None and found.route not in self._checked:
            try:
                found.policy.check_arguments(found.arguments)
            except ConfigurationError as error:
                raise ConfigurationError(f"{found.route}: {error}") from None
            self._checked.add(found.route)
        return found

    def declared_by(self, visitor: Visitor, target: Target) -> tuple[str, ...]:
        """What declares the page: the view's decorator, ``routes``, or what was learned of it (a
        decorator that ran with the view, or an answer that looked storable)."""
        found = []
        if self._site.match(visitor) is not None:
            found.append("decorator")
        if self._routes.match(visitor) is not None:
            found.append("routes")
        if self.learned(self._learned_routes.find(target.base)) and "decorator" not in found:
            found.insert(0, "learned decorator")
        if not found:
            found.append("learned" if self._settings.revalidate is None else "default")
        return tuple(found)

    def policy(
        self, match: Match | None, learned_route: LearnedRoute
    ) -> tuple[Policy | None, bool]:
        learned = self.learned(learned_route)
        if match is not None:
            return self.combined(learned, match.policy), True
        if learned is not None:
            return self.with_defaults(learned), True
        return (self.undeclared, False) if self.stores(learned_route) else (None, False)

    def with_defaults(self, policy: Policy) -> Policy:
        """``policy``, completed by the option ``defaults``."""
        defaults = self._settings.defaults
        return policy if defaults is None else self.combined(policy, defaults)

    def learned(self, learned_route: LearnedRoute) -> Policy | None:
        """The policy of a decorator that was seen to run, if decorators are learned. Where the
        framework has a URL map, decorated functions that an undeclared view calls do not declare
        its page."""
        return None if self.has_url_map else declared.get(learned_route.fingerprint)

    def decorator(self, match: Match | None, learned_route: LearnedRoute) -> str:
        if self.has_url_map:
            return match.decorator if match is not None else ""
        return learned_route.fingerprint if self.learned(learned_route) is not None else ""

    def stores(self, learned_route: LearnedRoute) -> bool:
        """Whether pages of an undeclared URL are stored: by their own headers, or by the current
        ``ISG(revalidate=)``."""
        learns = self._settings.cache_control != "full" or self._settings.revalidate is not None
        return learned_route.undeclared and learns and learned_route.default in ("", self.default)

    def met(self, base: str) -> None:
        """Remember that a decorator ran at this URL, in this process."""
        while len(self._met) >= _MAX_MET:
            self._met.pop()
        self._met.add(hash(base))

    def believes(self, base: str) -> bool:
        return bool(self._settings.build_id) or hash(base) in self._met

    def _relearn(self, base: str, fingerprint: str) -> None:
        """Learn that another decorator ran at this URL than was known, or none."""
        known = self._learned_routes.find(base)
        if known.fingerprint != fingerprint:
            changed = dataclasses.replace(known, fingerprint=fingerprint)
            self._learned_routes.learn(base, changed, announce=True)
        if fingerprint:
            self.met(base)
        else:
            self._met.discard(hash(base))

    def _routes_declare(self, target: Target) -> bool:
        """Whether ``routes`` has an entry for this page."""
        return self._routes.match(_visitor_of(target.request)) is not None

    def _mapped_otherwise(self, target: Target) -> bool | None:
        """Whether a page that was planned under one URL map is declared under the one that its
        render used; ``None`` if nothing has changed."""
        if not self._site.several_maps:
            return None
        match = self.match(_visitor_of(target.request))
        if match is None:
            return False if target.declared else None
        same = (target.route, target.decorator) == (match.route, match.decorator)
        return None if same else True

    def combined(self, first: Policy | None, second: Policy) -> Policy:
        """`combined`, cached: it is called for each plan and each render."""
        if first is None or first is second:
            return second
        pair = (id(first), id(second))
        if pair not in self._pairs:
            if len(self._pairs) >= _MAX_PAIRS:  # views that are decorated anew with each call
                self._pairs.clear()
            # Keep references to both, so that no other object gets their ids.
            made = combined(first, second) or second
            self._pairs[pair] = (made, first, second)
            return made
        return self._pairs[pair][0]

    def as_run(self, target: Target, rendering: Rendering) -> Target:
        """Replace what was known of the route by the decorator of the view that ran.

        Raises `ConfigurationError` if its tags cannot be filled.
        """
        own = (met for met in rendering.ran if met[0].fingerprint == target.decorator)
        met = next(own, rendering.ran[0] if rendering.policy is not None else None)
        if met is None:
            return target
        said, arguments = met
        policy = self.with_defaults(said)
        if target.declared:
            policy = self.combined(said, target.policy)
        tags: tuple[str, ...] = ()
        try:
            tags = said.fill_tags(arguments)
        except ConfigurationError:
            # Frameworks may remove an argument of the route before they call the view.
            if not (target.tags and policy == target.policy):
                raise
        tags = tuple(dict.fromkeys((*target.tags, *tags)))
        if target.declared and policy is target.policy and tags == target.tags:
            return target
        return dataclasses.replace(target, policy=policy, declared=True, tags=tags)

    def declaration_change(
        self, target: Target, code: int, rendering: Rendering
    ) -> DeclarationChange | None:
        """How a page is declared after a render that answered ``code``, if that differs from the
        plan."""
        if code not in KEPT | GONE | TEMPORARY:
            return None  # not stored anyway, and may come from middleware before the view
        if self.has_url_map:
            now = self._mapped_otherwise(target)
            if now is not None:
                return DeclarationChange(target.declared and not now, replan=True)
            met = {policy.fingerprint for policy, _ in rendering.ran}
            missed = target.decorator and target.decorator not in met and code in (200, 203)
            return DeclarationChange() if missed else None
        said = rendering.policy.fingerprint if rendering.policy is not None else ""
        if not target.decorator or target.decorator == said:
            return None
        self._relearn(target.base, said)
        return DeclarationChange(not said and not self._routes_declare(target), replan=True)


def _visitor_of(request: Request) -> Visitor:
    return Visitor(
        "GET", request.scheme, request.host, request.script_name, request.path, request.query, {}
    )
