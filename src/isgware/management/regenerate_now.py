"""``regenerate``: render a page now, in this call, and publish it to all processes."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import quote, urlsplit

from ..backends.base import Lease
from ..core.cache_key import Visitor, decoded, narrow_query
from ..core.freshness import State, names_of, path_name, url_name
from ..core.hosts import normal_host
from ..core.local_path import local_path, names_for_path, spelled
from ..core.render_log import REGENERATE
from ..core.stored_page import Entry, decode
from ..errors import BackendUnavailable, ConfigurationError, RegenerationError, UnknownHost
from ..regeneration.local_queue import Work
from ..regeneration.regenerate_calls import Call, Calls
from ..render_context import current
from ..rendering.result import Elsewhere, Failed, Outcome, Refused, Rendered
from ..routing.framework import Site
from ..routing.planner import Target
from ..serving.engine import Engine
from ..storage.catalogue import Catalogue, PageInfo
from ..storage.process_cache import Page, key_name

_numbers: Final = itertools.count()
#: Renders of one `regenerate` at most, if other renders or purges keep overtaking it.
_TRIES: Final = 3


class Verbs:
    """Operations on pages that need the app, or its routes."""

    def __init__(self, engine: Engine, catalogue: Catalogue, site: Site) -> None:
        self._engine = engine
        self._site = site
        self._catalogue = catalogue
        self._calls = Calls()

    def names(self, path: str) -> list[str]:
        """The names that ``path`` stands for; with a query, also the query as the policy of its
        route keeps it. A path that does not begin with the app's mount may be meant below it; one
        that the app redirects to another spelling stands for that, too."""
        names = []
        for given in (path, *self._mounted(path)):
            names += names_for_path(given)
            if given.endswith("/*"):
                continue
            text, query = local_path(given)
            there = self._redirected(text)
            if there != text:
                kept = narrow_query(query, "all")
                names.append(url_name(there, kept) if "?" in given else path_name(there))
            if query:
                match = self._engine.planner.match(self.visitor(there, query))
                if match is not None:
                    kept = narrow_query(query, match.policy.query)  # type: ignore[arg-type]
                    names.append(url_name(there, kept))
        return list(dict.fromkeys(names))

    def _redirected(self, path: str) -> str:
        """The decoded path to which the app redirects this one, or the path itself."""
        here, base_url = _here(), self._engine.settings.base_url
        scheme, host, script = here or ("http", "localhost", self._site.script_name)
        if here is None and base_url:
            scheme, _, host = base_url[0].partition("://")
        visitor = _visitor(scheme, host, script, path, "")
        there = self._engine.planner.redirects_to(visitor)
        return path if there is None else decoded(visitor.script_name + there)

    def _mounted(self, path: str) -> Iterator[str]:
        rendering = current.get()
        for script in {self._site.script_name, rendering.script_name if rendering else ""} - {""}:
            if not (local_path(path)[0] + "/").startswith(decoded(script) + "/"):
                yield quote(decoded(script)) + path

    def visitor(self, path: str, query: str) -> Visitor:
        """A plain GET of a decoded path, at its known host or else a likely one."""
        trusted = self._engine.settings.trusted_hosts
        likely = "http", trusted[0].lstrip(".") if trusted else "localhost", ""
        try:
            try:
                origin = self._origin(path)
            except ConfigurationError:  # another page may define it
                origin = next(self._stored_origins(None), likely)
        except BackendUnavailable:
            origin = likely
        return _visitor(*origin, path, query)

    def regenerate(self, path: str, *, force: bool = False) -> PageInfo:
        """Render ``path`` now. See `isgware.ISG.regenerate`."""
        self._engine.page_store.backend.retry()
        target = dataclasses.replace(self._target(path), forced=force, by=REGENERATE)
        rendering = current.get()
        if rendering is not None and rendering.key == target.key:
            raise RegenerationError(f"{path} cannot be regenerated from within its own render.")
        outcome = self._on_pool(target)
        if isinstance(outcome, Rendered):
            return self._catalogue.info_of(outcome.page.entry)
        raise _error(path, outcome)

    def _on_pool(self, target: Target) -> Outcome | None:
        engine = self._engine
        engine.renderer.maintenance.start()
        call, leads = self._calls.join(target)
        if leads:
            self._start(call)
        renders = 1 if leads else 2  # the one in progress, and the one that is waited for
        limit = renders * (engine.settings.render_timeout + engine.settings.wait_time)
        if not call.done.wait(limit) and self._calls.leave(call):
            self._give_up(call)
        outcome = call.outcome
        if isinstance(outcome, BackendUnavailable | RegenerationError):
            raise type(outcome)(str(outcome)) from outcome
        return None if isinstance(outcome, BaseException) else outcome

    def _start(self, call: Call) -> None:
        name = f"now:{next(_numbers)}:{call.target.key}"  # not the page's own background render
        work = Work(name, lambda: self._run(call), lambda: self._give_up(call))
        if not self._engine.background.pool.submit(work, urgent=True):
            refused = "Regeneration is closed, or no thread can be started."
            self._finish(call, RegenerationError(refused))

    def _run(self, call: Call) -> None:
        self._calls.begin(call)
        outcome: Any = None
        try:
            outcome = self._in_turn(call)
        except BackendUnavailable as error:  # for the callers to report
            outcome = error
        except BaseException as error:
            outcome = error
            raise
        finally:
            self._finish(call, outcome)

    def _give_up(self, call: Call) -> None:
        """It takes too long. A later result is not kept: its callers get an error."""
        call.given_up.set()
        for lease in call.leases:
            self._engine.renderer.maintenance.end(lease)
        self._finish(call, None)

    def _finish(self, call: Call, outcome: Any) -> None:
        if not call.done.is_set():
            call.outcome = outcome
            call.done.set()
        following = self._calls.end(call)
        if following is not None:
            self._start(following)

    def _in_turn(self, call: Call) -> Outcome:
        """Render when no other process renders for a `regenerate` of this page. If two did, neither
        could tell whether it is the later one, and both would have to be repeated."""
        engine, page_store = self._engine, self._engine.page_store
        page_store.begin()
        page_store.sync()
        deadline = time.monotonic() + engine.settings.wait_time
        key, pause = f"now:{call.target.key}", 0.005
        while (turn := page_store.acquire(key, engine.settings.lease_time, ())) is None:
            if time.monotonic() > deadline or call.given_up.is_set():
                break
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
            page_store.begin()
        try:
            self._hold(call, turn)
            return Elsewhere() if call.given_up.is_set() else self._render_now(call)
        finally:
            engine.renderer.maintenance.end(turn)

    def _hold(self, call: Call, lease: Lease | None) -> None:
        if lease is not None:
            call.leases.append(lease)
            self._engine.renderer.maintenance.hold(lease)

    def _render_now(self, call: Call) -> Outcome:
        """Render under a new lease. On success, make the path's other variants stale and publish
        the page. On failure, change nothing."""
        engine, page_store, target = self._engine, self._engine.page_store, call.target
        page_store.sync()
        before = page_store.mirror.counter
        lease = page_store.acquire(target.key, engine.settings.lease_time, (), overtake=True)
        flight, _ = engine.renderer.flights.join(
            target.key, before, page_store.mirror.nonce, lambda _: False
        )
        outcome: Outcome = Elsewhere()
        overtaken = False
        self._hold(call, lease)
        try:
            old, state = page_store.find(target.key, target.base, target.policy.fingerprint)
            replaces = old.entry if old is not None and state is not State.GONE else None
            order = lease.order if lease else 0

            def wanted() -> bool:
                return not (flight.landed.is_set() or call.given_up.is_set())

            for _ in range(_TRIES):
                outcome = self._produce(target, order, replaces, page_store.mirror.counter, wanted)
                if not isinstance(outcome, Rendered):
                    break
                overtaken = self._missed(outcome.page)
                if outcome.page.entry.order >= order and not overtaken:
                    break  # otherwise an older render or a purge overtook this one
            engine.outcomes.settle(target, outcome, replaces)
            if isinstance(outcome, Rendered):
                page_store.backend.publish([key_name(target.key)])
                page_store.sync()
        finally:
            engine.renderer.maintenance.end(lease)
            engine.renderer.flights.land(flight, outcome)
        if overtaken and isinstance(outcome, Rendered) and self._catalogue.gone(outcome.page.entry):
            return Refused("it was purged while it was rendered, time and again")
        return outcome

    def _missed(self, page: Page) -> bool:
        """Whether something of a page was invalidated while it was rendered."""
        self._engine.page_store.sync()
        entry, mirror = page.entry, self._engine.page_store.mirror
        if entry.depended is not None and mirror.tellings.changed(entry.depended, entry.generation):
            return True
        return mirror.last(page.names) > entry.generation

    def _produce(
        self, target: Target, order: int, replaces: Entry | None, before: int,
        wanted: Callable[[], bool],
    ) -> Outcome:  # fmt: skip
        return self._engine.renderer.producer.produce(
            target, order, replaces, wanted, lambda entry: self._supersede(entry, before)
        )

    def _supersede(self, entry: Entry, before: int) -> int:
        """Make all other variants of the entry's path stale. Returns the generation with which the
        entry itself is not. If anything else of it was invalidated meanwhile, it keeps its own."""
        page_store = self._engine.page_store
        path = entry.request.full_path
        page_store.sync()
        seen = page_store.mirror.counter
        mirror = page_store.mirror
        if mirror.soft.get(key_name(entry.key), 0) > before:
            return before  # a version was restored since: this render is dropped
        names = names_of(path, entry.request.query, entry.tags, entry.route)
        untouched = mirror.last(names) <= before and (
            entry.depended is None or mirror.tellings.since(entry.depended, before) is None
        )
        counter = page_store.backend.invalidate([path_name(path)], False)
        page_store.sync()
        return counter if untouched and counter == seen + 1 else before

    def _target(self, path: str) -> Target:
        text, query = self._meant(path)
        scheme, host, script = self._origin(text)
        visitor = _visitor(scheme, host, script, text, query)
        plan = self._engine.planner.plan(visitor)
        if plan is not None and plan.target is not None:
            if plan.bypass:
                raise RegenerationError(f"{path} is never stored: {plan.bypass}.")
            return plan.target
        if plan is not None:
            raise RegenerationError(f"{path} cannot be stored: {plan.bypass}.")
        settings = self._engine.settings
        if settings.cache_control == "full" and settings.revalidate is None:
            raise RegenerationError(
                f"{path} is not declared: what is stored of it are answers to visitors. "
                "Revalidate or purge it, and the next visitor renews it."
            )
        target = self._engine.planner.undeclared_target(visitor, frozenset(), None, {})
        if target is None:
            raise RegenerationError(f"{path} cannot be stored.")
        return target

    def _meant(self, path: str) -> tuple[str, str]:
        """The decoded path and the query of the page that ``path`` stands for: among the pages that
        the other operations act on, a stored one, else the one that visitors reach."""
        meant = [self._redirected(local_path(each)[0]) for each in (*self._mounted(path), path)]
        stored = (each for each in meant if next(self._stored_origins(each), None) is not None)
        return (meant[0] if len(meant) == 1 else next(stored, meant[0])), local_path(path)[1]

    def stored_as(self, path: str) -> str:
        """The path of the page that ``path`` stands for, as `pages` lists it."""
        text, query = self._meant(path)
        return spelled(text) + (f"?{query}" if "?" in path else "")

    def _origin(self, path: str) -> tuple[str, str, str]:
        """Scheme, host and script name: of base_url, a stored page, or the request in progress.

        Of several stored pages, those of the page that the request in progress belongs to.
        """
        here = _here()
        stored = list(itertools.islice(self._stored_origins(path), 50))
        known = here if here and (here in stored or not stored) else next(iter(stored), None)
        if self._engine.settings.base_url:
            parts = urlsplit(self._engine.settings.base_url[0])
            script = known[2] if known else here[2] if here else self._site.script_name
            return parts.scheme, parts.netloc, script
        if known is not None:
            return known
        raise UnknownHost(
            f"regenerate({path!r}) does not know its host: set base_url='https://…', call it "
            "while a request is handled, or for a page that is stored."
        )

    def _stored_origins(self, path: str | None) -> Iterator[tuple[str, str, str]]:
        """Of the pages of one path, or of all pages."""
        backend, now = self._engine.page_store.backend, self._engine.now()
        for row in backend.rows(path or ""):
            if path is not None and row.path != path:
                return
            entry = decode(backend.get(row.key, now), row.key)
            if entry is not None:
                yield entry.request.scheme, entry.request.host, entry.request.script_name


def _here() -> tuple[str, str, str] | None:
    """Scheme, host and script name of the request in progress, if there is one."""
    rendering = current.get()
    if rendering is None or not rendering.host:
        return None
    scheme, host, script_name = rendering.origin
    return scheme, normal_host(scheme, host), script_name


def _visitor(scheme: str, host: str, script: str, path: str, query: str) -> Visitor:
    """A plain GET of a path, which may or may not lie below the script name."""
    tunnelled = path.encode().decode("latin-1")
    if not (tunnelled + "/").startswith(script + "/"):
        script = ""
    return Visitor("GET", scheme, host, script, tunnelled[len(script) :], query, {})


def _error(path: str, outcome: Outcome | None) -> RegenerationError:
    if isinstance(outcome, Failed):
        error = RegenerationError(f"{path} could not be rendered: {outcome.reason}.")
        error.__cause__ = outcome.error
        return error
    if isinstance(outcome, Refused):
        withdrawn = " What was stored of it is withdrawn." if outcome.withdraws else ""
        return RegenerationError(
            f"{path} was rendered and may not be stored: {outcome.reason}.{withdrawn}"
        )
    return RegenerationError(f"{path} was not rendered in time.")
