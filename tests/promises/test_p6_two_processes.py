"""P6 between processes: two instances over one store, as two workers of a host are."""

from __future__ import annotations

from pathlib import Path

import pytest
from cachelib import SimpleCache

from isgware import Policy, RegenerationError, page
from tests.promises.faults import FaultyBackend, broken
from tests.promises.kit import MARK, Gate, Later, Manual, Site, html, visit

ROUTES = {"/<path:x>": Policy(revalidate=60, expire=600, tags=["t"])}


class Workers:
    """Two instances, with an app of their own each, so that it is plain who renders."""

    def __init__(self, wrap, store, **options) -> None:
        store = f"file:{store}" if isinstance(store, Path) else store
        self.sites, self.backgrounds = (Site(), Site()), (Manual(), Manual())
        self.one, self.two = (
            wrap(
                site, store=store, executor=later,
                **{"routes": ROUTES, "backend_timeout": 30.0, **options},
            )
            for site, later in zip(self.sites, self.backgrounds, strict=True)
        )  # fmt: skip

    def both(self, path: str = "/p") -> list[str]:
        return [visit(isg, path).cache for isg in (self.one, self.two)]

    def rendered(self, path: str = "/p") -> int:
        return sum(site.rendered(path) for site in self.sites)


@pytest.fixture(params=["file", "along"])
def workers(wrap, tmp_path, request) -> Workers:
    return Workers(wrap, tmp_path if request.param == "file" else FaultyBackend())


def test_p6_what_one_rendered_the_other_serves(workers):
    assert workers.both() == ["MISS", "HIT"]
    assert workers.both() == ["HIT", "HIT"]
    assert workers.rendered() == 1


@pytest.mark.parametrize("verb", ["purge_path", "purge_tag", "purge_all"])
@pytest.mark.parametrize("who", ["one", "two"])
def test_p6_a_purge_in_one_process_holds_in_the_other_at_once(workers, verb, who):
    workers.both()
    workers.both()
    arguments = {"purge_path": ["/p"], "purge_tag": ["t"], "purge_all": []}[verb]
    getattr(getattr(workers, who), verb)(*arguments)
    assert visit(workers.two, "/p").cache == "REVALIDATED"
    assert visit(workers.one, "/p").cache == "HIT"
    assert workers.rendered() == 2


def test_p6_a_purge_holds_in_a_process_that_has_found_the_store_slow(wrap, tmp_path):
    """The word tells that the other could write, so the table of invalidations can be asked."""
    workers = Workers(wrap, tmp_path, probe_interval=60)
    workers.both()
    breaker = workers.one.runtime.engine.page_store.backend
    breaker.trip(TimeoutError("it took 0.4 s"))
    assert visit(workers.one, "/p").cache == "HIT"
    workers.two.purge_tag("t")
    assert visit(workers.one, "/p").cache == "REVALIDATED"
    assert breaker.open_since is not None, "and nothing else of it is asked"


@pytest.mark.parametrize(
    "options", [{}, {"revalidate": 60}, {"cache_control": "full"}], ids=["shared", "all", "full"]
)
def test_p6_a_write_in_one_process_purges_what_the_other_has_learned(wrap, tmp_path, options):
    workers = Workers(wrap, tmp_path, routes={}, **options)
    for site in workers.sites:
        site.views["/p"] = lambda environ: html("page", ("Cache-Control", "s-maxage=60"))
    visit(workers.two, "/p", method="POST")  # from here on it knows that nothing is kept
    visit(workers.one, "/p")
    workers.backgrounds[0].run()
    assert visit(workers.one, "/p").cache == "HIT"
    visit(workers.two, "/p", method="POST")
    assert visit(workers.one, "/p").cache != "HIT"


def test_p6_a_soft_revalidation_in_one_process_holds_in_the_other_at_once(workers):
    workers.both()
    workers.both()
    workers.one.revalidate_tag("t")
    assert workers.both() == ["STALE", "STALE"]
    workers.backgrounds[1].run()
    workers.backgrounds[0].run()
    assert workers.both() == ["HIT", "HIT"]
    assert workers.rendered() == 2


def test_p6_regenerate_in_one_process_shows_in_the_other_at_once(wrap, tmp_path, clock):
    workers = Workers(wrap, tmp_path)
    workers.both()
    workers.both()
    workers.sites[0].views["/p"] = lambda environ: html("new")
    regenerating = wrap(workers.sites[0], store=f"file:{tmp_path}", routes=ROUTES, executor=None)
    regenerating.regenerate("/p")
    for isg in (workers.two, workers.one, workers.two):
        assert (visit(isg, "/p").text, visit(isg, "/p").cache) == ("new", "HIT")
    assert workers.sites[1].rendered("/p") == 0


def test_p6_regenerate_shows_over_another_process_that_is_failing(wrap, tmp_path, clock):
    workers = Workers(wrap, tmp_path)
    workers.both()
    workers.sites[1].views["/p"] = lambda environ: 1 / 0
    for _ in range(4):
        clock.tick(61)
        visit(workers.two, "/p")
        workers.backgrounds[1].run()
    workers.sites[0].views["/p"] = lambda environ: html("new")
    wrap(workers.sites[0], store=f"file:{tmp_path}", routes=ROUTES, executor=None).regenerate("/p")
    assert (visit(workers.two, "/p").text, visit(workers.two, "/p").cache) == ("new", "HIT")


def test_p6_an_ordinary_regeneration_shows_in_the_other_with_its_next_visit(workers, clock):
    workers.both()
    clock.tick(61)
    visit(workers.one, "/p")
    workers.backgrounds[0].run()
    assert visit(workers.one, "/p").cache == "HIT"
    assert (visit(workers.two, "/p").text, visit(workers.two, "/p").cache) == ("/p #2", "HIT")
    assert workers.backgrounds[1].run() == 0
    assert workers.rendered() == 2


def test_p6_a_regeneration_shows_elsewhere_with_redis_and_with_pages_apart(
    wrap, clock, redis_url, tmp_path
):
    pages = SimpleCache()
    apart = {"coordinator": f"file:{tmp_path}"}
    for workers in (Workers(wrap, redis_url), Workers(wrap, pages, **apart)):
        workers.both()
        clock.tick(61)
        visit(workers.one, "/p")
        workers.backgrounds[0].run()
        assert (visit(workers.two, "/p").text, visit(workers.two, "/p").cache) == ("/p #2", "HIT")


def test_p6_a_regeneration_shows_within_a_second_where_the_stale_page_is_prepared(workers, clock):
    workers.both()
    clock.tick(60.9)  # the page's own second is nearly over
    assert workers.both() == ["STALE", "STALE"]
    workers.backgrounds[0].run()
    assert visit(workers.two, "/p").cache == "STALE"
    clock.tick(0.2)
    assert visit(workers.two, "/p").cache == "STALE"
    clock.tick(0.81)
    assert (visit(workers.two, "/p").text, visit(workers.two, "/p").cache) == ("/p #2", "HIT")


def test_p6_a_page_that_is_stale_again_is_the_latest_one(workers, clock):
    workers.both()
    clock.tick(61)
    visit(workers.one, "/p")
    workers.backgrounds[0].run()
    clock.tick(61)
    answer = visit(workers.two, "/p")
    assert (answer.text, answer.cache) == ("/p #2", "STALE")


def test_p6_responses_of_visitors_own_show_elsewhere_with_the_next_visit(wrap, tmp_path, clock):
    workers = Workers(wrap, tmp_path, routes={}, cache_control="full")
    for site in workers.sites:
        fresh = ("Cache-Control", "max-age=60, stale-while-revalidate=600")
        site.views["/p"] = lambda environ, it=site, fresh=fresh: html(
            str(len(it.asked("/p"))), fresh
        )
    assert workers.both() == ["MISS", "HIT"]
    clock.tick(61)
    visit(workers.one, "/p")
    workers.backgrounds[0].run()
    assert (visit(workers.two, "/p").text, visit(workers.two, "/p").cache) == ("2", "HIT")


def test_p4_a_store_that_is_away_costs_a_stale_page_one_operation(wrap, clock):
    store = FaultyBackend()
    workers = Workers(wrap, store, probe_interval=60)
    workers.both()
    clock.tick(61)

    def away(operation: str) -> None:
        raise OSError(f"{operation}: away")

    calls = len(store.calls)
    store.fault = away
    assert [visit(workers.two, "/p").cache for _ in range(3)] == ["STALE"] * 3
    assert store.calls[calls:] == ["get"]


def test_p5_a_page_that_fails_is_not_tried_by_each_process(workers, clock):
    workers.both()
    for site in workers.sites:
        site.views["/p"] = lambda environ: 1 / 0
    clock.tick(61)
    for _ in range(3):
        for isg, later in zip((workers.one, workers.two), workers.backgrounds, strict=True):
            assert visit(isg, "/p").cache == "STALE"
            later.run()
    assert workers.rendered() == 2
    clock.tick(1.2)
    for isg, later in zip((workers.two, workers.one), workers.backgrounds[::-1], strict=True):
        visit(isg, "/p")
        later.run()
    assert workers.rendered() == 3


def test_p6_a_purge_elsewhere_overtakes_the_lease_of_a_render_here(wrap, tmp_path, clock):
    workers, gate, value = Workers(wrap, tmp_path), Gate(), ["old"]

    def slow(environ):
        if MARK not in environ:
            return html("own")
        began, page_tag = value[0], page.tag("late")
        assert page_tag is None
        if began == "old":
            gate.pass_through()
        return html(began)

    for site in workers.sites:
        site.views["/p"] = slow
    old = Later(lambda: visit(workers.one, "/p"))
    gate.wait()
    value[0] = "new"
    workers.two.purge_path("/p")
    assert visit(workers.two, "/p").text == "new"
    gate.open.set()
    assert old.result().text in ("old", "new")
    for isg in (workers.two, workers.one, workers.two, workers.one):
        assert (visit(isg, "/p").text, visit(isg, "/p").cache) == ("new", "HIT")


def test_p6_a_purge_elsewhere_by_a_tag_that_the_render_has_yet_to_say(wrap, tmp_path, clock):
    workers, gate, value = Workers(wrap, tmp_path), Gate(), ["old"]

    def slow(environ):
        began = value[0]
        page.tag("late")
        if began == "old":
            gate.pass_through()
        return html(began)

    for site in workers.sites:
        site.views["/p"] = slow
    old = Later(lambda: visit(workers.one, "/p"))
    gate.wait()
    value[0] = "new"
    workers.two.purge_tag("late")
    after = Later(lambda: visit(workers.two, "/p"))
    gate.open.set()
    assert old.result().text in ("old", "new")
    assert after.result().text == "new"
    for isg in (workers.one, workers.two):
        assert visit(isg, "/p").text == "new"


def test_p6_a_page_forgotten_in_the_table_is_gone_not_fresh(workers):
    """Dropping old rows of the table raises a floor."""
    workers.both()
    backend = workers.one.runtime.store.backend
    backend = getattr(backend, "inner", backend)
    backend._limits = type(backend._limits)(names=10)
    workers.one.purge_path("/p")
    for number in range(30):
        workers.one.purge_tag(f"x{number}")
    assert visit(workers.two, "/p").cache in ("MISS", "REVALIDATED")
    assert visit(workers.one, "/p").cache == "HIT"


def test_p6_a_store_made_anew_makes_memory_stale(wrap, tmp_path):
    workers = Workers(wrap, tmp_path)
    workers.both()
    for name in ("isgware-1.db", "isgware-1.db-wal", "isgware-1.db-shm", "isgware-1.word"):
        (tmp_path / name).unlink(missing_ok=True)
    workers.one.runtime.engine.page_store.maintain()
    workers.two.runtime.engine.page_store.maintain()
    assert workers.both() == ["STALE", "STALE"]


def test_p6_regenerate_needs_to_know_a_host(wrap, site):
    from isgware import ConfigurationError

    isg = wrap(site, routes=ROUTES, executor=None)
    with pytest.raises(ConfigurationError, match="base_url"):
        isg.regenerate("/p")
    with pytest.raises(RegenerationError):
        wrap(lambda environ, start: 1 / 0, routes=ROUTES, executor=None,
             base_url="http://site.test").regenerate("/p")  # fmt: skip


PRIVATE = {"Cache-Control": "private"}


@pytest.mark.parametrize("learned", [False, True], ids=["declared", "learned"])
def test_p6_what_one_found_not_for_everybody_the_other_serves_no_more(
    workers, wrap, tmp_path, clock, learned
):
    if learned:
        workers = Workers(wrap, tmp_path / "learned", routes={}, revalidate=60)
    for _ in range(3):
        workers.both()
        for background in workers.backgrounds:
            background.run()
    assert workers.both() == ["HIT", "HIT"]
    clock.tick(61)
    for site in workers.sites:
        site.views["/p"] = lambda environ: html("ada's", *PRIVATE.items())
    assert visit(workers.one, "/p").cache == "STALE"
    workers.backgrounds[0].run()
    assert visit(workers.two, "/p").text == visit(workers.one, "/p").text == "ada's"
    assert list(workers.two.pages()) == []
    if learned:
        return  # both have noted for some seconds that there is nothing to learn here
    for site in workers.sites:
        del site.views["/p"]
    clock.tick(61)
    for _ in range(2):
        workers.both()
        for background in workers.backgrounds:
            background.run()
    assert workers.both() == ["HIT", "HIT"], "and for everybody once more"
    assert visit(workers.two, "/p").text == visit(workers.one, "/p").text != "/p #1"


def test_p6_regenerate_withdraws_elsewhere_too(wrap, tmp_path):
    workers = Workers(wrap, tmp_path)
    assert workers.both() == ["MISS", "HIT"]
    for site in workers.sites:
        site.views["/p"] = lambda environ: html("ada's", *PRIVATE.items())
    isg = wrap(workers.sites[0], store=f"file:{tmp_path}", routes=ROUTES, executor=None)
    with pytest.raises(RegenerationError, match="withdrawn"):
        isg.regenerate("/p")
    assert [visit(isg, "/p").text for isg in (workers.one, workers.two)] == ["ada's"] * 2


def test_p6_a_withdrawal_holds_while_the_store_is_away_and_elsewhere_when_it_is_back(wrap, clock):
    store = FaultyBackend()
    workers = Workers(wrap, store)
    workers.both()
    clock.tick(61)
    for site in workers.sites:
        site.views["/p"] = lambda environ: html("ada's", *PRIVATE.items())
    store.fault = lambda operation: broken()
    visit(workers.one, "/p")
    workers.backgrounds[0].run()
    assert visit(workers.one, "/p").text == "ada's"
    store.repair()
    workers.one.runtime.store.probe()
    workers.one.runtime.engine.page_store.maintain()
    assert visit(workers.one, "/p").text == "ada's"
    assert visit(workers.two, "/p").text == "ada's"
