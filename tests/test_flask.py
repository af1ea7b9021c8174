"""The Flask extension: configuration, URL map, decorators, modes."""

import pytest
from flask import Blueprint, Flask, request, session
from flask.views import MethodView
from flask_caching import Cache
from werkzeug.test import Client

from isgware import ConfigurationError, Policy, page, revalidate
from isgware.flask import ISG
from isgware.testing import ManualExecutor


@pytest.fixture
def app():
    app = Flask("shop")
    app.secret_key = "not a secret"
    app.config["ISGWARE_STORE"] = "memory:"
    return app


def label(response):
    return response.headers.get("X-ISG-Cache")


def test_a_decorated_view_is_known_before_its_first_render(app):
    @app.get("/posts/<slug>")
    @revalidate(60, tags=["post:{slug}"])
    def post(slug):
        return f"<p>{slug}</p>"

    isg = ISG(app)
    client = Client(app)
    assert [label(client.get("/posts/a")) for _ in range(2)] == ["MISS", "HIT"]
    assert [info.tags for info in isg.pages()] == [("post:a",)]


def test_init_app_reads_the_configuration_of_the_app(app):
    isg = ISG()
    app.config["ISGWARE_ROUTES"] = {"/about": Policy(revalidate=5)}
    app.add_url_rule("/about", view_func=lambda: "about", endpoint="about")
    isg.init_app(app)
    assert app.extensions["isgware"] is isg
    assert isg.core.runtime.settings.store == "memory:"
    assert label(Client(app).get("/about")) == "MISS"


def test_lifetimes_from_two_places_that_do_not_fit_are_no_error_page(app):
    app.config["ISGWARE_ROUTES"] = {"/a": Policy(expire=600)}
    app.get("/a")(revalidate(3600)(lambda: "a"))
    ISG(app)
    assert [label(Client(app).get("/a")) for _ in range(2)] == ["MISS", "HIT"]


def test_an_unknown_option_in_the_configuration_names_its_neighbour(app):
    app.config["ISGWARE_REVALIDAT"] = 5
    with pytest.raises(ConfigurationError, match="Did you mean 'revalidate'"):
        ISG(app)


def test_wrapping_twice_is_an_error(app):
    ISG(app)
    with pytest.raises(ConfigurationError, match="already"):
        ISG(app)


def test_report_mode_needs_no_client_that_closes_its_answers(app, caplog):
    """Flask's own does so only when it is told to."""
    app.get("/a")(revalidate(60)(lambda: "a"))
    executor = ManualExecutor()
    isg = ISG(app, enabled="report", executor=executor)
    with caplog.at_level("INFO", "isgware"):
        answer = app.test_client().get("/a")
        assert answer.text == "a"
        executor.run_all()
    assert isg.report["same"] == 1
    assert "would be stored, equal to what its visitor got" in caplog.text


def test_what_is_no_flask_app_is_refused():
    with pytest.raises(ConfigurationError, match="give a Flask app"):
        ISG(lambda environ, start_response: [])


def test_one_isg_wraps_one_app(app):
    isg = ISG(app)
    with pytest.raises(ConfigurationError, match="one ISG per app"):
        isg.init_app(Flask("other"))


def test_use_before_init_app_names_the_remedy():
    with pytest.raises(ConfigurationError, match="init_app"):
        ISG().purge_all()


def test_a_decorator_above_the_route_is_an_error_that_says_where_it_belongs(app):
    @revalidate(60)
    @app.get("/wrong")
    def wrong():
        return "x"

    ISG(app)
    with pytest.raises(ConfigurationError, match=r"below, next to the function"):
        Client(app).get("/wrong")


def test_a_tag_without_its_argument_is_an_error_as_soon_as_routes_are_known(app):
    @app.get("/posts/<slug>")
    @revalidate(60, tags=["post:{id}"])
    def post(slug):
        return slug

    ISG(app)
    with pytest.raises(ConfigurationError, match=r"/posts/<slug>.*post:\{id\}"):
        Client(app).get("/")


def test_blueprints_and_class_based_views_carry_policies(app):
    blueprint = Blueprint("blog", "blog", url_prefix="/blog")

    @revalidate(60)
    class Entry(MethodView):
        def get(self, name):
            return name

    assert isinstance(Entry, type)
    blueprint.add_url_rule("/<name>", view_func=Entry.as_view("entry"))
    app.register_blueprint(blueprint)
    ISG(app)
    client = Client(app)
    assert [label(client.get("/blog/x")) for _ in range(2)] == ["MISS", "HIT"]


def test_an_async_view_stays_async_and_is_stored(app):
    @app.get("/async")
    @revalidate(60)
    async def view():
        page.tag("asynchronous")
        return "done"

    isg = ISG(app)
    client = Client(app)
    assert [label(client.get("/async")) for _ in range(2)] == ["MISS", "HIT"]
    assert [info.tags for info in isg.pages(tag="asynchronous")] == [("asynchronous",)]


def test_a_view_under_another_decorator_is_found(app):
    import functools

    def noting(view):
        @functools.wraps(view)
        def inner(*args, **kwargs):
            return view(*args, **kwargs)

        return inner

    @app.get("/noted")
    @noting
    @revalidate(60)
    def noted():
        return "noted"

    ISG(app)
    assert label(Client(app).get("/noted")) == "MISS"


def test_routes_by_host_are_told_apart():
    app = Flask("hosts", host_matching=True, static_host="static.example")

    @app.get("/", host="a.example")
    @revalidate(60)
    def a():
        return "a"

    @app.get("/", host="b.example", endpoint="b")
    def b():
        return "b"

    ISG(app, store="memory:")
    client = Client(app)
    assert label(client.get("/", base_url="http://a.example")) == "MISS"
    assert label(client.get("/", base_url="http://b.example")) is None


def test_an_app_that_finds_its_routes_in_its_own_way_is_asked_for_each_path():
    class ByCountry(Flask):
        def create_url_adapter(self, request):
            if request is not None and request.path.startswith("/ch/"):
                request.environ["HTTP_HOST"] = "ch.example"
            return super().create_url_adapter(request)

    app = ByCountry("countries", host_matching=True, static_host="static.example")

    @app.get("/ch/<name>", host="ch.example")
    @revalidate(60)
    def page_of_switzerland(name):
        return name

    ISG(app, store="memory:")
    client = Client(app)
    base = "http://example.com"
    assert label(client.get("/at/a", base_url=base)) is None
    assert label(client.get("/ch/a", base_url=base)) == "MISS"


def test_visitors_who_make_up_hosts_fill_no_table(app):
    @app.get("/")
    @revalidate(60)
    def home():
        return "home"

    isg = ISG(app)
    for number in range(200):
        isg.why("/", host=f"{number}.example")
    assert len(isg.core.runtime.site._adapters) <= 64


def test_visitors_with_a_session_get_their_own_page(app):
    @app.get("/hello")
    @revalidate(60)
    def hello():
        return session.get("name", "nobody")

    @app.post("/login")
    def login():
        session["name"] = "ada"
        return "ok"

    ISG(app)
    ada, guest = Client(app), Client(app)
    assert guest.get("/hello").text == "nobody"
    ada.post("/login")
    answer = ada.get("/hello")
    assert (answer.text, label(answer)) == ("ada", "BYPASS")
    assert (guest.get("/hello").text, label(guest.get("/hello"))) == ("nobody", "HIT")


def test_a_view_that_writes_the_session_is_never_stored(app):
    @app.get("/count")
    @revalidate(60)
    def count():
        session["n"] = session.get("n", 0) + 1
        return str(session["n"])

    ISG(app)
    client = Client(app)
    assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]
    assert "set-cookie" in client.get("/count").headers["Cache-Status"]


def test_testing_switches_it_off(app):
    @app.get("/")
    @revalidate(60)
    def home():
        return "home"

    isg = ISG(app)
    app.config["TESTING"] = True
    client = app.test_client()
    assert [label(client.get("/")) for _ in range(2)] == [None, None]
    isg.purge_all()
    assert isg.regenerate("/") is None


def test_enabled_overrules_testing(app):
    app.config.update(TESTING=True, ISGWARE_ENABLED=True)

    @app.get("/")
    @revalidate(60)
    def home():
        return "home"

    ISG(app)
    assert label(app.test_client().get("/")) == "MISS"


def test_debug_renders_every_visit_and_stores_nothing(app):
    app.debug = True
    renders = []

    @app.get("/")
    @revalidate(60)
    def home():
        renders.append(page.prerendering)
        return "home"

    isg = ISG(app)
    answers = [Client(app).get("/") for _ in range(2)]
    assert [label(answer) for answer in answers] == ["MISS", "MISS"]
    assert answers[0].headers["Cache-Control"] == "no-store"
    assert renders == [True, True]
    assert list(isg.pages()) == []


def test_debug_gives_a_logged_in_visitor_their_own_page(app):
    app.debug = True

    @app.get("/hello")
    @revalidate(60)
    def hello():
        return session.get("name", "nobody")

    ISG(app)
    client = app.test_client()
    with client.session_transaction() as stored:
        stored["name"] = "ada"
    assert client.get("/hello").text == "ada"


def test_regenerate_within_a_request_knows_its_host(app):
    @app.get("/p")
    @revalidate(60)
    def p():
        return "p"

    isg = ISG(app)

    @app.get("/api/revalidate")
    def api():
        return {"state": isg.regenerate("/p").state}

    client = Client(app)
    assert client.get("/api/revalidate").get_json() == {"state": "fresh"}
    assert label(client.get("/p")) == "HIT"


# Cross-origin requests.

FRIEND = "https://a.friends.test"


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda request: request.headers.get("Origin"), id="headers"),
        pytest.param(lambda request: request.origin, id="origin"),
        pytest.param(lambda request: request.environ.get("HTTP_ORIGIN"), id="environ"),
        pytest.param(lambda request: dict(request.headers).get("Origin"), id="all headers"),
        pytest.param(lambda request: (request.headers.getlist("Origin") or [None])[0], id="lines"),
    ],
)
@pytest.mark.parametrize("store", ["memory:", "file"])
def test_a_page_whose_render_looked_at_origin_is_kept_for_each(app, look, store, tmp_path):
    @app.get("/data")
    @revalidate(60)
    def data():
        return str(look(request))

    ISG(app, store=store if store == "memory:" else f"file:{tmp_path / 'store'}")
    client = Client(app)
    for expected in ("MISS", "HIT"):
        for origin in (None, FRIEND, "https://else.test"):
            answer = client.get("/data", headers={"Origin": origin} if origin else {})
            assert (label(answer), answer.text) == (expected, str(origin))
            assert "Origin" in answer.headers["Vary"]


def test_a_page_that_looks_at_no_origin_is_one_for_all(app):
    app.get("/data")(revalidate(60)(lambda: session.get("name", "data")))  # which needs Cookie
    ISG(app)
    client = Client(app)
    assert label(client.get("/data")) == "MISS"
    answer = client.get("/data", headers={"Origin": FRIEND})
    assert label(answer) == "HIT"
    assert answer.headers["Vary"] == "Cookie"


def test_requests_of_visitors_are_not_recorded(app):
    app.get("/own")(lambda: type(request.environ).__name__)
    ISG(app)
    assert Client(app).get("/own").text == "dict"


def test_another_process_knows_that_a_page_looked_at_origin(app, tmp_path):
    """Two ISGs around one store: what one has learned, the other reads there."""
    store = f"file:{tmp_path / 'store'}"

    def site(name):
        app = Flask(name)
        app.get("/data")(revalidate(60)(lambda: str(request.origin)))
        ISG(app, store=store)
        return Client(app)

    one, two = site("one"), site("two")
    assert one.get("/data").text == "None"
    assert two.get("/data", headers={"Origin": FRIEND}).text == FRIEND
    answer = one.get("/data", headers={"Origin": FRIEND})
    assert (label(answer), answer.text) == ("HIT", FRIEND)


@pytest.mark.parametrize("order", ["below", "above", "memoized", "method", "pattern"])
def test_flask_caching_inside_a_declared_view_is_told_once(app, caplog, order):
    app.config["CACHE_TYPE"] = "SimpleCache"
    cache = Cache(app)
    keep = revalidate(60)

    class Prices(MethodView):
        @cache.cached(300)
        def get(self):
            return "prices"

    def prices():
        return "prices"

    views = {
        "below": lambda: keep(cache.cached(300)(prices)),
        "above": lambda: cache.cached(300)(keep(prices)),
        "memoized": lambda: keep(cache.memoize(300)(prices)),
        "method": lambda: keep(Prices).as_view("prices"),
        "pattern": lambda: cache.cached(300)(prices),
    }
    app.add_url_rule("/prices", "prices", views[order]())
    app.add_url_rule("/plain", "plain", keep(lambda: "plain"))
    app.add_url_rule("/undeclared", "undeclared", cache.cached(300)(prices))
    ISG(app, routes={"/prices": Policy(revalidate=60)} if order == "pattern" else {})
    for _ in range(2):
        Client(app).get("/prices")
    [told] = [line for line in caplog.messages if "cached" in line]
    assert told.startswith("/prices (")
    assert "rices) is cached by Flask-Caching, too." in told


def test_a_flask_caching_that_keeps_nothing_is_no_cache(app, caplog):
    app.config.update(CACHE_TYPE="NullCache", CACHE_NO_NULL_WARNING=True)
    cache = Cache(app)
    app.add_url_rule("/prices", "prices", revalidate(60)(cache.cached(300)(lambda: "prices")))
    ISG(app)
    Client(app).get("/prices")
    assert caplog.messages == []


def test_the_first_failure_of_a_route_says_why_its_view_runs_twice(app, caplog):
    runs = []

    @app.get("/posts/<slug>")
    @revalidate(60)
    def post(slug):
        runs.append(slug)
        raise LookupError(slug)

    ISG(app)
    client = Client(app)
    for slug in ("a", "b"):
        assert client.get(f"/posts/{slug}").status_code == 500
    assert runs == ["a", "a", "b", "b"]
    told = [line for line in caplog.messages if "could not be rendered" in line]
    assert "the view runs a second time" in told[0]
    assert "the view runs a second time" not in told[1]
