"""The guards that `tools/mutants.py` switches off, and the tests that would miss each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Guard:
    """``text`` stands in ``file`` exactly once; ``without`` in its place, the guard is off."""

    name: str
    file: str
    text: str
    without: str
    tests: tuple[str, ...]


def _of(file: str, *tests: str) -> _Table:
    return _Table(file, tuple(f"tests/{test}" for test in tests))


class _Table:
    """Guards of one file, held by the same tests."""

    def __init__(self, file: str, tests: tuple[str, ...]) -> None:
        self._file = file
        self._tests = tests

    def __call__(self, *rows: tuple[str, str, str]) -> list[Guard]:
        return [Guard(name, self._file, text, without, self._tests) for name, text, without in rows]


_P1, _P2 = "promises/test_p1_clean_room.py", "promises/test_p2_own_or_shared.py"

GUARDS: Final[tuple[Guard, ...]] = (
    # Poisoning: what is in the key, what is in the render.
    *_of("core/cache_key.py", "core/test_cacheable_request.py", _P1)(
        ("tracking parameters are not shown",
         "        narrow_query(visitor.query, rules.query),", "        visitor.query,"),
        ("paths have no two slashes in front", ' or full.startswith("//")', ""),
        ("paths have no backslash", ' or "\\\\" in full', ""),
        ("paths have no control character", "or _CONTROL.search(full) ", ""),
        ("paths have no dots as segments",
         'any(part in (".", "..") for part in full.split("/"))', "False"),
        ("paths are not endless", " or len(full) > 4096", ""),
        ("paths have no endless depth", 'full.count("/") > MAX_SEGMENTS or ', ""),
        ("paths are UTF-8", '    except UnicodeError:\n        return "odd-path"',
         "    except UnicodeError:\n        return None"),
        ("queries have no control character", "_CONTROL.search(visitor.query) or ", ""),
        ("queries are ASCII", " or not visitor.query.isascii()", ""),
        ("queries are not endless", "len(visitor.query) > 4096 or ", ""),
        ("hosts are hosts", "    if not HOST.match(host):\n        return False\n", ""),
        ("hosts in brackets are addresses", 'if host.startswith("["):', "if False:"),
        ("keyed headers are bounded and plain",
         'if len(value) > MAX_KEYED_VALUE or _CONTROL.search(value):\n                return "odd-h',
         'if False:\n                return "odd-h'),
        ("keyed cookies are bounded and plain",
         'if len(value) > MAX_KEYED_VALUE or _CONTROL.search(value):\n'
         '                    return "odd-c',
         'if False:\n                    return "odd-c'),
    ),
    *_of("core/cache_key.py", "core/test_cache_key.py")(
        ("keys count the bytes of each part",
         '(len(data).to_bytes(4, "big"), data)', "(data,)"),
        ("keys tell headers from cookies", '(*self.headers, ("", ""), *self.cookies)',
         "(*self.headers, *self.cookies)"),
        ("keys of own answers are others", '            "own", build_id', '            "variants", build_id'),
        ("keys tell builds apart", '"page", build_id, self.scheme', '"page", "", self.scheme'),
    ),
    *_of("rendering/clean_room.py", "rendering/test_clean_room.py", _P1)(
        ("renders have no context of a visitor",
         "    context = contextvars.Context()\n", "    context = contextvars.copy_context()\n"),
        ("renders have nobody's address", 'REMOTE_ADDR: Final = "192.0.2.1"',
         'REMOTE_ADDR: Final = "203.0.113.9"'),
        ("renders are of GET", '"REQUEST_METHOD": "GET",', '"REQUEST_METHOD": "HEAD",'),
        ("renders ask for no encoding", '"HTTP_ACCEPT_ENCODING": "identity",', ""),
    ),
    *_of("rendering/clean_room.py", "rendering/test_capture.py")(
        ("bodies are as long as announced", "if announced.strip() != str(len(response.body)):",
         "if False:"),
        ("a second response is no page", "        if self._broken:", "        if False:"),
        ("large bodies are not kept", "or self._given_up or self._size > self._max_page",
         "or self._given_up"),
        ("a render that was given up ends", "self._given_up = not self._wanted()",
         "self._given_up = False"),
        ("what has no end is left", "elif time.monotonic() > self._ends or not self._wanted():",
         "elif False:"),
        ("what is written without end is left", "            raise _Stopped\n",
         "            pass\n"),
        ("event streams are not read", "return self.streams or self._given_up or", "return self._given_up or"),
        ("bodies are closed", "            close()\n", "            pass\n"),
    ),
    *_of("serving/after_answer.py", "serving/test_after_answer.py")(
        ("what a visitor has not read to its end is not rendered",
         "        return _Followed(chunks, self._begin)",
         "        self._begin()\n        return _Followed(chunks, self._begin)"),
    ),
    *_of("core/preconditions.py", "core/test_preconditions.py")(
        ("a part has one Content-Range", 'replaced.add("content-range")', "pass"),
    ),
    *_of("wsgi.py", _P1, "serving/test_prepared_hits.py", _P2)(
        ("renders are marked by an object", 'if mode == "off" or MARK in environ:',
         'if mode == "off" or "HTTP_ISGWARE_RENDER" in environ:'),
        ("ready pages heed cookies that count",
         "(ready.cookies_matter and not self._admitted(ready, environ, now))\n                    or (self._watched",
         "(False)\n                    or (self._watched"),
        ("ready pages heed Authorization", '"HTTP_AUTHORIZATION" in environ\n', "False\n"),
        ("ready pages heed who the server knows", 'or "REMOTE_USER" in environ\n', "\n"),
        ("ready pages heed how the server knows", 'or "AUTH_TYPE" in environ\n', "\n"),
        ("ready pages heed certificates", 'or "SSL_CLIENT_VERIFY" in environ\n', "\n"),
        ("ready pages heed names in certificates", 'or "SSL_CLIENT_S_DN" in environ\n', "\n"),
        ("ready pages heed whole certificates", 'or "SSL_CLIENT_CERT" in environ\n', "\n"),
        ("ready pages heed ranges", 'or "HTTP_RANGE" in environ\n', "\n"),
        ("ready pages heed If-Match", 'or "HTTP_IF_MATCH" in environ\n', "\n"),
        ("prepared hits obey If-Unmodified-Since", "                ready.dated\n                and",
         "                False\n                and"),
        ("ready own pages heed directives", "or (ready.own and ", "or (False and "),
    ),
    *_of("wsgi.py", "promises/test_p8_lookup.py")(
        ("a 304 is for who has the page", 'environ["HTTP_IF_NONE_MATCH"] != ready.etag', "False"),
        ("a date alone is a condition", 'if "HTTP_IF_MODIFIED_SINCE" in environ:', "if False:"),
    ),
    *_of("wsgi.py", "promises/test_p8_stale_visitors.py")(
        ("stale pages heed cookies",
         "            self._line.is_watched(environ)\n            or (ready.cookies_matter and not self._admitted(ready, environ, now))\n",
         "            False\n"),
        ("stale pages are sent while they last", "if not ready.lasts(self._version[0][0], now):", "if False:"),
        ("stale pages are sent while their render is awaited",
         "return self.runtime.engine.background.awaited(ready.page.entry.key)", "return True"),
    ),
    *_of("serving/prepared_hits.py", "promises/test_p8_stale_visitors.py")(
        ("stale pages are purged", "self.version == version and self.since <= now", "self.since <= now"),
        ("stale pages expire", "page.looked_up + 1.0, page.entry.expires_at)",
         "page.looked_up + 1.0)"),
    ),
    *_of("serving/prepared_hits.py", "promises/test_p6_two_processes.py")(
        ("stale pages are looked up each second", "page.looked_up + 1.0, ", ""),
    ),
    *_of("storage/page_store.py", "storage/test_page_store.py")(
        ("stale copies are looked up in the store",
         "state in (State.STALE, State.EXPIRED) and self._to_look_up(page)", "False"),
        ("expired copies are looked up, too", "state in (State.STALE, State.EXPIRED)",
         "state is State.STALE"),
        ("a stale copy is looked up once a second",
         "if page.looked_up <= now < page.looked_up + _LOOK_UP:", "if False:"),
        ("a clock that was put back stops no look-up", "page.looked_up <= now < ", "now < "),
        ("what is read replaces no newer page",
         "if kept is not None and newer(kept.entry, entry):", "if False:"),
    ),
    # Pages are renewed when what they show of a database is changed.
    *_of("backends/memory_dependents.py", "backends/test_dependents.py")(
        ("what was written while a page was rendered makes it late",
         "self._unheard.get(name, 0) > begun.writes for name in suspects", "() for name in ()"),
        ("a question of a new kind is late after any change of its table",
         "suspects.add(any_name(shape.table))", "pass"),
        ("so many writes that some were forgotten make a page late",
         "begun.writes < self._unheard_floor", "False"),
        ("a page of another store is late", "begun.nonce != nonce or ", ""),
        ("what was forgotten makes stale", "self.floor = counter + 1", "pass"),
    ),
    *_of("core/depended.py", "django/test_dependencies.py", "backends/test_dependents.py")(
        ("a page whose name was told is gone", "if told.get(name, 0) > generation:", "if False:"),
        ("a soft change makes stale, not gone", "        if depended.soft:\n", "        if False:\n"),
    ),
    *_of("storage/dependencies.py", "django/test_dependencies.py")(
        ("a page from before the option is stale", "(wanted is None and depended is None)", "True"),
    ),
    *_of("django/query_reads.py", "django/test_dependencies.py")(
        ("rows that are shown are noted", "            self._reads.rows(table, keys, columns)\n", "            pass\n"),
        ("questions are noted", "reads.question(table, columns, equals, updates_only=anchored)", "pass"),
        ("a row that was not found is a question", "if not rows or terms.whole", "if terms.whole"),
    ),
    *_of("django/query_writes.py", "django/test_dependencies.py")(
        ("inserts are told", "        for write in self._inserted(compiler, rows, returning):\n", "        for write in ():\n"),
        ("updates are told", "                if write is not None:\n                    self.note(write, using)\n", ""),
        ("deletes are told", "self.note(Deleted(table, row[key_column(model)], _by_value(model, row)), using)", "pass"),
        ("the question that a row leaves is renewed, too",
         "frozenset(changed) | generated, old, new)", "frozenset(changed) | generated, new, new)"),
        ("rows that came meanwhile are counted",
         "                self.note(RowsChanged(table, changed), using)\n            for row",
         "                pass\n            for row"),
        ("what is derived is renewed with what it is made of", "found += map(TableChanged", "found += map(lambda table: write"),
    ),
    *_of("django/query_writes.py", "django/test_dependency_writes.py")(
        ("Django: an upsert changes rows that are there",
         "if updates and (told or by == {column}):", "if False:"),
        ("Django: of a row that an upsert finds other columns are not known",
         " if name in {column, *updates}}", "}"),
    ),
    *_of("django/old_rows.py", "django/test_dependency_writes.py")(
        ("Django: a condition that changes its mind is not trusted", "else not _settled(child)",
         "else False"),
    ),
    *_of("django/recorded_queries.py", "django/test_dependency_writes.py")(
        ("Django: what a driver's cursor does is everything",
         "_active[0].raw.direct(found, self.db.alias) if _active else found", "found"),
    ),
    *_of("django/unseen.py", "django/test_unseen.py")(
        ("Django: a condition near now is noted",
         "if value is not None and not near(value, time.time()):", "if True:"),
    ),
    *_of("rendering/app_caches.py", "django/test_unseen.py")(
        ("reads of caches are noted", "        if reads is not None:\n", "        if False:\n"),
    ),
    *_of("core/unseen.py", "core/test_unseen.py")(
        ("a time is near now in any zone", "value.replace(tzinfo=datetime.UTC).timestamp() - now)",
         "value.timestamp() - now)"),
    ),
    *_of("django/raw_sql.py", "django/test_dependencies.py")(
        ("Django: a commit in plain words may commit anything", '    "begin", "start", "rollback"',
         '    "begin", "commit", "start", "rollback"'),
        ("SQL of the app's own makes a page depend on everything", 'if reads is not None and kind != "neither":', "if False:"),
        ("SQL of the app's own renews everything", 'if kind != "writes" or not tracked.get():', "if True:"),
    ),
    # What a render that found its page unchanged may keep, and when.
    *_of("core/unchanged.py", "core/test_unchanged.py")(
        ("another body is a change", " and _body(old) == _body(new)", ""),
        ("another header is a change", " and _headers(old) == _headers(new)", ""),
        ("an unchanged page keeps its ETag", " etag=old.etag,", ""),
    ),
    # What was purged or withdrawn does not come back by way of an older version.
    *_of("core/page_versions.py", "core/test_page_versions.py")(
        ("versions go with a purge of their page", " or purged(page)", ""),
        ("a version that was purged hides what is older", " or purged(entry)", ""),
        ("versions of a table that is lost are gone",
         " or entry.nonce != mirror.nonce\n", "\n"),
        ("a restored version bears the names of both",
         "(*version.tags, *page.tags)", "(*version.tags,)"),
    ),
    *_of("core/freshness.py", "promises/test_p6_invalidation_wins.py")(
        ("a route is a name of the pages that were rendered for it",
         "(*names, route_name(route)) if route else names", "names"),
    ),
    *_of("management/route_pages.py", "dashboard/test_pages.py")(
        ("pages of a route are found under other names, too",
         "if route_of.by_url(row) == route:", "if False:"),
    ),
    *_of("core/freshness.py", "core/test_page_versions.py")(
        ("a restored version outlives its policy", " and not entry.restored\n", "\n"),
    ),
    *_of("storage/page_store.py", "promises/test_history.py")(
        ("a page that is gone keeps no version", " and entry.code not in GONE:", ":"),
    ),
    *_of("backends/sqlite/pages.py", "backends/test_sqlite.py")(
        ("versions stay with the render that they are of",
         "before if before and before.standing == old[1:4] else None", "before"),
    ),
    *_of("backends/redis/page_scripts.py", "backends/test_redis.py")(
        ("versions stay with the render that they are of, in Redis, too",
         " or not equal(kept, it.before) then", " then"),
    ),
    *_of("backends/memory.py", "backends/test_memory.py")(
        ("versions stay with the render that they are of, in memory, too",
         " and old and before.standing == _standing(old):", ":"),
        ("versions go with their page", "        self._versions.drop(key)\n", ""),
    ),
    *_of("management/page_history.py", "promises/test_history.py")(
        ("a restored version is newer than renders that began before",
         "generation = backend.invalidate([key_name(key)], False)",
         "generation = page_store.mirror.counter"),
        ("a version is chosen by what is purged now",
         "            versions = self._usable(page)\n",
         "            versions = page_versions.usable(page, backend.history(key, self._now()), "
         "lambda entry: (), page_store.mirror)\n"),
    ),
    *_of("build/previous_build.py", "promises/test_history.py")(
        ("a new build begins with no restored version", ", restored=0)", ")"),
    ),
    *_of("management/regenerate_now.py", "promises/test_history.py")(
        ("what regenerate began before a restore is dropped",
         "if mirror.soft.get(key_name(entry.key), 0) > before:", "if False:"),
    ),
    *_of("adaptive.py", "test_adaptive.py")(
        ("an adaptive interval has bounds that can be meant",
         "if self.low > self.high:", "if False:"),
        ("an adaptive interval is a number of seconds",
         "isinstance(value, bool) or not isinstance(value, int | float) or ", ""),
        ("an adaptive interval is finite", " or not math.isfinite(value):", ":"),
        ("an adaptive interval is more than nothing", "    if value <= 0:\n", "    if value < 0:\n"),
        ("an adaptive interval stays within its bounds",
         "min(max(interval, self.low), self.high)", "interval"),
        ("an adaptive interval begins at its lower bound",
         "        if interval is None:\n            return self.low\n        return self.within(",
         "        if interval is None:\n            return self.high\n        return self.within("),
        ("an adaptive interval is halved by a change", "interval / 2)", "interval)"),
    ),
    *_of("rendering/page_maker.py", "promises/test_adaptive.py")(
        ("only a render for which the time was up changes the interval",
         " or not replaces.fresh_until <= started", ""),
        ("an adaptive page of an error has no interval", " or entry.code not in KEPT", ""),
        ("an adaptive page does not expire before it is stale",
         "expire = max(entry.expire, interval)", "expire = entry.expire"),
        ("an adaptive interval leaves the app's own Cache-Control",
         "if own else entry.headers", "if True else entry.headers"),
    ),
    *_of("core/storable.py", "promises/test_adaptive.py")(
        ("the interval goes on where it was", "revalidate.within(interval)",
         "revalidate.within(None)"),
    ),
    *_of("rendering/page_maker.py", "promises/test_shrink_limit.py")(
        ("a page that is suddenly short is refused",
         "if limit is not None and shrunk(old, new, limit):", "if False:"),
        ("a forced render may shrink its page", "None if target.forced else ", ""),
    ),
    *_of("option_checks.py", "promises/test_shrink_limit.py")(
        ("a share is between 0 and 1", " or not 0 < value <= 1:", ":"),
    ),
    *_of("core/unchanged.py", "promises/test_shrink_limit.py")(
        ("pages that are gone may be short", "whole and len(new.body)", "len(new.body)"),
    ),
    *_of("backends/sqlite/pages.py", "backends/test_sqlite.py")(
        ("a head is put before the bodies it was made for", "or old[1:4] != standing ", ""),
    ),
    *_of("backends/memory.py", "backends/test_memory.py")(
        ("a head is put before the bodies it was made for, in memory, too",
         "or _standing(old) != standing ", ""),
    ),
    *_of("backends/redis/page_scripts.py", "backends/test_redis.py")(
        ("a head is put before the bodies it was made for, in Redis, too",
         "if not equal(kept, it.before) then return 0 end\n", ""),
    ),
    *_of("regeneration/maintenance.py", "regeneration/test_maintenance.py")(
        ("maintenance refers to nobody while it waits",
         "del maintenance  # no reference while this thread waits", "pass"),
    ),
    *_of("regeneration/render_threads.py", "promises/test_collected.py")(
        ("idle threads refer to no pool", "            pool = None\n            ready.wait",
         "            ready.wait"),
        ("idle threads are woken when their pool is gone", "weakref.ref(self, wake)",
         "weakref.ref(self)"),
    ),
    *_of("regeneration/regenerate_calls.py", "promises/test_p5_many_regenerates.py")(
        ("no call is given a render that began before it", "elif call.begun:", "elif False:"),
        ("a render that hangs is followed by the next", "following = self._waiting.pop(key, None)",
         "following = None"),
    ),
    *_of("management/regenerate_now.py", "promises/test_p5_many_regenerates.py")(
        ("processes regenerate a page one after the other",
         "engine.settings.lease_time, ())) is None:", "engine.settings.lease_time, ())) is False:"),
        ("what is rendered too late is not kept", " or call.given_up.is_set())\n\n", ")\n\n"),
    ),
    *_of("core/freshness.py", "core/test_freshness.py")(
        ("what soft ones were forgotten of is stale",
         "stale = stale or generation < mirror.soft_floor", "pass"),
        ("what hard ones were forgotten of is gone", "    if generation < mirror.floor:\n",
         "    if False:\n"),
        ("no render is accepted from below a floor",
         "generation < max(mirror.floor, mirror.soft_floor)", "False"),
        ("a copy older than a forgotten purge is read again", " or since < self.floor", ""),
    ),
    *_of("backends/sqlite/invalidations.py", "promises/test_p7_bounded.py",
         "backends/test_sqlite.py")(
        ("soft names do not push out hard ones", '(now.names + added - hard, "hard = 0")',
         '(now.names + added - hard, "1")'),
    ),
    *_of("backends/sqlite/leases.py", "backends/test_lease_owner.py")(
        ("a lease ends with its owner's process", " if not is_gone(token)", ""),
    ),
    *_of("backends/sqlite/lease_owner.py", "backends/test_lease_owner.py")(
        ("a PID says nothing in another namespace", "namespace != _namespace(os.getpid()) or ", ""),
        ("a PID says nothing without its namespace", "not namespace or ", ""),
        ("a process that has ended is gone before it is waited for",
         "status[0] in _ENDED or ", ""),
        ("a PID may belong to another process by now",
         "bool(started) and status[1] != started", "False"),
    ),
    *_of("serving/prepared_hits.py", "serving/test_prepared_hits.py", _P2)(
        ("conditions heed credentials",
         "_JUDGED_OWN if entry.own else CREDENTIALS):", "_JUDGED_OWN if entry.own else ()):"),
    ),
    *_of("serving/prepared_hits.py", "shared_cache/test_hostile.py")(
        ("ready own pages heed bodies",
         'or environ.get("CONTENT_LENGTH") not in _NOTHING\n', "\n"),
        ("ready own pages heed bodies of no said length",
         'or "HTTP_TRANSFER_ENCODING" in environ\n', "\n"),
        ("ready own pages heed how a target is spelled",
         "or target_of(environ) != self.target", "or False"),
    ),
    *_of("routing/planner.py", "routing/test_drafts.py", _P2, _P1)(
        ("credentials bypass", "        if has_credentials(headers):\n", "        if False:\n"),
        ("certificates are credentials",
         'name.startswith("SSL_CLIENT_") and value not in ("", "NONE")', "False"),
        ("hosts are trusted or not kept",
         'return "" if self.trusts(visitor.scheme, visitor.host) else "untrusted-host"', 'return ""'),
        ("drafts bypass", "if cookie and self._drafts and self._drafts.owned(cookie):",
         "if False:"),
        ("a bypass that raises bypasses", 'return "bypass-failed"', 'return ""'),
    ),
    *_of("serving/engine.py", _P2)(
        ("whoever is somebody has their own answer",
         'found.detail if found else "",', '"",'),
        ("errors are not for whoever has cookies",
         'visitor.headers.get("HTTP_COOKIE") or outcome.personal', "outcome.personal"),
        ("personal errors are not shared", " or outcome.personal:", ":"),
        ("routes that never worked leave everyone their own",
         "            if not outcome.proven:\n", "            if False:\n"),
    ),
    # Withdrawn: what says that it is not for everybody is served no more.
    *_of("core/storable.py", "promises/test_failures.py")(
        ("what is not read may refuse, too",
         "return refusal if refusal is not None and refusal.withdraws else Refusal(reason)",
         "return Refusal(reason)"),
        ("some reasons withdraw a page", "return self.reason in WITHDRAWING", "return False"),
        ("a page that says 0 and is empty is withdrawn",
         "    if of_view.revalidate == 0 and of_view.revalidate is not False:\n", "    if False:\n"),
    ),
    *_of("regeneration/outcomes.py", "promises/test_failures.py")(
        ("a refusal is no failure to be tried again", "and not outcome.withdraws:", "and True:"),
        ("earlier failures of a withdrawn page are forgotten",
         "        self._forget_failure(target.key)\n        self._page_store.withdraw",
         "        self._page_store.withdraw"),
    ),
    *_of("serving/engine.py", "promises/test_failures.py", "promises/test_p6_two_processes.py")(
        ("a withdrawn page does not stand in", " and not _withdraws(outcome)", ""),
    ),
    *_of("storage/page_store.py", "promises/test_p6_two_processes.py")(
        ("a withdrawal holds in every process",
         "        self.invalidate_eventually([key_name(key)], hard=True)  # first", "        #"),
    ),
    # What waits for a commit runs, whatever other hooks do.
    *_of("django/commits.py", "django/test_commits.py")(
        ("a hook that raises drops none of ours",
         "        finally:\n            self._run(waiting)\n", "        finally:\n            pass\n"),
        ("with autocommit off, a commit fires",
         "        if not self._connection.commit_on_exit:\n", "        if False:\n"),
        ("a commit that fails may have happened",
         "            self._run([*self._hooks(), *self._taken()])\n            raise\n",
         "            raise\n"),
        ("a rollback takes along what waits", "        self.by_hand.clear()\n", ""),
        ("autocommit that is switched on commits",
         "        if autocommit:\n            self._run", "        if False:\n            self._run"),
        ("what waits runs once", "        if not self.done:\n", "        if True:\n"),
    ),
    # Declared is what the code says now.
    *_of("render_context.py", "promises/test_declared.py")(
        ("no decorator is met where a URL map declares",
         "if rendering.policy is None and not rendering.mapped:", "if rendering.policy is None:"),
    ),
    *_of("routing/declarations.py", "promises/test_declared.py")(
        ("what answers in place of a view is not stored",
         "return DeclarationChange() if missed else None", "return None"),
        ("a render tells under which URL map it is", "            if now is not None:\n",
         "            if False:\n"),
        ("a decorator is unlearned",
         "        if not target.decorator or target.decorator == said:\n", "        if True:\n"),
        ("failures unlearn nothing", "        if code not in KEPT | GONE | TEMPORARY:\n",
         "        if False:\n"),
    ),
    *_of("routing/planner.py", "promises/test_declared.py")(
        ("what only the store remembers does not declare",
         "if doubted and not self.declarations.believes(base):", "if False:"),
    ),
    *_of("routing/declarations.py", "promises/test_declared.py")(
        ("pages of a default that is gone are no pages",
         ' and learned_route.default in ("", self.default)', ""),
        ("another default makes a page stale",
         "NOTHING if said is None else salted(NOTHING, self.default)", "NOTHING"),
        ("under a URL map nothing is learned from decorators",
         "return None if self.has_url_map else declared.get", "return declared.get"),
    ),
    *_of("serving/learning.py", "promises/test_declared.py")(
        ("a decorator that runs for some only costs no render each",
         "        if reason := engine.outcomes.refusal(target.key):\n", "        if False:\n"),
    ),
    *_of("regeneration/outcomes.py", "promises/test_declared.py")(
        ("nobody plans anew time and again",
         "return not abs(now - last) < self._dynamic_time", "return True"),
    ),
    *_of("django/site.py", "promises/test_declared.py")(
        ("request.urlconf counts", "get_resolver(self.urlconf(visitor))", "get_resolver()"),
    ),
    # What may be stored.
    *_of("core/storable.py", "core/test_storable.py", _P2)(
        ("header lines are sound",
         "    if not sound_headers(response.headers):\n", "    if False:\n"),
        ("status lines are sound",
         "    if not sound_status(response.status):\n", "    if False:\n"),
        ("statuses are those of pages", "    if response.code not in KEPT | GONE | TEMPORARY:\n",
         "    if False:\n"),
        ("nothing is stored that sets a cookie",
         '    if any(name.lower() == "set-cookie" for name, _ in headers):\n        return Refusal("set-cookie")',
         '    if False:\n        return Refusal("set-cookie")'),
        ("a view may refuse", "    if of_view.refused:\n", "    if False:\n"),
        ("private is not stored", 'for name in ("no-store", "private"):', 'for name in ("no-store",):'),
        ("no-store is not stored", 'for name in ("no-store", "private"):', 'for name in ("private",):'),
        ("no-cache is not stored unless declared",
         'if "no-cache" in directives and not declared:', "if False:"),
        ("Vary: * is not stored", '    if "*" in varies(headers):\n', "    if False:\n"),
        ("Cookie and Authorization are never learned", "varies(response.headers) - keyed - UNKEYABLE", "varies(response.headers) - keyed"),
        ("variants of a page do not grow without end",
         "        if len(unknown) + len(keyed) > MAX_LEARNED:\n", "        if False:\n"),
        ("an empty page replaces no other",
         "if replaces is not None and response.code == 200 and not response.body and replaces.body:",
         "if False:"),
        ("redirects to the same URL elsewhere are not stored",
         'return Refusal("redirect-to-other-origin") if same_query else None', "return None"),
        ("errors are kept for seconds", "seconds = min(MAX_ERROR_SECONDS, seconds or", "seconds = max(0, seconds or"),
        ("responses with cookies are somebody's",
         'refused or bool(response.all("set-cookie")) or', "refused or"),
    ),
    *_of("http/cache_control.py", "http/test_cache_control.py", "shared_cache/test_rules.py", "shared_cache")(
        ("directives are read in any case", "            yield name.lower(), None\n",
         "            yield name, None\n"),
        ("fields that directives name are read in any case", "name.strip().lower()", "name.strip()"),
    ),
    # What comes out of a store.
    *_of("core/stored_page.py", "core/test_stored_page.py")(
        ("entries have a checksum", " or zlib.crc32(rest) != checksum", ""),
        ("entries have a version", " or version != VERSION", ""),
        ("entries have a key", "entry.key == key and ", ""),
        ("entries have sound headers", "        and sound_headers(entry.headers)\n", ""),
        ("entries have sound status lines", "        and sound_status(entry.status)\n", ""),
        ("entries have sound tags", "        and sound_headers(\n            (\n",
         "        and sound_headers(\n            () and (\n"),
        ("entries have numbers for times",
         "        all(_number(getattr(entry, name)) for name in _NUMBERS)\n", "        True\n"),
        ("entries have native strings",
         "_native(getattr(entry.request, name))", "isinstance(getattr(entry.request, name), str)"),
        ("entries have whole bodies", "if size < 0 or start + size > len(bodies):", "if False:"),
        ("entries have encodings we know",
         '        and set(entry.encodings) <= {"br", "zstd", "gzip"}\n', ""),
        ("entries may be nested without end", "RecursionError, OverflowError", "OverflowError"),
    ),
    *_of("backends/cachelib.py", "backends/test_cachelib_pickles.py")(
        ("nothing is unpickled", "            self.cache.serializer = BytesSerializer()\n",
         "            pass\n"),
    ),
    *_of("routing/learned_routes.py", "fuzz/test_fuzz.py")(
        ("learned_routes may be nested without end", "AttributeError, RecursionError", "AttributeError"),
    ),
    *_of("storage/notes.py", "fuzz/test_fuzz.py")(
        ("failures may be counted to infinity",
         "(ValueError, TypeError, OverflowError, RecursionError):\n        return None\n\n\n@dataclass",
         "(ValueError, TypeError, RecursionError):\n        return None\n\n\n@dataclass"),
    ),
    *_of("regeneration/handoff.py", "fuzz/test_fuzz.py")(
        ("signs of life may come from any time", "AttributeError, OverflowError,", "AttributeError,"),
    ),
    *_of("regeneration/shared_jobs.py", "regeneration/test_shared_jobs.py", "fuzz/test_fuzz.py")(
        ("jobs are of the page they name", " or target.key != key", ""),
        ("jobs hold texts", " or not all(isinstance(text, str) for text in texts)", ""),
    ),
    *_of("formatting.py", "test_formatting.py", "backends/test_redis_clients.py")(
        ("terminals get no control characters", "    if text.isprintable():\n", "    if True:\n"),
        ("passwords are not told", r'r":\1…@"', r'r":\1\g<0>@"'),
    ),
    # Files.
    *_of("backends/sqlite/directory.py", "backends/test_directory.py", "backends/test_sqlite.py",
         "promises/test_configuration.py")(
        ("a store is no symbolic link", "if stat.S_ISLNK(status.st_mode):", "if False:"),
        ("a store is ours", "status.st_uid != os.geteuid() or ", ""),
    ),
    *_of("backends/sqlite/files.py", "backends/test_database.py", "backends/test_sqlite.py",
         "backends/test_directory.py")(
        ("a store's directory is the app's alone",
         "        directory.chmod(0o700)  # whatever the umask\n", ""),
        ("a store's files are the app's alone", "            path.chmod(0o600)\n", "            pass\n"),
        ("a store's files are no symbolic links",
         "    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC\n",
         "    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC\n"),
        ("a store's files are files", "        if not stat.S_ISREG(status.st_mode):\n", "        if False:\n"),
    ),
    # Servers and stores.
    *_of("after_fork.py", "integration/test_gevent_late.py")(
        ("locks are made on first use", "        self._pid = 0\n        self._lock",
         "        self._pid = os.getpid()\n        self._lock"),
    ),
    *_of("backends/redis/connections.py", "backends/test_redis_connections.py")(
        ("no more connections than allowed are used", "limited = self._limit < _NO_LIMIT", "limited = False"),
        ("what was given up is closed by its last user",
         "            if self._client is not client:  # given up", "            if False:  # given up"),
        ("a refusal keeps the client", "        except NotTaken:  # by a server that is well\n            raise\n", ""),
    ),
    *_of("backends/redis/pools.py", "backends/test_redis_connections.py")(
        ("pools keep their size", '    given["max_connections"] = pool.max_connections\n', ""),
        ("pools keep their kind", "    return type(pool)(**given)\n", "    return redis.ConnectionPool(**given)\n"),
    ),
    *_of("backends/sqlite/database.py", "backends/test_damage.py")(
        ("damage found under the lock is repaired",
         "lock = nullcontext() if holding else", "lock ="),
        ("a full disk takes no invalidation",
         "            check_room(self.directory)\n            files", "            files"),
    ),
    *_of("backends/sqlite/transaction.py", "backends/test_damage.py")(
        ("a damaged schema need not be text", "isinstance(error, Damaged | UnicodeDecodeError)",
         "isinstance(error, Damaged)"),
    ),
    *_of("regeneration/page_renderer.py", "promises/test_p5_short_lives.py")(
        ("who waited takes a page whose time is up", "state is State.FRESH or (\n            since",
         "state is State.FRESH or (\n            False"),
        ("a page that was there has to be fresh", "since = known is None or not same_render(",
         "since = True or not same_render("),
        ("a page of another policy has to be fresh",
         "since and page.entry.fingerprint == target.policy.fingerprint", "since"),
        ("a job takes no page that was revalidated meanwhile", "if not self.acceptable(page, arrival):\n"
         "            return False", "if False:\n            return False"),
    ),
    *_of("regeneration/background.py", "promises/test_p7_bounded.py")(
        ("a render that is given up ends its lease", "self.renderer.maintenance.end(flight.lease)", "pass"),
    ),
    *_of("regeneration/background.py", "promises/test_failures.py", "promises/test_p6_two_processes.py")(
        ("a page that another process has learned is known here",
         "        if state is State.FRESH and not target.declared:\n", "        if False:\n"),
    ),
    *_of("regeneration/backoff.py", "regeneration/test_backoff.py")(
        ("a failure that is yet to come holds nothing up", "failure.at - CLOCK_TOLERANCE <= now", "now"),
    ),
    # What may be said from outside.
    *_of("core/local_path.py", "routing/test_declared_paths.py", "promises/test_details.py", "management/test_control_endpoint.py")(
        ("local paths name no host", 'path.startswith("/") or path.startswith("//"):', 'path.startswith("/"):'),
        ("local paths have no backslash", '"\\\\" in path or ', ""),
        ("local paths hold no controls", "_CONTROL.search(text) or ", ""),
        ("local paths have no dots", 'any(part in (".", "..") for part in text.split("/"))', "False"),
    ),
    *_of("setting_checks.py", "test_settings.py")(
        ("a blank secret is none", "not value.strip() or not value.isprintable()",
         "not value or not value.isprintable()"),
        ("secrets of the metrics cannot be guessed", "if text is not None and len(text.strip()) < MIN_SECRET:", "if text == '':"),
    ),
    *_of("management/control_endpoint.py", "management/test_control_endpoint.py")(
        ("the endpoint asks for the secret", "if not self._matches(given):", "if False:"),
        ("secrets are compared in constant time",
         "hmac.compare_digest(given, self._secret)", "given == self._secret"),
        ("secrets may hold any bytes", "token.encode(\"latin-1\", \"replace\")", 'token.encode("ascii")'),
        ("the endpoint takes POST alone", 'if visitor.method != "POST":', "if False:"),
        ("the endpoint is no page", "            if self.covers(text) or self.covers(_below(text, script_name)):\n", "            if False:\n"),
        ("bodies are bounded",
         "request.max_content_length = request.max_form_memory_size = MAX_BODY", "pass"),
        ("names are bounded", "        if len(paths) + len(tags) + len(touched) > MAX_NAMES:\n", "        if False:\n"),
        ("documents are objects", "        if not isinstance(document, dict):\n", "        if False:\n"),
        ("answers of the endpoint are not kept", '            ("Cache-Control", "no-store"),\n', ""),
        ("answers of the endpoint tell no referrer",
         '            ("Referrer-Policy", "no-referrer"),  # the URL may hold the secret\n', ""),
    ),
    *_of("management/wrong_guesses.py", "dashboard/test_login.py")(
        ("a store's count may be anything", "TypeError, OverflowError)", "TypeError)"),
        ("who guesses waits", "pause = 0 if count <= FREE else", "pause = 0 if True else"),
        ("guesses of all peers are counted together", "for name in (_OVERALL, _who(peer)))", "for name in (_who(peer),))"),
        ("addresses of one network are one peer", "if isinstance(address, ipaddress.IPv6Address):", "if False:"),
    ),
    *_of("dashboard/same_origin.py", "dashboard/test_login.py")(
        ("forms are fetched from the own origin", '    if fetched not in (None, "same-origin"):\n        return False\n', ""),
        ("forms come from the own origin", "return normal_host(scheme, host) == normal_host(scheme, visitor.host)", "return True"),
        ("forms do not come from nowhere", 'or (origin == "null" and fetched)', 'or origin == "null"'),
    ),
    *_of("dashboard/sessions.py", "dashboard/test_login.py")(
        ("sessions are signed", "(id, int(end)) if signed and 0 <", "(id, int(end)) if 0 <"),
        ("sessions end", "0 < int(end) - self._now() <= seconds", "True"),
        ("a session that was logged out is over", "return self._store.read_note(\"x:\" + id, self._now()) is not None", "return False"),
        ("a link logs in once", "or self._store.read_note(used, now) is not None", ""),
        ("signatures say what they are for", 'f"{kind}:{text}".encode()', "text.encode()"),
    ),
    *_of("dashboard/login.py", "dashboard/test_login.py")(
        ("a login is no form of another site", "if not self._ours(visitor) or not self._sessions.is_login_token(token):", "if not self._sessions.is_login_token(token):"),
        ("forms need the token of their session", "if self._ours(visitor) and _same(request.form.get(\"token\", \"\"), session.token):", "if self._ours(visitor):"),
        ("during a pause the secret is not taken", "if wait := self._guesses.pause(peer):", "if wait := 0:"),
        ("a login leads nowhere else", "(back if is_below(back) else \"/\")", "back"),
    ),
    *_of("dashboard/app.py", "dashboard/test_login.py", "dashboard/test_pages.py")(
        ("a deep document is none", "    except RecursionError:  # arrays", "    except ZeroDivisionError:  # arrays"),
        ("the dashboard asks who is there", "if session is None and not bearer:", "if False:"),
        ("actions are asked for by forms of the dashboard", "if session is not None and (refusal := self._login.refusal(visitor, request, session)):", "if False:"),
        ("what is asked of Why is in no URL", "given = {} if view.posted else dict(request.args)", "given = dict(request.args)"),
        ("stored pages are shown in a sandbox", "(*kinds, \"text/plain\")[0], policy=SANDBOX)", "(*kinds, \"text/plain\")[0])"),
    ),
    *_of("serving/counted_answers.py", "serving/test_counted_answers.py")(
        ("stored pages that are fetched ahead are counted apart",
         'return "prefetch" if said.lower().startswith("prefetch") else result', "return result"),
        ("only stored pages are counted as fetched ahead",
         'environ.get("HTTP_SEC_PURPOSE", "") if result in _STORED else ""',
         'environ.get("HTTP_SEC_PURPOSE", "")'),
    ),
    *_of("wsgi.py", "serving/test_counted_answers.py")(
        ("a prepared hit that is fetched ahead is counted apart",
         '            or "HTTP_SEC_PURPOSE" in environ\n', ""),
    ),
    *_of("rendering/clean_room.py", "test_opentelemetry.py")(
        ("what an app does lies below the span of its render", "        context.run(enter)\n", "        pass\n"),
    ),
    *_of("storage/observing.py", "test_opentelemetry.py")(
        ("spans of an observer break no render",
         "                entered.append((number, made, made.__enter__()))\n            except Exception:",
         "                entered.append((number, made, made.__enter__()))\n            except KeyError:"),
    ),
    *_of("backends/memory_counts.py", "backends/test_memory.py")(
        ("routes of a store are bounded, in memory", "if len(self._routes) >= MAX_ROUTES:", "if False:"),
    ),
    *_of("backends/sqlite/counts.py", "backends/test_sqlite.py")(
        ("routes of a store are bounded, in SQLite", "    return set(new[room:])\n", "    return set()\n"),
    ),
    *_of("backends/redis/counts.py", "backends/test_redis.py")(
        ("routes of a store are bounded, in Redis", "if redis.call('SCARD', routes) < most_routes then", "if true then"),
    ),
    *_of("core/render_log.py", "core/test_render_log.py")(
        ("past renders of a page are few", '*before.split("\\n")[1 - LAST :]', '*before.split("\\n")'),
        ("past renders are no more than lines of ours", "except (ValueError, KeyError):", "except ZeroDivisionError:"),
    ),
    *_of("dashboard/page_details.py", "dashboard/test_pages.py")(
        ("numbers of versions are short", 're.fullmatch("[0-9]{1,9}", text)', "text.isdecimal()"),
    ),
    *_of("dashboard/loopback.py", "cli/test_dashboard.py")(
        ("a short secret opens nothing on loopback", "len(known) >= MIN_SECRET", "bool(known)"),
        ("other names do not lead to the dashboard on loopback", "if visitor is None or visitor.host.rpartition(\":\")[0] not in _NAMES:", "if visitor is None:"),
    ),
    *_of("dashboard/panel.py", "dashboard/test_panel.py")(
        ("the panel is put into whole documents", "if _DOCUMENT.match(body) and", "if"),
        ("the panel is styled as policies allow", "elif nonces or hashes or \"'unsafe-inline'\" not in sources:", "elif False:"),
        ("the panel is text", "return escape(printable(value))", "return value"),
        ("the panel lets streams pass", "and \"content-length\" in fields", ""),
    ),
    *_of("wsgi.py", "dashboard/test_panel.py")(
        ("the panel is for development", "if mode == \"develop\" and runtime.settings.panel:", "if runtime.settings.panel:"),
    ),
    *_of("dashboard/templating.py", "dashboard/test_pages.py")(
        ("text becomes no markup", "        autoescape=True,\n", ""),
        ("what cannot be seen is shown", "return printable(value) if type(value) is str else value", "return value"),
    ),
    *_of("routing/drafts.py", "routing/test_drafts.py")(
        ("draft cookies are signed", "return signed and now <", "return now <"),
        ("signatures are compared in constant time",
         "hmac.compare_digest(self._sign(end).encode(), signature.encode())",
         "self._sign(end) == signature"),
        ("draft cookies end", "signed and now < int(end) <=", "signed and int(end) <="),
        ("draft cookies last no longer than any that is signed now",
         "now < int(end) <= now + MAX_SECONDS", "now < int(end)"),
        ("draft cookies are not for scripts", "; HttpOnly; SameSite=Lax", "; SameSite=Lax"),
        ("draft cookies are signed with another key than the secret",
         'hmac.digest(secret.encode(), b"isgware draft cookies, version 1", "sha256")',
         "secret.encode()"),
    ),
    *_of("serving/passthrough.py", "routing/test_drafts.py")(
        ("drafts are nobody's to keep", '    if detail == "draft":', '    if detail == "nothing":'),
    ),
    # Pages kept from visitors' own requests.
    *_of("shared_cache/rules.py", "shared_cache/test_rules.py", "shared_cache")(
        ("own answers with cookies are not kept",
         'if values(headers, "set-cookie") or values(headers, "set-cookie2"):', "if False:"),
        ("own answers to credentials are not kept",
         "    if credentials and not allowed:\n", "    if False:\n"),
        ("credentials are not answered from own answers",
         'if credentials and not directives.keys() & {"public", "s-maxage", "must-revalidate"}:',
         "if False:"),
        ("own answers are sound",
         "    if not sound_status(status) or not sound_headers(headers):\n        return Refusal(\"bad",
         "    if False:\n        return Refusal(\"bad"),
        ("answers about one request are no own answers to keep", " or code in _ABOUT_THE_REQUEST:", ":"),
        ("parts are no own answers to keep", "code < 200 or code in _PARTS or", "code < 200 or"),
        ("own answers that vary by anything are not kept",
         '    if "*" in vary:\n        return Refusal("vary-star")', ""),
        ("keys of own answers are not endless", "    if len(vary) > MAX_LEARNED:\n", "    if False:\n"),
        ("own answers that are private are not kept",
         '    if _unqualified("private", directives):\n', "    if False:\n"),
        ("own answers that are no-store are not kept",
         '    elif "no-store" in directives:', "    elif False:"),
        ("who asks that nothing is stored is obeyed", "    if asked_not_to:\n", "    if False:\n"),
        ("fields that an own answer excepts are not kept", "named | storing.omitted", "named"),
        ("an own answer that names nothing in no-cache is validated",
         "return name in directives and not field_names(directives[name])",
         "return name in directives and not directives[name]"),
    ),
    *_of("core/storable.py", "core/test_storable.py")(
        ("a Vary that is no list of names says anything",
         'item if TOKEN.fullmatch(item) else "*"', "item"),
    ),
    *_of("http/cache_control.py", "http/test_cache_control.py")(
        ("directives that name fields add up", "if name in QUALIFIED and name in found:", "if False:"),
    ),
    *_of("http/validation.py", "shared_cache/test_tables.py")(
        ("a cookie of a 304 is not kept", ' | {"set-cookie", "set-cookie2"}', ""),
    ),
    *_of("http/validation.py", "http/test_validation.py")(
        ("a 304 about another page renews none",
         "return _opaque(said[0]) == _opaque(etag)", "return True"),
    ),
    *_of("http/vary.py", "http/test_vary.py")(
        ("cookies are in no key of own answers",
         "if name in PERSONAL or name in OVERRIDING or len(value) > MAX_KEYED_VALUE:",
         "if name in OVERRIDING or len(value) > MAX_KEYED_VALUE:"),
        ("what changes the method is in no key of own answers",
         "if name in PERSONAL or name in OVERRIDING or len(value) > MAX_KEYED_VALUE:",
         "if name in PERSONAL or len(value) > MAX_KEYED_VALUE:"),
        ("keys of own answers are bounded",
         "if name in PERSONAL or name in OVERRIDING or len(value) > MAX_KEYED_VALUE:",
         "if name in PERSONAL or name in OVERRIDING:"),
    ),
    *_of("shared_cache/responses.py", "shared_cache/test_order.py")(
        ("the answer to the later request is kept",
         "if old is None or old.entry.order < exchange.order:\n            return exchange.order",
         "if old is None:\n            return exchange.order\n        if old:\n"
         "            return old.entry.order + 1"),
        ("a 304 renews only what it confirms", "if replaced or self._is_withdrawn(entry):",
         "if self._is_withdrawn(entry):"),
        ("what was asked for before a withdrawal is not kept",
         "if replaced or self._is_withdrawn(entry):", "if replaced:"),
        ("what is withdrawn is so in every process",
         "                self._seal(place, exchange, confirmable)\n",
         "                self.drop(place, exchange)\n"),
        ("what is withdrawn meanwhile does not stand in",
         "if found is not None and found.entry.order > page.entry.order:", "if False:"),
        ("clocks that are put back stop no storing",
         "or old.entry.order > self._future():", "or False:"),
    ),
    *_of("shared_cache/forward.py", "shared_cache/test_order.py")(
        ("who is known withdraws nothing", "if visit.credentials or visit.asked.no_store:",
         "if False:"),
    ),
    *_of("shared_cache/rules.py", "shared_cache/test_order.py")(
        ("failures withdraw nothing", "if code in _PARTS or not 200 <= code < 400:",
         "if False:"),
    ),
    *_of("shared_cache/responses.py", "shared_cache/test_hostile.py")(
        ("own answers are kept apart by what reroutes a request",
         "selecting({*nominated, *REROUTING}, visitor.header)",
         "selecting({*nominated}, visitor.header)"),
        ("nothing is renewed that was purged", " or state is State.GONE:", ":"),
    ),
    *_of("shared_cache/responses.py", "shared_cache/test_behind.py")(
        ("an own answer is for those whom its Vary names",
         "if page is not None and not place.tells_apart(varies(page.entry.headers)):", "if False:"),
    ),
    *_of("shared_cache/forward.py", "shared_cache")(
        ("what HEAD is answered is no page", '        if visit.visitor.method == "HEAD":\n            self._saw',
         '        if False:\n            self._saw'),
        ("own answers that stream are not kept",
         'if streams(reply.headers):', "if False:"),
        ("a view may refuse its own answer", "        if visit.exchange.rendering.refused:\n",
         "        if False:\n"),
        ("own answers are asked for alone where the request is somebody's",
         "            and not visit.credentials\n", ""),
        ("what an app takes back is not kept", "            if not reply.overtaken:\n", "            if True:\n"),
    ),
    *_of("shared_cache/reply.py", "shared_cache/test_reply.py")(
        ("own answers are as long as announced",
         "if whole is not None and self._announced in (None, self._size):", "if whole is not None:"),
        ("own answers in one piece are as long as announced",
         "len(body) <= limit and announced in (None, len(body))", "len(body) <= limit"),
        ("large own answers are not kept", "if self._size > self._limit or", "if"),
        ("large own answers in one piece are not kept", "len(body) <= limit and announced", "announced"),
        ("own answers that break off are not kept",
         "    def close(self) -> None:\n        self._whole = None\n        self._done()",
         "    def close(self) -> None:\n        self._finish()\n        self._done()"),
    ),
    *_of("routing/learned_routes.py", "promises/test_p6_two_processes.py")(
        ("a write hears of what others have learned", "if not again or found[0].kept:", "if True:"),
    ),
    *_of("shared_cache/responses.py", "shared_cache")(
        ("own answers are kept for trusted hosts",
         "        if not self._engine.planner.trusts(scheme, host):\n", "        if False:\n"),
        ("own answers are kept for plain URLs", "        if url_refusal(visitor):\n", "        if False:\n"),
        ("drafts are not kept from own answers",
         "return self._drafts is not None and self._drafts.owned(cookie)", "return False"),
    ),
    *_of("shared_cache/related_urls.py", "shared_cache")(
        ("other origins are not purged",
         "if (there.scheme, normal_host(there.scheme, there.netloc)) != (scheme, host):", "if False:"),
    ),
    *_of("shared_cache/cache.py", "shared_cache")(
        ("requests with a body are not shared",
         "if _has_body(environ) or self.response_store", "if self.response_store"),
        ("request lines are as keys have them", " or _ambiguous(environ):", ":"),
        ("hosts are as keys have them", "        if normal_host(visitor.scheme, visitor.host) != visitor.host:\n", "        if False:\n"),
    ),
    # Limits.
    *_of("routing/learned_routes.py", "promises/test_p7_floods.py")(
        ("learned_routes are bounded", "        if len(self._known) >= _MAX_LEARNED:\n", "        if False:\n"),
    ),
    *_of("serving/passed_urls.py", "promises/test_p7_floods.py")(
        ("URLs that pass are bounded", "if len(self._known) >= _MAX_PASSED:", "if False:"),
    ),
    *_of("shared_cache/cache.py", "promises/test_p7_floods.py")(
        ("URLs with nothing to store are bounded", "if len(self._passed) >= _MAX_SILENT:", "if False:"),
    ),
    *_of("shared_cache/responses.py", "promises/test_p7_floods.py")(
        ("URLs that were asked for are bounded",
         "        if len(self._asked) >= _MAX_ASKED:\n", "        if False:\n"),
    ),
    *_of("storage/process_cache.py", "storage/test_process_cache.py", "promises/test_p7_bounded.py", "promises/test_p7_floods.py")(
        ("request lines of a page are bounded",
         "                if len(page.raws) >= _RAWS_PER_PAGE:\n", "                if False:\n"),
        ("request lines are not endless", " <= _MAX_RAW", " <= 10**9"),
        ("memory is bounded", "        while self.size > limit and self.pages:\n", "        while False:\n"),
        ("error pages have a quota",
         "self._errors.excess(self._limit // 16, added) or", "None or"),
    ),
    *_of("serving/refused_urls.py", "serving/test_refused_urls.py")(
        ("refused URLs are looked at again when something has changed",
         "known[2] != self._routes.epoch", "False"),
        ("refused URLs are remembered of those only that are so for all",
         "if not answer.skipped or not", "if not"),
    ),
    *_of("regeneration/refused_routes.py", "regeneration/test_refused_routes.py")(
        ("refused routes are tried seldomer", "failed = min(failed, 12)", "failed = 0"),
        ("refused routes are bounded", "while len(self._routes) > _MAX_ROUTES:", "while False:"),
        ("signs that mislead are counted", "known.wrong_hints, known.hinted_key = known.wrong_hints + 1, \"\"",
         "known.hinted_key = \"\""),
        ("cookies that were set before are no sign", "if reason != \"set-cookie\" or cookies:",
         "if reason != \"set-cookie\":"),
        ("streams of learned routes are never tried again", "        if known.final:\n",
         "        if False:\n"),
        ("another policy is tried at once",
         "if known is None or known.fingerprint != fingerprint:\n            return \"\"",
         "if known is None:\n            return \"\""),
    ),
    *_of("regeneration/outcomes.py", "promises/test_p7_floods.py")(
        ("pages of a refused route are not all tried",
         "return self.routes.pause(route, fingerprint, now) if route else \"\"", "return \"\""),
        ("a page whose answer looks storable is tried",
         "        if route and self.routes.tried_early(route, key):\n", "        if False:\n"),
        ("refusals are bounded", "        while len(self._dynamic) > _MAX_DYNAMIC:\n", "        while False:\n"),
    ),
    *_of("serving/loading_page.py", "promises/test_loading.py", "promises/test_p7_floods.py")(
        ("promises are bounded", "            while len(self._promised) > _MAX_PROMISED:\n",
         "            while False:\n"),
        ("renders behind loading pages are bounded",
         'return len(renders) < self._settings.loading_renders', "return True"),
    ),
    *_of("core/reads.py", "core/test_reads.py")(
        ("cookies of analytics do not make anybody special",
         "(everything and counting_cookie_name(name))", "everything"),
        ("cookies in the key do not count as read", "if name not in keyed]", "]"),
        ("reads are forgotten after a day", " if now - seen.at < LASTS", ""),
        ("names that were read are bounded", "        elif len(names) > MAX_NAMES:",
         "        elif False:"),
    ),
    *_of("rendering/recorded_mappings.py", "flask/test_recorder.py")(
        ("a session holds a bait", "    if isinstance(value, dict):\n        notes.recording.marks",
         "    if False:\n        notes.recording.marks"),
        ("the id of a session is the whole session", "own[_NOTES].read(EVERYTHING)", "pass"),
    ),
    *_of("rendering/recorded_mappings.py", "flask/test_ways_of_reading.py")(
        ("whether a session is empty is a read", '"__len__", "__bool__", ', '"__len__", '),
    ),
    *_of("rendering/recorded_mappings.py", "django/test_ways_of_reading.py")(
        ("the attributes of a session are all of it", 'in ("new", "__dict__")', 'in ("new",)'),
    ),
    *_of("rendering/recorded_mappings.py", "django/test_reads.py")(
        ("the names of attributes are nobody's",
         '    body["__dir__"] = lambda self: base.__dir__(self)', '    base.__dir__'),
    ),
    *_of("rendering/recorded_mappings.py", "django/test_ways_of_reading.py")(
        ("copies of a session can be made",
         '    body["__reduce_ex__"] = _whole(_reduced(base))\n', ""),
        ("sessions can make others of their class",
         '    body["__new__"] = lambda _, *given, **named: base(*given, **named)', "    base"),
    ),
    *_of("flask/csrf.py", "flask/test_csrf.py")(
        ("tokens of visitors out of a cache refuse the page",
         "if _signer(app).loads(match[0]) not in made.values():", "if False:"),
        ("clean-room tokens out of a cache are found",
         "made = {name: clean_room_value(app), **recording.tokens}", "made = dict(recording.tokens)"),
    ),
    *_of("flask/recorder.py", "flask/test_csrf.py")(
        ("clean rooms make their tokens of one value",
         "        value = csrf.clean_room_value(current_app)\n", ""),
    ),
    *_of("django/csrf.py", "django/test_csrf.py")(
        ("what is called a token and is not ours refuses the page",
         "elif _named(match, data):", "elif False:"),
        ("a hash is no token", 'return b"csrf" in around or', 'return True or b"csrf" in around or'),
    ),
    *_of("rendering/value_holes.py", "flask/test_csrf.py")(
        ("errors of clean rooms that made a token are not shared", "        made\n        or personal", "        personal"),
    ),
    *_of("rendering/value_holes.py", "django/test_csrf.py")(
        ("errors with a token of a clean room are not shared",
         "or any(found(response.headers, response.body) != () for found in finders)", ""),
    ),
    *_of("django/recorded_session.py", "django/test_ways_of_reading.py")(
        ("the inside of a session is the whole of it",
         "        **{name: _private(base, name) for name in _PRIVATE},\n", ""),
        ("what a project's own session class reads counts",
         "return not content or module.startswith", "return True or module.startswith"),
        ("a request that the app makes anew reads all cookies",
         '    "django.core.handlers.wsgi", "django.http.cookie",', '    "django.http.cookie",'),
    ),
    *_of("django/recorder.py", "django/test_ways_of_reading.py")(
        ("headers that are shown are read", "        self._all()\n        return super().__repr__()",
         "        return super().__repr__()"),
    ),
    *_of("flask/recorder.py", "flask/test_recorder.py")(
        ("foreign middleware reads all cookies", "        if foreign:", "        if False:"),
        ("what a CSRF token is made of is noted", "notes.recording.tokens[str(key)] = value", "pass"),
        ("a clean room's session is not saved",
         "        if recording is None:\n            return original(app, session, response)",
         "        if recording is None or original(app, session, response):\n"
         "            return None"),
        ("Flask-Login's user is loaded when somebody looks",
         "        if recording is None:\n            return original()",
         "        if True:\n            return original()"),
    ),
    *_of("routing/visitor_check.py", "flask/test_reads_decide.py")(
        ("only what is in the cookie is remembered of a session",
         "keys is not None and bool(self._site.cookie_session)", "True"),
        ("sessions that are remembered are bounded",
         "if len(self._keys) >= _MAX_REMEMBERED:", "if False:"),
        ("verdicts that are remembered are bounded",
         "if len(verdicts) >= _MAX_REMEMBERED:", "if False:"),
        ("a session backend that fails is left alone for a while",
         "        if began < self._down_until:\n            return None\n", ""),
    ),
    *_of("rendering/observed.py", "flask/test_reads_decide.py")(
        ("a page that writes to the session is refused",
         'return Refusal("set-cookie", f"writes', 'continue  # f"writes'),
        ("what the page says in Vary counts as read", '"cookie" in varies(headers)', "False"),
        ("a cookie that is deleted is read", "    for name in deleted:", "    for name in ():"),
    ),
    *_of("rendering/page_maker.py", "flask/test_reads_decide.py", "django/test_reads.py")(
        ("reads of a page that was purged still count", "        if replaces is None:  # one that was purged",
         "        if False:  # one that was purged"),
    ),
    *_of("flask/site.py", "test_flask.py")(
        ("hosts whose adapters are kept are bounded",
         "if len(self._adapters) >= _MAX_ADAPTERS:", "if False:"),
        ("an app's own way to its routes is asked each time",
         "if found is not None and own:", "if found is not None:"),
    ),
    *_of("rendering/recorded_environ.py", "flask/test_recorder.py", "flask/test_header_reads.py")(
        ("what a render looks at is recorded", "        elif name in LEARNED:", "        elif False:"),
        ("the raw Cookie header reads all cookies",
         "                self._recording.read(COOKIES, EVERYTHING, lambda: where(frame))",
         "                pass"),
    ),
    *_of("core/cache_key.py", "flask/test_variants.py", "routing/test_variants.py")(
        ("values that make no key are own answers",
         "if not is_variant(value) or (values is not None and value not in values):", "if False:"),
        ("keyed values are bounded", " and len(value) <= MAX_VARIANT", ""),
        ("variants are in the key", "        if self.variants:\n", "        if False:\n"),
    ),
    *_of("core/downstream.py", "flask/test_variants.py")(
        ("pages with variants are private",
         "policy.bypass or policy.keyed_cookies or policy.variants", "policy.bypass"),
    ),
    *_of("routing/visitor_check.py", "flask/test_variants.py")(
        ("keyed keys of the session make nobody special", "return keys - policy.keyed_session", "return keys"),
    ),
    *_of("routing/variants.py", "flask/test_variants.py")(
        ("whoever has no cookie that counts is asked nothing",
         'if counting_cookie(visitor.headers.get("HTTP_COOKIE"), None) is None:', "if False:"),
    ),
    *_of("management/variant_decorator.py", "flask/test_variants.py", "django/test_variants.py")(
        ("of nobody a function is asked apart from the render",
         "return site().ask(function, nobody)", "return function(*given, **named)"),
    ),
    *_of("django/recorded_session.py", "django/test_interleaved.py")(
        ("whether there is a session is asked by its cookie",
         "notes.recording.read(COOKIES, settings.SESSION_COOKIE_NAME, lambda: where(frame))", "pass"),
    ),
    *_of("core/header_reads.py", "flask/test_languages.py")(
        ("pages that ask for several lists vary by the whole header",
         "values if found.get(header, values) == values else None", "values"),
        ("lists are keyed if they are languages",
         " or listed != list(values)", ""),
        ("a page that asks for another list than before is learned anew",
         "if name in asked and asked[name] != values", "if False"),
    ),
    *_of("flask/languages.py", "flask/test_languages.py")(
        ("other ways to a language read the whole header",
         "        self._note(_HEADER)\n        return", "        return"),
    ),
    *_of("django/recorder.py", "django/test_reads.py")(
        ("the headers of a request are recorded",
         '    request.__dict__["headers"] = _Headers(environ)\n', ""),
        ("a session that is none of Django's reads all cookies",
         "if not isinstance(session, SessionBase) or not", "if isinstance(session, SessionBase) and not"),
        ("middleware inside of isgware reads all cookies", "        if foreign:", "        if False:"),
    ),
    *_of("django/recorded_session.py", "django/test_reads.py")(
        ("a Django session is not saved in a clean room",
         "            return True  # there is nothing to save", "            pass"),
        ("the key of a session is the whole of it",
         '        "session_key": _whole(base, base.session_key.fget),\n', ""),
        ("what the app says in Vary beside the framework counts",
         "if response is not None and", "if False and"),
    ),
    *_of("django/integration.py", "django/test_ways_of_reading.py")(
        ("what is looked at before there is a request is recorded", "application(watched(environ), ", "application(environ, "),
    ),
    *_of("django/site.py", "django/test_odd_cookies.py")(
        ("Django's cookies are decoded as Django does it",
         'parse_cookie(get_str_from_wsgi({"HTTP_COOKIE": header}, "HTTP_COOKIE", ""))', "parse_cookie(header)"),
    ),
    *_of("routing/framework.py", "flask/test_odd_cookies.py")(
        ("cookies may hold any bytes", "from werkzeug.sansio.http import parse_cookie", "from werkzeug.http import parse_cookie"),
    ),
    *_of("serving/passthrough.py", "flask/test_reads_decide.py")(
        ("own answers by cookie say so to caches in front", "        headers = by_cookie(headers)\n", "        pass\n"),
    ),
    *_of("flask/site.py", "flask/test_reads_decide.py")(
        ("a session class of the app's own is not remembered", "interface.session_class is not SecureCookieSession", "False"),
        ("a session interface of the app's own is not remembered",
         "own = type(interface) is SecureCookieSessionInterface", "own = isinstance(interface, SecureCookieSessionInterface)"),
    ),
    *_of("flask/recorder.py", "flask/test_recorder.py")(
        ("a session that cannot be recorded is read as a whole",
         "            recording.read(SESSION, EVERYTHING, lambda: type(session).__qualname__)", "            pass"),
        ("an interface that cannot be recorded is read as a whole",
         "            recording.read(kind, EVERYTHING, lambda: type(interface).__qualname__)", "            pass"),
        ("cookies of the app's own making are read as a whole",
         "    if not kept or not recorded(cookies, Notes(recording, COOKIES, CALLERS)):",
         "    if not recorded(cookies, Notes(recording, COOKIES, CALLERS)) and kept:"),
        ("a user is read by the remember cookie, too",
         "            recording.read(COOKIES, cookie, lambda: where(frame))\n", ""),
    ),
    *_of("flask/recorder.py", "flask/test_recorder.py")(
        ("an app without a key has sessions that are recorded",
         "                session = interface.make_null_session(app)\n", "                pass\n"),
    ),
    *_of("flask/site.py", "flask/test_asked_little.py")(
        ("no hook of the app runs while a session is looked at",
         "        with app.app_context():\n            session = app.session_interface",
         "        with app.request_context(_own(visitor)):\n            session = app.session_interface"),
    ),
    *_of("routing/visitor_check.py", "flask/test_asked_little.py")(
        ("a session is opened once a request", "        if _DATA not in visitor.memo:\n", "        if True:\n"),
        ("keys of a session are remembered for a minute",
         "        if not (values and now < until <= now + _REMEMBERED):", "        if not values or not until:"),
        ("long headers are not remembered", " and len(header) <= _LONGEST", ""),
        ("what a key admits is not remembered for other pages",
         "lasting = not (policy.keyed_cookies or policy.keyed_session)", "lasting = True"),
    ),
    *_of("rendering/callers.py", "flask/test_recorder.py")(
        ("what only reports reads nothing", "_below(name, framework | OBSERVERS)", "_below(name, framework)"),
    ),
    *_of("rendering/recorded_environ.py", "flask/test_recorder.py")(
        ("taking the Cookie header out reads all cookies",
         "    def pop(self, name: str, *default: Any) -> Any:\n        self.asked(name)\n",
         "    def pop(self, name: str, *default: Any) -> Any:\n"),
        ("setting the Cookie header reads all cookies",
         "    def setdefault(self, name: str, default: Any = None) -> Any:\n        self.asked(name)\n",
         "    def setdefault(self, name: str, default: Any = None) -> Any:\n"),
    ),
    *_of("rendering/recorded_mappings.py", "flask/test_recorder.py")(
        ("an update of a session is a write",
         "        for key, value in added.items():\n            self._isgware_notes.wrote(key, value)\n", ""),
        ("a default of a session is a write",
         "            self._isgware_notes.wrote(key, default)\n", "            pass\n"),
        ("to delete a key is to read it", '"__delitem__", ', ""),
    ),
    *_of("rendering/recorded_mappings.py", "django/test_reads.py")(
        ("an asynchronous write is a write",
         "        self._isgware_notes.wrote(key, value)\n        await", "        await"),
    ),
    *_of("django/recorder.py", "django/test_reads.py")(
        ("tokens are looked for once",
         "    rendering.finders = (clean.places,)", "    rendering.finders = (*rendering.finders, clean.places)"),
    ),
    *_of("django/recorded_session.py", "django/test_reads.py")(
        ("a new key for a session reads all of it",
         "    def cycle_key(session: Any) -> None:\n        session._isgware_notes.read(EVERYTHING)\n",
         "    def cycle_key(session: Any) -> None:\n        pass\n"),
        ("a page that saves its session is refused",
         '        session._isgware_notes.wrote_for_good("session_key")', "        pass"),
    ),
    *_of("rendering/page_maker.py", "flask/test_asked_little.py")(
        ("a cookie with a hole is not read by being looked at",
         "unread=(*policy.keyed_cookies, *policy.hole_cookies)", "unread=policy.keyed_cookies"),
    ),
    *_of("flask/recorder.py", "flask/test_recorder.py", "flask/test_header_reads.py")(
        ("the headers of a Flask request are recorded", "        context.request.headers = _Headers(watched)\n", ""),
        ("the client's address is named where it is looked at",
         "        context.request.__class__ = _telling_address(kind)\n", ""),
    ),
    *_of("rendering/compress.py", "rendering/test_compress.py")(
        ("a page whose pieces would be much larger is sent as it is",
         'if size > len(whole["gzip"]) * _MOST_GROWN:', "if False:"),
    ),
    *_of("core/hosts.py", "core/test_hosts.py")(
        ("other ports of a trusted host are not trusted",
         "        if (known_port or default) != (port or default):\n            continue\n", ""),
        ("a trusted host is no part of another's name",
         'name.endswith("." + exact)', "name.endswith(exact)"),
    ),
    *_of("core/redirects.py", "core/test_redirects.py")(
        ("only tracking parameters are put back", " and is_tracking(_name(part))", ""),
        ("what the app has seen is not put back", "if part not in kept and", "if"),
        ("what no query may hold is escaped", "[quote(part, safe=_PLAIN) for", "[part for"),
    ),
    *_of("serving/delivery.py", "promises/test_spellings.py")(
        ("a visitor's tracking parameters are for nobody else",
         "        if location_for(entry, visitor.query) is not None:\n            return\n", ""),
    ),
    *_of("management/regenerate_now.py", "promises/test_spellings.py")(
        ("regenerate means what visitors reach", "return (meant[0] if len(meant) == 1 else next(stored, meant[0]))",
         "return (meant[-1])"),
        ("verbs know what the app redirects", "        return path if there is None else", "        return path if True else"),
    ),
    *_of("routing/framework.py", "promises/test_spellings.py")(
        ("a redirect to another host is no spelling", "there.netloc == adapter.get_host(None) and ", ""),
    ),
    *_of("core/downstream.py", "core/test_downstream.py")(
        ("nginx keeps nothing that is private", "    if any(name in said for name in _NOT_SHARED):", "    if False:"),
        ("what an app says to nginx itself holds",
         '    if any(name.lower() == "x-accel-expires" for name, _ in headers):', "    if False:"),
    ),
    *_of("storage/process_cache.py", "storage/test_process_cache.py")(
        ("nginx asks again for what is stale", '1 if label == "STALE" else left', "left"),
        ("nginx is told what is left", "        left = lifetime - age\n", "        left = lifetime\n"),
    ),
    *_of("core/downstream.py", "core/test_kept_headers.py")(
        ("pages that a cookie may have decided are private",
         "private = not keyed.isdisjoint(by_cookie)", "private = False"),
        ("caches in front are not told of personal pages",
         "if private or terms.vary_cookie or terms.anonymous:", "if False:"),
    ),
    *_of("serving/listed_paths.py", "promises/test_not_found.py")(
        ("nobody waits for a list that took too long already",
         "max(0.0, self._wait_time - spent)", "self._wait_time"),
        ("a list that is out of date makes no 404", " and known.counter >= arrival", ""),
        ("a list that could not be read again is as old as it was",
         "            counter = old.counter\n", "            pass\n"),
    ),
    *_of("regeneration/handoff.py", "regeneration/test_handoff.py")(
        ("jobs remembered are bounded", "            while len(self._delegated) > _MAX_DELEGATED:\n",
         "            while False:\n"),
    ),
    *_of("regeneration/single_flight.py", "regeneration/test_single_flight.py", "promises/test_p7_bounded.py")(
        ("waiters are bounded", "            if self.waiting >= self._max_waiters:\n", "            if False:\n"),
    ),
    *_of("regeneration/backoff.py", "promises/test_p7_bounded.py", "regeneration/test_backoff.py")(
        ("failures are bounded", "            while len(self._failures) > self.LIMIT:\n", "            while False:\n"),
    ),
    *_of("regeneration/local_queue.py", "regeneration/test_local_queue.py")(
        ("what waits to be rendered is bounded", "        if len(self) >= self._limit:\n", "        if False:\n"),
        ("those without a place are bounded",
         "        while len(self._turned_away) > self._limit:\n", "        while False:\n"),
        ("priorities are bounded", "priority is None or (priority == _MOST and not urgent)",
         "priority is None"),
    ),
    *_of("regeneration/render_threads.py", "regeneration/test_render_threads.py", "regeneration/test_render_thread_faults.py")(
        ("a hung render holds up no pace",
         "            running.given_up = True\n            self._throttle.end(number)\n",
         "            running.given_up = True\n"),
        ("a render that may hang holds up no other",
         "not running.given_up and running.started > since for", "not running.given_up for"),
        ("what has ended is not given up",
         "            if number not in self._running:", "            if False:"),
        ("a child does not take its parent's work for its own",
         "        self._own_process()\n        return key in self._queue\n",
         "        return key in self._queue\n"),
        ("who waits does not wait for the pace", "or self._queue.urgent or", "or"),
    ),
    *_of("regeneration/pacing.py", "regeneration/test_pacing.py")(
        ("a chosen switch interval stays", "sys.getswitchinterval() == _PYTHONS_OWN and ", ""),
    ),
    *_of("rendering/notices.py", "promises/test_own_invalidations.py")(
        ("a page that invalidates itself is told once",
         "if names and self.first(target.route, \"own-invalidation\"):", "if names:"),
        ("a page that invalidates others is no matter",
         "rendering.invalidated.intersection(own)", "rendering.invalidated"),
    ),
    *_of("django/caches.py", "django/test_inner_caches.py")(
        ("a view's own closure is not its cache",
         "if wrapped is not None and value is not wrapped", "if value is not wrapped"),
        ("a cache that keeps nothing is no inner cache", "    return bool(cache.get(\"BACKEND\") == _DUMMY)\n",
         "    return False\n"),
    ),
    *_of("build/inventory.py", "build/test_inventory.py")(
        ("a narrow pattern does not declare a wider route",
         "        if pattern is not None and catch.patterns and not catch.whole:\n", "        if False:\n"),
        ("paths of a wide pattern are listed once", "dataclasses.replace(wider, paths=None)", "wider"),
    ),
    *_of("http/ranges.py", "http/test_ranges.py")(
        ("parts are few", " or len(items) > MAX_RANGES", ""),
        ("parts do not overlap", "_overlap(spans) or ", ""),
    ),
    *_of("backends/memory.py", "promises/test_p7_bounded.py", "backends/test_memory.py")(
        ("variants are bounded", "max(0, len(variants) - self._limits.variants)", "0"),
        ("names are bounded", "            if len(table) > self._limits.names:\n", "            if False:\n"),
        ("notes are bounded", "            while len(self._notes) > self._limits.names:\n", "            while False:\n"),
    ),
    # Tokens and nonces: what is put into a page.
    *_of("core/places.py", "core/test_places.py")(
        ("places lie in their page", "place.end <= size", "True"),
        ("places do not lie in one another", "end <= place.offset and", "True and"),
        ("places have a header", "<= place.where < len(headers)", "<= place.where"),
    ),
    *_of("core/stored_page.py", "core/test_places.py")(
        ("a page with places is compressed in pieces", "        and _sound_pieces(entry)\n", ""),
    ),
    *_of("core/spliced_gzip.py", "core/test_spliced_gzip.py")(
        ("nothing is compressed by what stands for a token",
         "next((byte for n in range(255, -1, -1) if (byte := bytes([n])) not in body), None)", 'b"0"'),
        ("nothing refers across what has any length", "primes = place.fixed and blank is not None",
         "primes = blank is not None"),
    ),
    *_of("core/tokens.py", "core/test_tokens.py")(
        ("escaped tokens refuse the page", "        if _torn(known, data, found):\n", "        if False:\n"),
        ("tokens are not looked for in encoded bodies", "    if not readable(headers):\n", "    if False:\n"),
        ("tokens of a body stand in it",
         "    if missing - {place.kind for place in places if place.where == BODY}:\n", "    if False:\n"),
        ("what stands for a token is like it", "_ALPHABETS[alphabet].fullmatch(value) is not None", "True"),
        ("what stands for a token is as long", "len(value) == length and ", ""),
    ),
    *_of("rendering/value_holes.py", "promises/test_p12_nonces.py", "promises/test_p12_cookies.py")(
        ("the store holds no nonce", "        body=blanked(entry.body, in_body(places)),\n", ""),
        ("nobody compares pages with tokens", '        etag="",\n', ""),
        ("tokens that cannot stand in a page refuse it", "        if token is None or cookie in tokens:\n            return None\n",
         "        if token is None or cookie in tokens:\n            continue\n"),
    ),
    *_of("django/csrf.py", "django/test_csrf.py")(
        ("fewer tokens than were made refuse the page", "len(found) < self.made or ", ""),
        ("a field with a stranger's token refuses the page",
         'b"value" in field and not any(token in field for token in found)', "False"),
        ("the secret of clean rooms is in no page", "            if self.secret.encode() in data:\n", "            if False:\n"),
        ("a clean room sets no CSRF cookie", "        if name != _USED or not value or", "        if True or"),
    ),
    *_of("flask/csrf.py", "flask/test_csrf.py")(
        ("a form with a key of its own is not filled", "        except BadData:  # a form with a key of its own\n            return None\n",
         "        except BadData:\n            pass\n"),
        ("a token that was cut refuses the page", "found if data.count(payload) == len(found) else None", "found"),
        ("what a token is made of is in no page", "    if str(value).encode() in data:\n", "    if False:\n"),
        ("a stranger's field refuses the page",
         "return None if _unknown_in_form(name, places, body) else", "return"),
    ),
    *_of("serving/filling.py", "promises/test_p12_cookies.py")(
        ("a cookie that is there twice is the app's to judge", "len(values) != 1 or ", ""),
    ),
    *_of("wsgi.py", "promises/test_p12_nonces.py")(
        ("who has credentials gets no page that was made ready to be filled",
         "return environ.keys().isdisjoint(CREDENTIALS)", "return True"),
        ("pages with places are filled", "page is not None and page.entry.places", "False"),
    ),
    *_of("core/filled_page.py", "promises/test_p12_nonces.py", "promises/test_p12_cookies.py")(
        ("nobody keeps pages with tokens", 'name in _OF_ONE_BODY or name.endswith("-cache-control")', 'False'),
    ),
    *_of("core/hole_places.py", "flask/test_holes.py")(
        ("a marker that was altered or torn refuses the page", "    return found if {index for _, _, index in found} == set(range(count)) else None",
         "    return found"),
        ("part of a marker refuses the page", "folded.count(prefix.encode()) != len(found) or ", ""),
        ("a marker in a header refuses the page", "if prefix in lines or number in lines:", "if False:"),
    ),
    *_of("rendering/placeholders.py", "flask/test_holes.py")(
        ("a hole that writes the session refuses the page", "        if refusal := _shows_bait(theirs.recording, [texts[n] for n in numbers]):\n", "        if False:\n"),
        ("a hole that raises refuses the page", "        for use, raised in run.errors.items():\n", "        for use, raised in ():\n"),
        ("nobody keeps a page that is filled for some", "        if not self.reads.personal:\n            return response\n", "        if True:\n            return response\n"),
    ),
    *_of("serving/hole_filling.py", "flask/test_holes.py")(
        ("HEAD runs no hole", 'if visitor.method == "HEAD":', "if False:"),
        ("a run that failed leaves placeholders", "self.response is None or self.response.code == 500", "False"),
        ("a run has no conditions of its visitor", "if name not in _OF_THE_ANSWER and", "if"),
        ("an answer before the holes is the visitor's", "not ran.run.reached and not ran.failed", "False"),
    ),
    *_of("rendering/placeholders.py", "flask/test_client_holes.py")(
        ("a client hole stands where the browser can fill it", "if refusal := self._misplaced(markers, response) or", "if refusal :="),
        ("what a client hole reads is no read of others", "and use.client is client", "and use.client is False"),
    ),
    *_of("rendering/client_places.py", "flask/test_client_holes.py")(
        ("a client hole stands in no text field", "and _TEXT_ONLY.isdisjoint(self._open)", ""),
        ("a client hole stands in no other page than HTML", 'if kind != "text/html":', "if False:"),
    ),
    *_of("wsgi.py", "flask/test_holes_attacked.py")(
        ("a page that was filled before is filled while it stands",
         "ready.stands(self._version[0][0], self.runtime.now())\n            and ", ""),
        ("who has credentials has no page filled that was ready",
         "            and environ.keys().isdisjoint(CREDENTIALS)\n            and not self._line", "            and not self._line"),
        ("who has a draft cookie has no page filled that was ready",
         "            and not self._line.is_watched(environ)\n        )\n\n    def _get(", "        )\n\n    def _get("),
    ),
    *_of("routing/visitor_check.py", "flask/test_holes_attacked.py")(
        ("what the page reads keeps a visitor from having it filled",
         "self.personal(visitor, _BY_READS, entry) is None", "True"),
    ),
    *_of("serving/client_holes.py", "flask/test_client_holes.py")(
        ("holes are asked for by the page that holds them", "what.of != digest(holes) or ", ""),
        ("a hole has a number", " or max(what.numbers) >= len(holes)", ""),
        ("no other site reads holes", "headers = [*_ANSWER_HEADERS]", "headers = [*_ANSWER_HEADERS, (\"Access-Control-Allow-Origin\", \"*\")]"),
        ("nobody keeps what was made for a visitor", '    ("Cache-Control", "private, no-store"),\n', ""),
        ("holes are made at the URL of their page", '"PATH_INFO": what.path, ', ""),
    ),
    *_of("core/client_holes.py", "flask/test_client_holes.py")(
        ("holes are asked for at URLs that can be asked for", "if not _QUERY.fullmatch(rest):", "if False:"),
        ("what asks for holes names numbers alone", "not _NUMBERS.fullmatch(numbers)", "not numbers"),
    ),
    *_of("serving/own_cookies.py", "flask/test_learned_sessions.py", "django/test_learned_sessions.py")(
        ("a session with something in it is not learned from",
         "bool(keys) and keys <= site.session_bookkeeping", "bool(keys)"),
    ),
    *_of("serving/delivery.py", "flask/test_holes.py")(
        ("who has something of their own gets no prepared hit", " or bool(entry.holes)", ""),
    ),
    *_of("django/holes.py", "django/test_holes.py")(
        ("no cache of Django's keeps what was made for holes", "        _current(request)._cache_update_cache = False", "        pass"),
    ),
    *_of("holes.py", "flask/test_holes.py")(
        ("no hole in a cache of the app", "    _outside_of_caches(use)\n", ""),
        ("a hole that raises costs that hole only", "                except Exception as error:\n                    self.errors", "                except ZeroDivisionError as error:\n                    self.errors"),
    ),
    *_of("backends/sqlite/counts.py", "backends/test_sqlite.py")(
        ("SQLite: a repeat is not counted twice", "    if told and told[0] >= number:\n", "    if False:\n"),
    ),
    *_of("backends/redis/counts.py", "backends/test_redis.py")(
        ("Redis: a repeat is not counted twice", "if tonumber(ARGV[3]) <= before then return 0 end\n", ""),
    ),
    *_of("backends/memory_counts.py", "backends/test_memory.py")(
        ("memory: a repeat is not counted twice", "if number <= self._told.get(process, 0):", "if False:"),
    ),
    *_of("management/metrics.py", "management/test_metrics.py")(
        ("metrics are for who has a secret", "scheme.lower() == \"bearer\" and any(known)", "True"),
        ("metrics take no other scheme", "scheme.lower() == \"bearer\" and any(known)", "any(known)"),
    ),
    *_of("storage/counting.py", "storage/test_counting.py")(
        ("what a parent has counted is the parent's", "            self._amounts = {}\n            self._collect()\n", ""),
        ("what was not confirmed is told again as it was", "            if not self._pending:\n", "            if True:\n"),
        ("routes are bounded", "if len(self._routes) >= MAX_ROUTES:", "if False:"),
    ),
    *_of("regeneration/render_threads.py", "storage/test_counting.py")(
        ("counts are told at exit", "    counting.tell_at_exit()\n", ""),
    ),
    *_of("storage/counting.py", "storage/test_counting.py")(
        ("series are bounded", "if name not in self._names and len(self._names) >= MAX_SERIES:", "if False:"),
    ),
    *_of("serving/counted_answers.py", "serving/test_counted_answers.py")(
        ("results are those that there are", ' and value.lower() in RESULTS:', ":"),
        ("methods are not told apart", '                    reason = "method"  #', "                    pass  #"),
    ),
    *_of("cli/metrics.py", "cli/test_metrics.py")(
        ("metrics on loopback are asked for by its name", 'if not _OURS.fullmatch(environ.get("HTTP_HOST", "")):', "if False:"),
    ),
    *_of("storage/following.py", "storage/test_following.py")(
        ("a store that is away does not end the log", "        if self._store.open_since is not None:\n            return\n", ""),
        ("what is lost is told", "                self._lost += len(some)\n", "                pass\n"),
    ),
    *_of("backends/sqlite/followers.py", "storage/test_following.py")(
        ("followers that were killed are forgotten", "            path.unlink()\n", "            pass\n"),
        ("what is no socket is not removed", "if stat.S_ISSOCK(path.lstat().st_mode):", "if True:"),
        ("who cannot be told keeps nobody from being told", "the others are told all the same\n                    told = False\n", "\n                    raise\n"),
        ("nothing is told where others may listen", "            _check_ours(self._directory)\n", ""),
        ("nobody follows where others may listen", "        _check_ours(directory)\n", ""),
        ("a directory of followers is its user's alone", "or status.st_mode & 0o022:", ":"),
    ),
    *_of("runtime.py", "storage/test_counting.py")(
        ("a child tells its counts", "                ready.version = -1\n", "                pass\n"),
    ),
    *_of("storage/observing.py", "storage/test_observing.py")(
        ("events that wait are bounded", "if len(queue) >= self._limit:", "if False:"),
        ("an observer that fails is logged once", "if number not in self._failed:", "if True:"),
        ("a child's events are its own",
         "        self._own_process()\n        queue = self._queue\n",
         "        queue = self._queue\n"),
        ("who comes later hears of prepared hits",
         "        if was != self.active:\n            self.on_change()\n", ""),
    ),
    *_of("routing/route_names.py", "routing/test_route_names.py")(
        ("a converter that fails is no visitor's error", "        except Exception:  #",
         "        except ZeroDivisionError:  #"),
    ),
    # What SQLAlchemy reads and writes, for dependencies=.
    *_of("sqlalchemy/reading.py", "sqlalchemy/test_reading.py")(
        ("SQLAlchemy: raw SQL reads everything", 'if kind_of(statement) in ("read", "write"):',
         "if False:"),
        ("SQLAlchemy: text() reads everything",
         'if kind_of(context.unicode_statement) in ("read", "write"):', "if False:"),
        ("SQLAlchemy: a transaction from before is everything",
         "if connection not in known_here().connections:", "if False:"),
        ("SQLAlchemy: keys of rows are noted as they are fetched", "if plan.shown:", "if False:"),
        ("SQLAlchemy: RETURNING shows rows", "if compiled.statement._returning:", "if False:"),
        ("SQLAlchemy: a question has its own values",
         "value_of(names, parameters, given) if isinstance(given, BindParameter) else given",
         "given.value if isinstance(given, BindParameter) else given"),
    ),
    *_of("sqlalchemy/recorder.py", "sqlalchemy/test_reading.py", "sqlalchemy/test_transactions.py")(
        ("SQLAlchemy: objects that were held are everything", "if held and reads is not None:",
         "if False:"),
        ("SQLAlchemy: hits of a session from before are everything",
         "and session not in known_here().sessions:", "and False:"),
        ("SQLAlchemy: what SQLite commits with its last row is fetched",
         "    _fetch_what_is_not_committed_else(connection, cursor, context)\n    if", "    if"),
        ("SQLAlchemy: autocommit tells at once", "if commits or autocommits(connection):",
         "if commits:"),
        ("SQLAlchemy: a commit in plain words tells", "if commits or autocommits(connection):",
         "if autocommits(connection) and False:"),
    ),
    *_of("sqlalchemy/selects.py", "sqlalchemy/test_reading.py")(
        ("SQLAlchemy: a star is every column", "if id(selected.statement) not in self._exist:",
         "if False:"),
        ("SQLAlchemy: text may name other tables", "if _MORE_TABLES.search(text):", "if False:"),
        ("SQLAlchemy: text in a query is the whole table", "elif not _CONSTANT.match(text):",
         "elif False:"),
        ("SQLAlchemy: an unknown expression is the whole table", "elif not _known(part):",
         "elif False:"),
        ("SQLAlchemy: order by a name is every column",
         "self._all = True", "pass"),
        ("SQLAlchemy: columns without the key decide",
         "        if not has_key or (_picks(select)", "        if (_picks(select)"),
        ("SQLAlchemy: what is picked decides", "elif _picks(selected.select):", "elif False:"),
    ),
    *_of("sqlalchemy/equalities.py", "sqlalchemy/test_reading.py")(
        ("SQLAlchemy: an outer join does not restrict its outer side",
         "right if element.isouter else left | right", "left | right"),
        ("SQLAlchemy: a full join restricts neither side", "if not element.full:", "if True:"),
        ("SQLAlchemy: OR is no conjunction",
         "isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:",
         "isinstance(condition, BooleanClauseList):"),
    ),
    *_of("sqlalchemy/writes.py", "sqlalchemy/test_writing.py")(
        ("SQLAlchemy: a table may replace rows",
         " or _replaces(statement, table):", ":"),
        ("SQLAlchemy: an upsert that changes keys changes the table",
         "    if columns & set(key_columns(table)):\n        return None\n    new = {", "    new = {"),
        ("SQLAlchemy: what an upsert sets to something else than its row is not known",
         '        and getattr(value.table, "name", "") == "excluded"\n', ""),
        ("SQLAlchemy: a prefix may change other rows", "others or statement._prefixes or ",
         "others or "),
        ("SQLAlchemy: rows of a SELECT are not known",
         'if getattr(statement, "select", None) is not None or statement._multi_values:',
         "if statement._multi_values:"),
    ),
    *_of("sqlalchemy/row_writes.py", "sqlalchemy/test_writing.py")(
        ("SQLAlchemy: foreign keys cascade",
         "        for cascade in cascades_of(change.table):", "        for cascade in ():"),
        ("SQLAlchemy: a key that is set is another row",
         "    if columns & set(key_columns(change.table)):", "    if False:"),
        ("SQLAlchemy: a value of the database is not known",
         "    new = {name: value for name, value in old.items() if name not in columns}",
         "    new = dict(old)"),
    ),
    *_of("sqlalchemy/old_rows.py", "sqlalchemy/test_writing.py", "sqlalchemy/test_transactions.py")(
        ("SQLAlchemy: without a lock old rows are not known",
         "        if not self._lock(change.table):\n            return None\n", ""),
        ("SQLAlchemy: too many rows are all rows", " if len(rows) <= MOST else None", ""),
        ("SQLAlchemy: a condition that changes its mind is not trusted",
         " or not all(map(self._settled, change.where)):", ":"),
    ),
    *_of("sqlalchemy/writing.py", "sqlalchemy/test_writing.py")(
        ("SQLAlchemy: upserts change rows", "if (conflict := change.conflict) is not None:",
         "if (conflict := change.conflict) is not None and False:"),
        ("SQLAlchemy: a transaction that has failed is the app's to know of",
         'if isinstance(error, DBAPIError) and connection.dialect.name != "sqlite":', "if False:"),
    ),
    *_of("sqlalchemy/raw_sql.py", "sqlalchemy/test_raw_sql.py")(
        ("SQLAlchemy: in MySQL statements about tables commit",
         "return dialect in IMPLICIT_COMMIT and bool(", "return False and bool("),
    ),
    *_of("sqlalchemy/transactions.py", "sqlalchemy/test_transactions.py")(
        ("SQLAlchemy: a commit that failed may have happened",
         "    finally:  # one that failed may have happened\n        tell(told(writes))",
         "    except ZeroDivisionError:\n        pass\n    else:\n        tell(told(writes))"),
        ("SQLAlchemy: the lock ends with its transaction", " or self.locked\n", "\n"),
        ("SQLAlchemy: what is rolled back is forgotten",
         "    original(pooled)\n    if pending is not None:\n        tell(told(pending.drop()))",
         "    original(pooled)"),
        ("SQLAlchemy: what another process prepared is everything",
         'elif (args and args[0]) or kwargs.get("is_prepared"):', "elif False:"),
    ),
    *_of("sqlalchemy/raw_cursors.py", "sqlalchemy/test_raw_cursors.py")(
        ("SQLAlchemy: cursors of the driver read everything",
         'if reads is not None and kind in ("read", "write"):', "if False:"),
        ("SQLAlchemy: cursors of the driver write everything",
         'if kind == "write" and listening() and tracked.get():', "if False:"),
        ("SQLAlchemy: who takes the driver's connection reads and writes everything",
         "                _taken(self)\n", "                pass\n"),
        ("SQLAlchemy: connections of the pool that execute are cursors",
         "        return _noting(self, name, found, None)\n", "        return found\n"),
        ("SQLAlchemy: what is written at the end of a block is told then",
         "if write is not None and name in _LATER:", "if False:"),
    ),
    *_of("sqlalchemy/transactions.py", "sqlalchemy/test_raw_cursors.py")(
        ("SQLAlchemy: what was written elsewhere is told at a rollback, too",
         "        return self.take()\n\n\ndef pending_of", "        return Writes()\n\n\ndef pending_of"),
    ),
    *_of("sqlalchemy/times.py", "sqlalchemy/test_times.py")(
        ("SQLAlchemy: a condition near now is noted",
         "near(value_of(names, values, bound), time.time())", "False"),
        ("SQLAlchemy: the clock of the database is noted", "if bound is None or", "if False or"),
    ),
    *_of("sqlalchemy/recorder.py", "sqlalchemy/test_rewritten.py")(
        ("SQLAlchemy: a rewritten statement reads everything",
         "        if reads is not None:\n            reads.everything(why)\n", ""),
        ("SQLAlchemy: a rewritten statement writes everything",
         "        if wrote:\n            pending_of(connection).innermost.add(EverythingChanged(why))\n", ""),
    ),
    *_of("sqlalchemy/rewritten.py", "sqlalchemy/test_rewritten.py")(
        ("SQLAlchemy: other parameters make another statement",
         "if parameters is not known and _differ(parameters, known):", "if False:"),
        ("SQLAlchemy: what a hook executes itself is another statement",
         "context.__dict__.get(_EXECUTED) != statement", "False"),
        ("SQLAlchemy: a comment ends where it ends", "(?:(?!\\*/).)*", ".*"),
        ("SQLAlchemy: MySQL's comments are statements", "/\\*(?!!)", "/\\*"),
    ),
    *_of("sqlalchemy/compilers.py", "sqlalchemy/test_compilers.py")(
        ("SQLAlchemy: one that is not known is refused",
         "if original is None or tuple(inspect.signature(original).parameters) != _PARAMETERS:",
         "if False:"),
    ),
    *_of("export/choice.py", "promises/test_p12_cookies.py")(
        ("no token becomes a file", "    if entry.places:\n", "    if False:\n"),
    ),
)  # fmt: skip
