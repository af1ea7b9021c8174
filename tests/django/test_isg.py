"""The process's ISG, transactions, modes and system checks."""

import pytest
from django.core import mail
from django.db import connection, transaction
from django.http import HttpResponse
from django.test.utils import override_settings
from django.urls import path

import isgware.django
from isgware import BackendUnavailable, ConfigurationError, InvalidPath, revalidate
from isgware.django.apps import check_settings, check_views

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}


@revalidate(60, tags=["news"])
def news(request):
    return HttpResponse("news")


@pytest.fixture
def database():
    from django.db import connections

    known = connections.settings
    connections.settings = connections.configure_settings(DATABASES)
    if hasattr(connections._connections, "default"):
        del connections["default"]
    yield
    if connection.connection is not None:
        connection.connection.close()  # what Django's own close() leaves open, of one in memory
    connections.settings = known
    if hasattr(connections._connections, "default"):
        del connections["default"]


def test_the_isg_of_wsgi_py_is_the_processs(project):
    isg = project([])
    assert isgware.django.isg() is isg


def test_a_command_gets_one_of_its_own(project):
    made = project([path("news", news)])
    isgware.django._current.clear()
    isg = isgware.django.isg()
    assert isg is not made
    assert isgware.django.isg() is isg


def test_a_purge_waits_for_the_commit(project, visit, database):
    isg = project([path("news", news)])
    visit(isg, "/news")
    with transaction.atomic():
        isg.purge_tag("news")
        assert visit(isg, "/news")[0] == "HIT"
    assert visit(isg, "/news")[0] == "REVALIDATED"


def test_a_rollback_takes_the_purge_with_it(project, visit, database):
    isg = project([path("news", news)])
    visit(isg, "/news")

    @transaction.atomic
    def work():
        isg.purge_path("/news")
        raise LookupError

    with pytest.raises(LookupError):
        work()
    assert visit(isg, "/news")[0] == "HIT"


@pytest.fixture
def growing(project, database):
    """The ISG of a page that tells what is committed, and that list; ``None`` breaks it."""
    committed = ["old"]

    @revalidate(False)
    def view(request):
        return HttpResponse(committed[-1] + "")

    options = {"store": "memory:", "base_url": "http://localhost"}
    return project([path("page", view)], ISGWARE=options), committed


def test_what_is_regenerated_in_a_transaction_is_rendered_again_after_it(growing, visit):
    isg, committed = growing
    with transaction.atomic():
        transaction.on_commit(lambda: committed.append("new"))
        assert isg.regenerate("/page").status == 200
        assert visit(isg, "/page") == ("HIT", "old")
    assert visit(isg, "/page") == ("HIT", "new")


def test_a_rollback_takes_the_second_render_with_it(growing, visit):
    isg, committed = growing
    with transaction.atomic():
        isg.regenerate("/page")
        committed.append("new")
        transaction.set_rollback(True)
    assert visit(isg, "/page") == ("HIT", "old")


def test_a_second_render_that_fails_leaves_the_page_stale(growing, visit, caplog):
    isg, committed = growing
    with transaction.atomic():
        transaction.on_commit(lambda: committed.append(None))
        isg.regenerate("/page")
    assert visit(isg, "/page") == ("STALE", "old")
    assert "After the commit: /page could not be rendered" in caplog.text


@pytest.mark.parametrize("verb", ["revalidate_tag", "purge_tag"])
def test_a_bad_tag_is_told_at_once_not_at_the_commit(project, verb):
    isg = project([])
    with pytest.raises(ConfigurationError):
        getattr(isg, verb)("")


@pytest.mark.parametrize("verb", ["revalidate_path", "purge_path", "regenerate"])
def test_a_bad_path_is_told_at_once(project, verb):
    isg = project([])
    with pytest.raises(InvalidPath):
        getattr(isg, verb)("https://evil.example/")


def test_outside_of_a_transaction_a_failing_store_is_told(project):
    isg = project([])

    def fail(names, hard):
        raise OSError("no")

    isg.core.runtime.engine.page_store.backend.backend.invalidate = fail
    with pytest.raises(BackendUnavailable):
        isg.purge_all()


def test_djangos_test_runner_switches_it_off(project, visit, monkeypatch):
    monkeypatch.setattr(mail, "outbox", [], raising=False)
    isg = project([path("news", news)])
    assert [visit(isg, "/news")[0] for _ in range(2)] == [None, None]


def test_debug_renders_every_visit(project, visit):
    isg = project([path("news", news)])
    with override_settings(DEBUG=True):
        assert [visit(isg, "/news")[0] for _ in range(2)] == ["MISS", "MISS"]
    assert list(isg.pages()) == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"store": "ftp://x"}, "store"),
        ({"worker": 3}, "workers"),
        ({"revalidate": -1}, "negative"),
        ("memory:", "dictionary"),
    ],
    ids=["store", "unknown", "negative", "type"],
)
def test_a_system_check_names_the_wrong_setting(options, named):
    with override_settings(ISGWARE=options):
        [found] = check_settings(None)
    assert found.id == "isgware.E001"
    assert named in found.msg


def test_no_check_complains_of_right_settings():
    with override_settings(ISGWARE={"store": "memory:"}):
        assert check_settings(None) == []


def test_a_system_check_names_the_tag_without_its_argument(project):
    @revalidate(60, tags=["post:{pk}"])
    def post(request, slug):
        return HttpResponse(slug)

    project([path("posts/<slug:slug>", post), path("news", news)])
    [found] = check_views(None)
    assert found.id == "isgware.E002"
    assert "post:{pk}" in found.msg
