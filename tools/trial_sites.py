"""Small sites made of well-known extensions, and what their visitors do, for `try_extensions`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

MEMBER, PASSWORD = "ann@example.org", "a long enough password"
#: Steps: who, path, and the fields of a form that is sent from there; ``None`` is a visit.
Step = tuple[str, str, dict[str, str] | None]


@dataclass
class Site:
    """A site by the name of its package, as it is made, and what is done with it. ``app`` returns
    the WSGI app; with ``options`` it is behind isgware."""

    packages: tuple[str, ...]
    app: Callable[..., Any]
    steps: tuple[Step, ...]


def walk(*pages: str, login: str, fields: dict[str, str], logout: str) -> tuple[Step, ...]:
    """Strangers, a member, the other stranger meanwhile, and after the member has logged out."""
    look: list[Step] = [(who, page, None) for who in ("ann", "ben", "ben") for page in pages]
    mine: list[Step] = [("ann", page, None) for page in (*pages, *pages)]
    theirs: list[Step] = [("ben", page, None) for page in pages]
    leave: Step = ("ann", logout, {} if logout.startswith("!") else None)
    return (*look, ("ann", login, fields), *mine, *theirs, leave, *mine[: len(pages)], *theirs)


LAYOUT: Final = """<!doctype html><title>Trial</title><nav>%s</nav>
{%% for message in get_flashed_messages() %%}<p>{{ message }}</p>{%% endfor %%}
<h1>{{ path }}</h1>"""


def flask_app(name: str, nav: str = "a site", **config: Any) -> Any:
    import flask

    app = flask.Flask(name)
    app.config.update(SECRET_KEY="not a secret", **config)

    def shown() -> str:
        return flask.render_template_string(LAYOUT % nav, path=flask.request.path)

    for path in ("/", "/about", "/contact"):
        app.add_url_rule(path, path, shown)
    return app


def wrapped(app: Any, options: dict[str, Any]) -> Any:
    if options:
        from isgware.flask import ISG

        ISG(app, **options)
    return app


USER: Final = "{{ current_user.get_id() if current_user.is_authenticated else 'stranger' }}"
FORM: Final = '<form method="post"><input name="email"></form>'


def with_login(app: Any) -> Any:
    import flask
    from flask_login import LoginManager, UserMixin, login_required, login_user, logout_user

    class User(UserMixin):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            self.id = name

    manager = LoginManager(app)
    manager.user_loader(User)
    manager.login_view = "login"

    def login() -> Any:
        if flask.request.method == "GET":
            return FORM
        login_user(User(flask.request.form["email"]), remember=True)
        flask.flash("welcome")
        return flask.redirect("/")

    def logout() -> Any:
        logout_user()
        return flask.redirect("/")

    app.add_url_rule("/login", view_func=login, methods=["GET", "POST"])
    app.add_url_rule("/logout", view_func=logout)

    app.get("/account", endpoint="account")(login_required(lambda: "the account of somebody"))
    return app


def flask_login(**options: Any) -> Any:
    return wrapped(with_login(flask_app("login", USER)), options)


def flask_session(**options: Any) -> Any:
    from cachelib import SimpleCache
    from flask_session import Session

    app = flask_app("session", USER, SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache())
    Session(app)
    return wrapped(with_login(app), options)


def flask_wtf(**options: Any) -> Any:
    import flask
    from flask_wtf import CSRFProtect, FlaskForm
    from wtforms import StringField

    class Comment(FlaskForm):  # type: ignore[misc]
        email = StringField()

    app = flask_app("wtf", "{{ session.get('name', 'stranger') }}")
    CSRFProtect(app)

    def write() -> Any:
        form = Comment()
        if form.validate_on_submit():
            flask.session["name"] = form.email.data
            return flask.redirect("/")
        return flask.render_template_string(
            '<form method="post">{{ form.hidden_tag() }}{{ form.email }}</form>', form=form
        )

    def forget() -> Any:
        flask.session.clear()
        return "forgotten"

    app.add_url_rule("/write", view_func=write, methods=["GET", "POST"])
    app.add_url_rule("/forget", view_func=forget)

    return wrapped(app, options)


def flask_security(**options: Any) -> Any:
    from flask_security import Security, SQLAlchemyUserDatastore, hash_password
    from flask_security.models import fsqla_v3
    from flask_sqlalchemy import SQLAlchemy

    app = flask_app(
        "security", "{{ current_user.email if current_user.is_authenticated else 'stranger' }}",
        SECURITY_PASSWORD_SALT="salt", SQLALCHEMY_DATABASE_URI="sqlite://", WTF_CSRF_ENABLED=True,
        SECURITY_PASSWORD_HASH="plaintext", SECURITY_PASSWORD_SCHEMES=["plaintext"],
        SECURITY_DEPRECATED_PASSWORD_SCHEMES=[], SECURITY_PASSWORD_SINGLE_HASH=True,
        SECURITY_SEND_REGISTER_EMAIL=False,
    )  # fmt: skip
    from sqlalchemy.pool import StaticPool

    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "poolclass": StaticPool, "connect_args": {"check_same_thread": False},
    }  # fmt: skip
    db = SQLAlchemy(app)
    fsqla_v3.FsModels.set_db_info(db)
    role = type("Role", (db.Model, fsqla_v3.FsRoleMixin), {})
    user = type("User", (db.Model, fsqla_v3.FsUserMixin), {})
    store = SQLAlchemyUserDatastore(db, user, role)
    Security(app, store)
    with app.app_context():
        db.create_all()
        store.create_user(email=MEMBER, password=hash_password(PASSWORD))
        db.session.commit()
    return wrapped(app, options)


def flask_admin(**options: Any) -> Any:
    from flask_admin import Admin, AdminIndexView
    from flask_babel import Babel
    from flask_login import current_user

    class Guarded(AdminIndexView):  # type: ignore[misc]
        def is_accessible(self) -> bool:
            return bool(current_user.is_authenticated)

    app = with_login(flask_app("admin", USER))
    Babel(app)
    Admin(app, index_view=Guarded())
    return wrapped(app, options)


def django_site(
    urls: str, apps: tuple[str, ...], middleware: tuple[str, ...] = (),
    processors: tuple[str, ...] = (), template: str = "", staff: bool = False, **more: Any,
) -> Callable[..., Any]:  # fmt: skip
    """Settings once in a process; ``urls`` is the text of the URLconf, ``template`` that of
    ``page.html``."""
    from django.conf import settings

    directory = tempfile.mkdtemp()
    sys.path.insert(0, directory)
    with open(f"{directory}/trial_urls.py", "w") as file:
        file.write(urls)
    with open(f"{directory}/page.html", "w") as file:
        file.write(template)
    contrib = "django.contrib"
    settings.configure(
        SECRET_KEY="not a secret, " * 5, ALLOWED_HOSTS=["*"], ROOT_URLCONF="trial_urls",
        INSTALLED_APPS=[
            *(f"{contrib}.{name}" for name in ("auth", "contenttypes", "sessions", "messages")),
            *apps, "isgware.django",
        ],
        MIDDLEWARE=[
            f"{contrib}.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            f"{contrib}.auth.middleware.AuthenticationMiddleware",
            f"{contrib}.messages.middleware.MessageMiddleware", *middleware,
        ],
        TEMPLATES=[{
            "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
            "DIRS": [directory],
            "OPTIONS": {"context_processors": [
                "django.template.context_processors.request",
                f"{contrib}.auth.context_processors.auth",
                f"{contrib}.messages.context_processors.messages",
                *processors,
            ]},
        }],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{directory}/db"}},
        PASSWORD_HASHERS=[f"{contrib}.auth.hashers.MD5PasswordHasher"], USE_TZ=True,
        EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend", STATIC_URL="/static/",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField", **more,
    )  # fmt: skip
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    call_command("migrate", verbosity=0)
    users: Any = get_user_model().objects
    (users.create_superuser if staff else users.create_user)("ann", MEMBER, PASSWORD)

    def made(**options: Any) -> Any:
        import isgware.django

        bare = get_wsgi_application()
        return isgware.django.ISG(bare, **options) if options else bare

    return made


SHOWN: Final = """
from django.http import HttpResponse
from django.template import engines
from django.urls import include, path
PAGE = '''<title>Trial</title>
{% if user.is_authenticated %}{{ user.email }}{% else %}stranger{% endif %}
{% for message in messages %}<p>{{ message }}</p>{% endfor %}<h1>{{ request.path }}</h1>'''
def shown(request):
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))
urlpatterns = [path("", shown), path("about", shown), path("contact", shown),
"""


def django_allauth(**options: Any) -> Any:
    return django_site(
        SHOWN + 'path("accounts/", include("allauth.urls"))]',
        ("allauth", "allauth.account"), ("allauth.account.middleware.AccountMiddleware",),
        AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
        ACCOUNT_LOGIN_METHODS={"email"}, ACCOUNT_EMAIL_VERIFICATION="none",
        ACCOUNT_RATE_LIMITS=False,
        LOGIN_REDIRECT_URL="/", SITE_ID=1,
    )  # fmt: skip


def rest_framework(**options: Any) -> Any:
    return django_site(
        SHOWN + """path("api-auth/", include("rest_framework.urls")), path("api", lambda r: api(r))]
from rest_framework.decorators import api_view
from rest_framework.response import Response
@api_view(["GET"])
def api(request):
    return Response({"user": str(request.user)})
""",
        ("rest_framework",), LOGIN_REDIRECT_URL="/",
    )  # fmt: skip


CMS_URLS: Final = """
from django.contrib import admin
from django.urls import include, path
urlpatterns = [path("admin/", admin.site.urls), path("", include("cms.urls"))]
"""
CMS_PAGE: Final = """{% load cms_tags menu_tags sekizai_tags %}<!doctype html><html><head>
<title>{% page_attribute "page_title" %}</title>{% render_block "css" %}</head><body>
{% cms_toolbar %}<p>{% if user.is_authenticated %}{{ user.email }}{% else %}stranger{% endif %}</p>
{% show_menu 0 100 100 100 %}{% placeholder "content" %}{% render_block "js" %}</body></html>"""


def django_cms(**options: Any) -> Any:
    made = django_site(
        CMS_URLS,
        (*(f"django.contrib.{name}" for name in ("sites", "admin", "staticfiles")),
         "cms", "menus", "treebeard", "sekizai"),
        ("django.middleware.locale.LocaleMiddleware", *(
            f"cms.middleware.{name}" for name in (
                "user.CurrentUserMiddleware", "page.CurrentPageMiddleware",
                "toolbar.ToolbarMiddleware"))),
        ("sekizai.context_processors.sekizai", "cms.context_processors.cms_settings"),
        CMS_PAGE, staff=True, SITE_ID=1, CMS_CONFIRM_VERSION4=True, LANGUAGES=[("en", "English")],
        LANGUAGE_CODE="en", CMS_TEMPLATES=[("page.html", "Page")], X_FRAME_OPTIONS="SAMEORIGIN",
    )  # fmt: skip
    from cms.api import create_page
    from django.contrib.auth import get_user_model
    from django.db import transaction

    editor = get_user_model().objects.get()
    for name in ("home", "about", "contact"):
        page = create_page(name.title(), "page.html", "en", slug=name, created_by=editor)
        if name == "home":
            with transaction.atomic():
                page.set_as_homepage()
    return made


PAGES: Final = ("/", "/about", "/contact")
EMAIL: Final = {"email": MEMBER}
SITES: Final[dict[str, Site]] = {
    "flask-login": Site(("Flask-Login",), flask_login, walk(
        *PAGES, "/account", login="/login", fields=EMAIL, logout="/logout")),
    "flask-session": Site(("Flask-Session", "Flask-Login"), flask_session, walk(
        *PAGES, login="/login", fields=EMAIL, logout="/logout")),
    "flask-wtf": Site(("Flask-WTF",), flask_wtf, walk(
        *PAGES, "/write", login="/write", fields=EMAIL, logout="/forget")),
    "flask-security": Site(("Flask-Security-Too",), flask_security, walk(
        *PAGES, "/login", login="/login", fields={**EMAIL, "password": PASSWORD},
        logout="/logout")),
    "flask-admin": Site(("Flask-Admin", "Flask-Login"), flask_admin, walk(
        *PAGES, "/admin/", login="/login", fields=EMAIL, logout="/logout")),
    "allauth": Site(("django-allauth", "Django"), django_allauth, walk(
        *PAGES, "/accounts/login/", login="/accounts/login/",
        fields={"login": MEMBER, "password": PASSWORD}, logout="!/accounts/logout/")),
    "django-cms": Site(("django-cms", "Django"), django_cms, walk(
        "/", "/about/", "/contact/", login="/admin/login/",
        fields={"username": "ann", "password": PASSWORD}, logout="!/admin/logout/")),
    "rest-framework": Site(("djangorestframework", "Django"), rest_framework, walk(
        *PAGES, "/api", login="/api-auth/login/",
        fields={"username": "ann", "password": PASSWORD}, logout="!/api-auth/logout/")),
}  # fmt: skip
