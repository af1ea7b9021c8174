"""Previous versions of pages, between processes that share a store: going back, and what must not
come back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isgware import ConfigurationError, Policy, connect, page
from isgware.build.previous_build import copy_as_stale
from isgware.cli.printing import page_lines
from tests.promises.kit import Clock, Gate, Later, Manual, Site, eventually, forget, html, visit

ROUTES = {"/<path:x>": Policy(revalidate=60, expire=86_400, tags=["t"])}


class Workers:
    """Two instances over one store, as two workers of a host or two hosts are."""

    def __init__(self, wrap: Callable[..., Any], clock: Clock, store: str, **options: Any) -> None:
        self.clock, self.store = clock, store
        self.sites, self.backgrounds = (Site(), Site()), (Manual(), Manual())
        self.one, self.two = (
            wrap(
                site, store=store, executor=later,
                **{"routes": ROUTES, "backend_timeout": 30.0, "history": 3, **options},
            )
            for site, later in zip(self.sites, self.backgrounds, strict=True)
        )  # fmt: skip
        self.tags: list[str] = []

    def says(self, text: str, *headers: tuple[str, str], status: str = "200 OK") -> None:
        def view(environ: Any) -> Any:
            page.tag(*self.tags)
            return html(text, *headers, status=status)

        for site in self.sites:
            site.views["/p"] = view

    def renew(self, text: str, *headers: tuple[str, str], status: str = "200 OK") -> str:
        """The page as it is after its next render, which is the first process's."""
        self.says(text, *headers, status=status)
        self.clock.tick(400)
        visit(self.one, "/p")
        self.backgrounds[0].run()
        return visit(self.one, "/p").text

    def history(self) -> list[list[int]]:
        return [[version.version for version in isg.history("/p")] for isg in (self.one, self.two)]

    def read(self) -> list[str]:
        """What visitors of each process get, as it comes from the store."""
        found = []
        for isg in (self.one, self.two):
            settle(isg)
            found.append(visit(isg, "/p").text)
        return found


def settle(isg: Any) -> None:
    """Until a process has heard what others have announced; over a network that takes a moment."""
    page_store = isg.runtime.engine.page_store

    def knows() -> bool:
        page_store.sync()
        counter = page_store.backend.backend.sync("", 0).counter
        return bool(page_store.mirror.counter == counter)

    eventually(knows)


@pytest.fixture(params=["file", "redis"])
def workers(
    wrap: Callable[..., Any], clock: Clock, request: pytest.FixtureRequest, tmp_path: Path
) -> Workers:
    if request.param == "file":
        return Workers(wrap, clock, f"file:{tmp_path}")
    return Workers(wrap, clock, request.getfixturevalue("redis_url"))


def leaked(workers: Workers) -> None:
    """A page with a secret, and a version after it without."""
    assert workers.renew("a") == "a"
    assert workers.renew("secret") == "secret"
    assert workers.renew("c") == "c"
    assert workers.history() == [[2, 1], [2, 1]]


def nothing_comes_back(workers: Workers) -> None:
    assert workers.history() == [[], []]
    for isg in (workers.one, workers.two):
        for version in (1, 2, 3):
            with pytest.raises(ConfigurationError):
                isg.restore("/p", version)
        with pytest.raises(ConfigurationError):
            isg.diff("/p")
    assert not any("secret" in text for text in workers.read())


def test_each_change_makes_a_version_and_so_many_are_kept(workers: Workers) -> None:
    for text in "abbbcdeef":
        workers.renew(text)
    assert workers.history() == [[5, 4, 3], [5, 4, 3]]
    told = workers.two.history("/p")[0]
    assert (told.status, told.size, told.url, told.restored) == (200, 1, "http://site.test/p", 0)
    assert "-e\n+f\n" in workers.two.diff("/p")
    assert "-c\n+f\n" in workers.two.diff("/p", 3)


def test_a_restored_version_is_served_everywhere_until_told_otherwise(workers: Workers) -> None:
    leaked(workers)
    assert workers.read() == ["c", "c"]
    workers.two.restore("/p", 1)
    assert workers.read() == ["a", "a"]
    workers.clock.tick(10_000_000)
    assert [visit(isg, "/p").cache for isg in (workers.one, workers.two)] == ["HIT", "HIT"]
    forget(workers.one)
    assert workers.read() == ["a", "a"]
    assert workers.history() == [[3, 2, 1], [3, 2, 1]]
    assert "-c\n+a\n" in workers.one.diff("/p", 3)
    workers.one.revalidate_tag("t")
    settle(workers.two)
    assert visit(workers.two, "/p").cache == "STALE"
    workers.backgrounds[1].run()
    workers.clock.tick(2)
    assert workers.read() == ["c", "c"]


@pytest.mark.parametrize("how", ["path", "tag", "of the page before", "regenerate"])
def test_whatever_concerns_the_page_ends_it(workers: Workers, how: str) -> None:
    workers.renew("a")
    workers.tags.append("later")
    workers.renew("b")
    workers.one.restore("/p", 1)
    workers.says("new")
    if how == "regenerate":
        call = Later(lambda: workers.two.regenerate("/p"))
        eventually(workers.backgrounds[1].run)
        call.result()
    else:
        if how == "path":
            workers.two.revalidate_path("/p")
        else:
            workers.two.revalidate_tag("t" if how == "tag" else "later")
        assert visit(workers.two, "/p").cache == "STALE"
        workers.backgrounds[1].run()
    assert workers.read() == ["new", "new"]


def test_p6_a_render_that_began_before_is_dropped(workers: Workers) -> None:
    leaked(workers)
    gate = Gate()

    def view(environ: Any) -> Any:
        gate.pass_through()
        return html("begun before")

    workers.sites[1].views["/p"] = view
    workers.clock.tick(61)
    settle(workers.two)
    assert visit(workers.two, "/p").cache == "STALE"
    render = Later(workers.backgrounds[1].run)
    gate.wait()
    workers.one.restore("/p", 1)
    gate.open.set()
    render.result()
    assert workers.read() == ["a", "a"]
    assert workers.history()[0] == [3, 2, 1]


def test_p6_so_is_what_regenerate_began_before(workers: Workers) -> None:
    leaked(workers)
    gate = Gate()

    def view(environ: Any) -> Any:
        gate.pass_through()
        return html("begun before")

    workers.sites[1].views["/p"] = view
    call = Later(lambda: workers.two.regenerate("/p"))
    render = Later(lambda: eventually(workers.backgrounds[1].run))
    gate.wait()
    workers.one.restore("/p", 1)
    gate.open.set()
    render.result()
    call.result()
    assert workers.read() == ["a", "a"]


@pytest.mark.parametrize("verb", ["purge_path", "purge_tag", "purge_all"])
@pytest.mark.parametrize("who", ["one", "two"])
def test_a_purge_drops_all_versions(workers: Workers, verb: str, who: str) -> None:
    leaked(workers)
    arguments = {"purge_path": ["/p"], "purge_tag": ["t"], "purge_all": []}[verb]
    getattr(getattr(workers, who), verb)(*arguments)
    nothing_comes_back(workers)
    workers.renew("new")
    workers.renew("newer")
    assert workers.history() == [[2, 1], [2, 1]]
    assert "secret" not in workers.one.diff("/p", 1) + workers.one.diff("/p", 2)


def test_a_purge_of_a_tag_that_an_older_version_bore_drops_what_is_older_too(
    workers: Workers,
) -> None:
    workers.renew("a")
    workers.tags.append("private")
    workers.renew("secret")
    workers.tags.clear()
    workers.renew("c")
    workers.renew("d")
    assert workers.history() == [[3, 2, 1], [3, 2, 1]]
    workers.two.purge_tag("private")
    assert workers.history() == [[3], [3]]
    assert workers.read() == ["d", "d"]
    workers.one.restore("/p", 3)
    assert workers.read() == ["c", "c"]
    for version in (1, 2):
        with pytest.raises(ConfigurationError, match="no version"):
            workers.two.restore("/p", version)


def test_a_purge_while_a_version_is_being_restored_wins(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaked(workers)
    backend = workers.one.runtime.store
    acquire = workers.one.runtime.engine.page_store.acquire

    def purged_first(*arguments: Any, **options: Any) -> Any:
        workers.two.purge_tag("t")
        return acquire(*arguments, **options)

    monkeypatch.setattr(workers.one.runtime.engine.page_store, "acquire", purged_first)
    with pytest.raises(ConfigurationError):
        workers.one.restore("/p", 2)
    assert backend.open_since is None
    nothing_comes_back(workers)


def test_and_so_does_one_before_the_version_is_stored(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaked(workers)
    backend = workers.one.runtime.store.backend
    put = backend.put

    def purged_first(*arguments: Any, **options: Any) -> Any:
        workers.two.purge_path("/p")
        return put(*arguments, **options)

    monkeypatch.setattr(backend, "put", purged_first)
    workers.one.restore("/p", 2)
    monkeypatch.undo()
    nothing_comes_back(workers)


@pytest.mark.parametrize("header", [("Cache-Control", "private"), ("Set-Cookie", "a=b")])
def test_a_withdrawal_drops_all_versions(workers: Workers, header: tuple[str, str]) -> None:
    leaked(workers)
    workers.renew("mine", header)
    workers.says("own")
    nothing_comes_back(workers)


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_a_page_that_is_gone_has_none(workers: Workers, status: str) -> None:
    leaked(workers)
    assert workers.renew("gone", status=status) == "gone"
    nothing_comes_back(workers)
    workers.renew("again")
    assert workers.history() == [[], []]


def test_a_late_render_brings_no_version_back_after_a_purge(workers: Workers) -> None:
    leaked(workers)
    gate = Gate()

    def view(environ: Any) -> Any:
        gate.pass_through()
        return html("late")

    workers.sites[1].views["/p"] = view
    workers.clock.tick(61)
    settle(workers.two)
    assert visit(workers.two, "/p").cache == "STALE"
    render = Later(workers.backgrounds[1].run)
    gate.wait()
    workers.one.purge_path("/p")
    gate.open.set()
    render.result()
    nothing_comes_back(workers)


def test_a_late_render_brings_none_back_after_a_withdrawal(workers: Workers) -> None:
    leaked(workers)
    gate = Gate()

    def view(environ: Any) -> Any:
        gate.pass_through()
        return html("late")

    workers.clock.tick(61)
    workers.sites[1].views["/p"] = view
    settle(workers.two)
    assert visit(workers.two, "/p").cache == "STALE"
    render = Later(workers.backgrounds[1].run)
    gate.wait()
    workers.sites[0].views["/p"] = lambda environ: html("mine", ("Cache-Control", "private"))
    workers.one.runtime.engine.page_store.withdraw(
        next(iter(workers.one.runtime.memory._pages.pages))
    )
    gate.open.set()
    render.result()
    workers.says("own")
    nothing_comes_back(workers)


def test_a_store_that_lost_its_purges_shows_no_version(workers: Workers) -> None:
    leaked(workers)
    mirror = workers.one.runtime.engine.page_store.mirror
    before = mirror.nonce
    backend = workers.one.runtime.store.backend
    if hasattr(backend, "database"):
        backend.database.announce(lambda db: db.execute("UPDATE state SET nonce = 'other'"))
    else:
        backend._ask(lambda client: client.delete(backend.prefix + "state"))
    assert backend.sync("", 0).nonce != before
    assert workers.history() == [[], []]


def test_from_outside_of_the_web_processes(workers: Workers) -> None:
    leaked(workers)
    with connect(workers.store, clock=workers.clock, backend_timeout=30.0) as store:
        assert [version.version for version in store.history("/p")] == [2, 1]
        assert "-a\n+c\n" in store.diff("/p", 1)
        store.restore("/p", 1)
        assert store.history("/p")[0].version == 3
    assert workers.read() == ["a", "a"]


def test_a_new_build_does_not_begin_with_a_restored_version(
    wrap: Callable[..., Any], clock: Clock, tmp_path: Path
) -> None:
    workers = Workers(wrap, clock, f"file:{tmp_path}", build_id="1")
    workers.renew("a")
    workers.renew("b")
    workers.one.restore("/p", 1)
    later = Manual()
    new = wrap(
        workers.sites[0], store=workers.store, executor=later, routes=ROUTES, build_id="2",
        backend_timeout=30.0,
    )  # fmt: skip
    assert copy_as_stale(new.runtime.engine, "1") == 1
    assert (visit(new, "/p").cache, visit(new, "/p").text) == ("STALE", "a")
    later.run()
    assert visit(new, "/p").text == "b"


def test_show_and_why_say_that_a_page_is_restored(workers: Workers) -> None:
    workers.renew("a")
    workers.renew("b")
    workers.one.restore("/p", 1)
    assert "restored    version 1, until told otherwise" in str(workers.one.why("/p"))
    assert "never expires" in str(workers.one.why("/p"))
    info, entry = next(workers.one.runtime.catalogue.stored("/p"))
    assert "3: version 1 restored" in page_lines(info, entry)


@pytest.mark.parametrize("history", [0, 1])
def test_no_more_are_kept_than_the_option_says(
    wrap: Callable[..., Any], clock: Clock, tmp_path: Path, history: int
) -> None:
    workers = Workers(wrap, clock, f"file:{tmp_path}", history=history)
    for text in "abc":
        workers.renew(text)
    assert workers.history()[0] == [2][:history]


def test_what_cannot_be_meant_is_said(workers: Workers) -> None:
    with pytest.raises(ConfigurationError, match="Nothing is stored"):
        workers.one.diff("/p")
    workers.renew("a")
    with pytest.raises(ConfigurationError, match="No previous version"):
        workers.one.restore("/p", 1)
    workers.renew("b")
    for version in (2, "1", True, None):
        with pytest.raises(ConfigurationError, match=r"has no version|No previous"):
            workers.one.restore("/p", version or 99)
    visit(workers.one, "/p", host="other.test")
    with pytest.raises(ConfigurationError, match="several pages"):
        workers.one.history("/p")
    assert workers.one.history("/p", host="other.test") == []
    assert len(workers.one.history("/p", host="site.test")) == 1
