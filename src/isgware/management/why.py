"""`why`: what would happen to a request and why, without doing it.

It calls what a visit calls (`Planner.plan`, `PageStore.find`, `Engine.facts`, `decide`) and
describes the results. Nothing is rendered, and nothing is written to the store.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..core.cache_key import Request, Visitor, cgi_name
from ..core.client_holes import ASK_PATH
from ..core.decide import Action, Decision, decide
from ..core.dependency_labels import labelled_text
from ..core.freshness import State
from ..core.hole_places import hole_names
from ..core.local_path import local_path
from ..errors import BackendUnavailable
from ..formatting import duration
from ..policy import Policy
from ..rendering.remedies import REMEDIES
from ..rendering.value_holes import NO_TOKEN
from ..routing.planner import Plan, Target, has_credentials
from ..serving.filling import lacks_token
from ..serving.hole_filling import FILLED
from ..storage.notes import Failure, Refusal, noted_failure, noted_refusal
from ..storage.process_cache import Page
from .dependency_verbs import lines_of, unseen_by
from .regenerate_now import Verbs
from .why_reasons import changed_by, decider, fresh_until, policy_text, readable
from .why_report import Why as Why
from .why_shared_cache import own, page_parts

if TYPE_CHECKING:
    from ..runtime import Runtime

#: Other pages of the path that are named when the page is not stored.
_OTHERS: Final = 5


def why(
    runtime: Runtime,
    verbs: Verbs,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    scheme: str = "",
    host: str = "",
) -> Why:
    """See `isgware.ISG.why`."""
    text, query = local_path(path)
    given = _environ(headers or {}, cookies or {})
    visitor = verbs.visitor(text, query)
    visitor = dataclasses.replace(
        visitor,
        method=method.upper(),
        scheme=scheme or visitor.scheme,
        host=host or given.get("HTTP_HOST") or visitor.host,
        headers=given,
    )
    runtime.engine.page_store.sync()
    return _Case(runtime, visitor).why()


def _environ(headers: Mapping[str, str], cookies: Mapping[str, str]) -> dict[str, str]:
    environ = {cgi_name(name): value.strip() for name, value in headers.items()}
    jar = [environ[name] for name in ("HTTP_COOKIE",) if name in environ]
    jar += [f"{name}={value}" for name, value in cookies.items()]
    return {**environ, "HTTP_COOKIE": "; ".join(jar)} if jar else environ


class _Case:
    """One request, and what is found out about it."""

    def __init__(self, runtime: Runtime, visitor: Visitor) -> None:
        self.runtime = runtime
        self.engine = runtime.engine
        self.visitor = visitor
        self.now = runtime.engine.now()

    def why(self) -> Why:
        mode = self.runtime.mode()
        if mode == "off":
            return self._pass("disabled", "isgware is switched off.", "enabled")
        if mode == "on" and self.visitor.path.startswith(self.runtime.settings.mount + ASK_PATH):
            from .why_client_holes import about_holes

            return about_holes(self.runtime, self.visitor, self._page)
        if self.runtime.drafts is not None and self.runtime.settings.is_control_path(
            self.visitor.path
        ):
            return self._pass("control", "The control endpoint answers.", "the option mount")
        if self.visitor.method not in ("GET", "HEAD"):
            return self._unsafe(mode)
        if mode == "on" and self._passed():
            decided = "the app's answer seconds ago, which was nothing to keep"
            return self._pass("not-declared", "The request goes to the app.", decided)
        plan = self.engine.planner.plan(self.visitor, serving=True)
        if plan is None:
            return self._undeclared()
        if plan.target is None or plan.bypass:
            return self._own(plan, plan.bypass)
        if mode == "report":
            return self._own(plan, "report")
        if mode == "develop":
            return self._say(
                "MISS", plan.target, detail="debug", decided_by="debug mode",
                follows="The page is rendered for each visit, and not stored.",
            )  # fmt: skip
        return self._stored_or_not(plan, plan.target)

    def _page(self, visitor: Visitor) -> Why:
        return _Case(self.runtime, visitor).why()

    def _passed(self) -> bool:
        """Whether requests for this URL go to the app without a check, for a few seconds."""
        environ = {**self.visitor.headers, "HTTP_HOST": self.visitor.host}
        known = self.runtime.passed.find(self.runtime.line.of(self.visitor, environ))
        return known is not None and known.answer is None

    def _say(self, outcome: str, target: Target | None, **found: Any) -> Why:
        visitor, planner = self.visitor, self.engine.planner
        request = target.request if target else None
        scheme, host = (request.scheme, request.host) if request else (visitor.scheme, visitor.host)
        url = Request(scheme, host, visitor.script_name, visitor.path, visitor.query).url
        if target is not None:
            found = {
                "route": target.route,
                "declared_by": planner.declarations.declared_by(visitor, target),
                "policy": self._policy(target.policy, target.declared),
                "key": target.key,
                "build_id": self.runtime.settings.build_id,
                **_key_parts(visitor, target),
                **found,
            }
        found.setdefault("remedy", REMEDIES.get(found.get("detail", ""), ""))
        return Why(url=url, method=visitor.method, outcome=outcome, **found)

    def _policy(self, policy: Policy, declared: bool) -> str:
        if declared:
            return policy_text(policy)
        default = self.runtime.settings.revalidate
        return "the response's Cache-Control" + (
            "" if default is None else f", else ISG(revalidate={default!r})"
        )

    # Without a stored page.

    def _pass(self, detail: str, follows: str, decided_by: str) -> Why:
        return self._say("PASS", None, detail=detail, follows=follows, decided_by=decided_by)

    def _own(self, plan: Plan, detail: str) -> Why:
        return self._say(
            "BYPASS",
            plan.target,
            detail=detail,
            follows="The app answers this request itself.",
            decided_by=decider(detail, self.visitor, plan.target, self.runtime.site),
        )

    def _unsafe(self, mode: str) -> Why:
        method = self.visitor.method
        http = self.runtime.shared_cache
        stored = http is not None and http.concerns(self.visitor)
        if mode != "on" or not (stored or self.engine.concerns(self.visitor)):
            return self._pass("not-declared", "The request goes to the app.", "no policy")
        purges = method in ("POST", "PUT", "PATCH", "DELETE")
        follows = "The app answers this request itself."
        if purges:
            follows += " If it succeeds, the page of this URL is purged."
        plan = self.engine.planner.plan(self.visitor, serving=True)
        return self._say(
            "BYPASS", plan.target if plan else None,
            detail=method.lower(), follows=follows, decided_by=f"the method {method}",
        )  # fmt: skip

    def _undeclared(self) -> Why:
        engine, http = self.engine, self.runtime.shared_cache
        if http is not None:
            return self._say(target=None, **own(http, engine.page_store, self.visitor, self.now))
        if not engine.settings.observes:
            return self._pass("not-declared", "The request goes to the app.", "no policy")
        target = engine.planner.undeclared_target(self.visitor, frozenset(), None, {})
        refusal = (
            engine.outcomes.refusal(target.key, target.group, target.policy.fingerprint)
            if target
            else ""
        )
        if refusal:
            decided = decider(refusal, self.visitor, target, self.runtime.site)
            return self._pass(refusal, "The request goes to the app.", decided)
        follows = (
            "The app answers. If its answer says that it may be stored, the page is rendered "
            "behind it, for the next visitor."
        )
        if target is None or has_credentials(self.visitor.headers):
            follows = "The request goes to the app."
        return self._pass("not-declared", follows, "no policy")

    # With a page, or a location for one.

    def _stored_or_not(self, plan: Plan, target: Target) -> Why:
        engine = self.engine
        page, state = engine.page_store.find(target.key, target.base, target.policy.fingerprint)
        if page is not None and engine.planner.relearned(target, page.entry):
            again = engine.planner.plan(self.visitor, serving=True)
            if again is not None and again.target is not None:
                return self._stored_or_not(again, again.target)
        if page is not None and state is not State.FRESH:
            engine.outcomes.fails_elsewhere(target.key, page.entry.rendered_at)
        facts = engine.facts(self.visitor, plan, target, page, state)
        refusal = None if _usable(state) else self._refusal(target)
        if refusal and refusal.key == target.key and not facts.dynamic and not refusal.failed:
            if self.now < refusal.at + engine.settings.dynamic_time:
                facts = dataclasses.replace(facts, dynamic=refusal.reason)
        decision = decide(facts)
        if engine.fallback.foresees(self.visitor, target, state, decision):
            decision = dataclasses.replace(decision, label="LOADING", detail="loading")
        elif engine.fallback.unlisted(target, state, decision):
            decision = Decision(Action.OWN, "BYPASS", "not-listed")
        elif page is not None and decision.action is Action.SERVE:
            if lacks_token(page, self.visitor):
                decision = Decision(Action.OWN, "BYPASS", NO_TOKEN)
            elif self._concerned(target, page):
                decision = dataclasses.replace(decision, detail=FILLED)
        failure = self._failure(target, page)
        found = page_parts(page, state, self.now) if page and state else {}
        dependencies = engine.page_store.dependencies
        if page is not None and dependencies is not None:
            found["depends"] = tuple(lines_of(page.entry, dependencies.labels))
            found["unseen"] = tuple(unseen_by(page.entry))
        found |= {
            "detail": decision.detail,
            "follows": self._follows(decision, target),
            "decided_by": self._decided_by(decision, target, page, state),
            "failures": failure.count if failure else 0,
            "last_error": failure.error if failure else "",
            "refused": _refusal_text(refusal, target, self.now),
        }
        if page is not None and decision.action is Action.SERVE:
            found["holes"] = self._holes(decision, target, page)
        if failure and failure.until > self.now:
            found["retry"] = failure.until - self.now
        if refusal and not decision.detail:
            found["remedy"] = REMEDIES.get(refusal.reason, "")
        if page is not None and not decision.detail:
            found.setdefault("remedy", _never_set(page, target))
        return self._say(decision.label, target, **found)

    def _holes(self, decision: Decision, target: Target, page: Page) -> tuple[str, ...]:
        """Holes that would be filled for this visitor, in the page or in their browser."""
        entry, visitors = page.entry, self.engine.visitors
        asks = bool(entry.client_holes) and visitors.asks_for(self.visitor, target.policy, entry)
        return hole_names(
            entry.holes if decision.detail == FILLED else (), entry.client_holes if asks else ()
        )  # fmt: skip

    def _concerned(self, target: Target, page: Page) -> bool:
        """Whether holes of the page would be filled for this visitor."""
        return self.engine.visitors.concerned(self.visitor, target.policy, page.entry)

    def _refusal(self, target: Target) -> Refusal | None:
        return noted_refusal(self.engine.page_store.backend, target.route, self.now)

    def _failure(self, target: Target, page: Page | None) -> Failure | None:
        known = self.engine.outcomes.failures.get(target.key)
        if (known is None or not known.count) and page is not None:
            at = page.entry.rendered_at
            known = noted_failure(self.engine.page_store.backend, target.key, self.now, at)
        return known if known and known.count else None

    def _follows(self, decision: Decision, target: Target) -> str:
        busy = (
            target.key in self.engine.renderer.flights or target.key in self.engine.background.pool
        )
        if decision.label == "LOADING":
            return "The visitor gets the loading page; a render is under way or starts with it."
        if decision.action is Action.RENDER:
            if busy:
                return "The visitor waits for the render that is under way."
            return "The visitor waits while the page is rendered; it is stored if it may be."
        if decision.detail == "not-listed":
            return "The app's own 404, without running the view."
        said = "The stored page is served"
        if decision.detail == FILLED:
            said += ", with its holes filled in one run of the app"
        if decision.action is Action.OWN:
            said = "The app answers this request itself"
        if decision.schedule:
            said += "; a render is under way" if busy else "; the page is rendered behind it"
        return said + "."

    def _decided_by(
        self, decision: Decision, target: Target, page: Page | None, state: State | None
    ) -> str:
        if decision.detail in ("cookie", "session-unreadable") and page is not None:
            visitors = self.engine.visitors
            found = visitors.personal(self.visitor, target.policy, page.entry)
            if found is not None and page.entry.reads is not None and target.policy.cookies is None:
                return found.text
        if decision.label == "BYPASS" and decision.detail not in ("expired", "learning"):
            return decider(decision.detail, self.visitor, target, self.runtime.site)
        if page is None or state is None:
            if self.engine.page_store.backend.open_since is not None:
                return "the store is out of reach, and the page is not in memory"
            said = ["nothing is stored under this key", *self._others(target)]
            if decision.label == "MISS" and target.policy.fallback == "loading":
                said.append("the loading page is for browsers that open the page, while it renders")
            return "; ".join(said)
        if state is State.FRESH:
            return fresh_until(page, self.now)
        page_store = self.engine.page_store
        text = changed_by(page, page_store, self.now, target.policy.fingerprint)
        dependencies = page_store.dependencies
        return text if dependencies is None else labelled_text(text, dependencies.labels)

    def _others(self, target: Target) -> Iterator[str]:
        """Pages of the same path that this request does not get: the difference explains why."""
        path = target.request.full_path
        rows = self.engine.page_store.backend.rows(path)
        try:
            same = itertools.takewhile(lambda row: row.path == path, rows)
            for row in itertools.islice(same, _OTHERS):
                build = f" of build {row.build_id!r}" if row.build_id else ""
                yield f"stored is {row.url} [{row.variant}]{build}".replace(" []", "")
        except BackendUnavailable:
            return


def _never_set(page: Page, target: Target) -> str:
    """What to do about cookies of ``value_holes`` that the page does not use."""
    kinds = {place.kind for place in page.entry.places}
    unused = [name for name in target.policy.value_holes if name not in kinds]
    if not unused:
        return ""
    return (
        f"value_holes names {', '.join(unused)}, which the app did not set when it rendered this "
        "page: name the cookie as the app does, set it in this view, or take it out of value_holes."
    )


def _usable(state: State | None) -> bool:
    return state is not None and state is not State.GONE


def _refusal_text(refusal: Refusal | None, target: Target, now: float) -> str:
    if refusal is None:
        return ""
    which = "it" if refusal.key == target.key else f"{refusal.url}, of the same route,"
    error = f": {refusal.error}" if refusal.error else ""
    ago = duration(now - refusal.at)
    return f"{which} was not stored {ago} ago: {readable(refusal.reason)}{error}"


def _key_parts(visitor: Visitor, target: Target) -> dict[str, Any]:
    request, left = target.request, list(filter(None, target.request.query.split("&")))
    kept, dropped = [], []
    for part in filter(None, visitor.query.split("&")):
        if left and part == left[0]:
            kept.append(left.pop(0))
        else:
            dropped.append(part)
    headers, cookies = dict(request.headers), dict(request.cookies)
    return {
        "query_kept": tuple(kept),
        "query_dropped": tuple(dropped),
        "headers": tuple((name, headers.get(name)) for name in sorted(target.keyed)),
        "cookies": (
            *((name, cookies.get(name)) for name in target.policy.keyed_cookies),
            *((name, dict(request.variants).get(name)) for name, _ in target.policy.variants),
        ),
    }
