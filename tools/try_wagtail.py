"""Tries the recipe of docs/migrating.md on a small Wagtail site, with real requests over loopback.

Needs Wagtail (``pip install wagtail``), which is not among isgware's own dependencies. Two
strangers and an editor browse; the editor saves a draft, previews, publishes, moves, deletes and
makes private. Nothing of the editor's may be shown to strangers or lie in the store. Prints what
was tried, and exits 1 if it did not hold. With ``--dependencies`` there are no signals, and the
pages know what they show.
"""

from __future__ import annotations

import argparse
import http.cookiejar
import re
import sys
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, make_server

EDITOR, PASSWORD = "edith-the-editor", "a long enough password"
#: What stands in pages that were made for an editor, and in no others.
EDITORS: Final = (
    "wagtail-userbar",
    EDITOR,
    "DRAFT-TEXT",
    "PREVIEW-TEXT",
    "SECRET-TEXT",
    "VAULT-TEXT",
)
MODELS: Final = """
from django.db import models
from wagtail.admin.panels import FieldPanel
from wagtail.models import Page

class HomePage(Page):
    body = models.TextField(blank=True)
    content_panels = [*Page.content_panels, FieldPanel("body")]
"""
TEMPLATE: Final = """{% load wagtailuserbar wagtailcore_tags %}<!doctype html><html><head>
<title>{{ page.title }}</title></head><body>{% wagtailuserbar %}<h1>{{ page.title }}</h1>
<p>{{ page.body }}</p><ul>{% for child in page.get_children.live %}
<li><a href="{% pageurl child %}">{{ child.title }}</a></li>{% endfor %}</ul></body></html>"""
URLS: Final = """
from django.urls import include, path
from wagtail import urls as pages
from wagtail.admin import urls as admin
from wagtail.documents import urls as documents

urlpatterns = [path("admin/", include(admin)), path("documents/", include(documents)),
               path("", include(pages))]
"""
WAGTAIL: Final = (
    "contrib.forms", "contrib.redirects", "embeds", "sites", "users", "snippets", "documents",
    "images", "search", "admin",
)  # fmt: skip


def configured(directory: Path, dependencies: bool) -> None:
    """Settings as a new project has them, and the recipe."""
    from django.conf import settings

    from isgware import Policy

    home = directory / "home"
    (home / "templates" / "home").mkdir(parents=True)
    (home / "__init__.py").write_text("")
    (home / "models.py").write_text(MODELS)
    (home / "templates" / "home" / "home_page.html").write_text(TEMPLATE)
    (directory / "site_urls.py").write_text(URLS)
    sys.path.insert(0, str(directory))
    page, never = Policy(revalidate=3600, tags=["pages"]), Policy(revalidate=0)
    contrib = "django.contrib"
    settings.configure(
        SECRET_KEY="not a secret, " * 5, ALLOWED_HOSTS=["*"], ROOT_URLCONF="site_urls",
        INSTALLED_APPS=[
            "home", *(f"wagtail.{name}" for name in WAGTAIL), "wagtail", "modelcluster", "taggit",
            *(f"{contrib}.{name}" for name in (
                "admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")),
            "isgware.django",
        ],
        MIDDLEWARE=[
            f"{contrib}.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            f"{contrib}.auth.middleware.AuthenticationMiddleware",
            f"{contrib}.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
            "wagtail.contrib.redirects.middleware.RedirectMiddleware",
        ],
        TEMPLATES=[{
            "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
            "OPTIONS": {"context_processors": [
                "django.template.context_processors.request",
                f"{contrib}.auth.context_processors.auth",
                f"{contrib}.messages.context_processors.messages",
            ]},
        }],
        DATABASES={"default": {
            "ENGINE": "django.db.backends.sqlite3", "NAME": str(directory / "db.sqlite3"),
            "OPTIONS": {"timeout": 20},
        }},
        PASSWORD_HASHERS=[f"{contrib}.auth.hashers.MD5PasswordHasher"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", STATIC_URL="/static/", USE_TZ=True,
        WAGTAIL_SITE_NAME="Trial", WAGTAILADMIN_BASE_URL="http://127.0.0.1",
        ISGWARE={
            "store": f"file:{directory}/store", "enabled": True,
            **({"dependencies": True} if dependencies else {}),
            "routes": {
                "/": page, "/<path:page>": page, "/admin/": never, "/admin/<path:page>": never,
                "/documents/<path:page>": never,
            },
        },
    )  # fmt: skip


def filled_site() -> dict[str, Any]:
    """The database with a home page, a page below it, and one for members only."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("makemigrations", "home", verbosity=0)
    call_command("migrate", verbosity=0)
    from home.models import HomePage  # type: ignore[import-not-found]
    from wagtail.models import Page, PageViewRestriction, Site

    get_user_model().objects.create_superuser(EDITOR, "e@example.org", PASSWORD)  # type: ignore[attr-defined]
    Page.objects.filter(depth=2).delete()
    root = Page.objects.get(depth=1)
    home = root.add_child(instance=HomePage(title="Home", slug="start", body="WELCOME"))
    about = home.add_child(instance=HomePage(title="About", slug="about", body="FIRST-TEXT"))
    more = {
        name: home.add_child(
            instance=HomePage(title=name.title(), slug=name, body=f"{name.upper()}-TEXT")
        )
        for name in ("news", "past", "later")
    }
    club = home.add_child(instance=HomePage(title="Club", slug="club", body="SECRET-TEXT"))
    PageViewRestriction.objects.create(page=club, restriction_type=PageViewRestriction.LOGIN)
    vault = home.add_child(instance=HomePage(title="Vault", slug="vault", body="VAULT-TEXT"))
    PageViewRestriction.objects.create(
        page=vault, restriction_type=PageViewRestriction.PASSWORD, password="open sesame"
    )
    Site.objects.all().delete()
    Site.objects.create(hostname="127.0.0.1", root_page=home, is_default_site=True)
    return {"home": home, "about": about, "club": club, **more}


def purge_when_published() -> None:
    """The recipe's signals."""
    from django.db.models.signals import post_delete, post_save
    from wagtail.models import PageViewRestriction
    from wagtail.signals import (
        page_published,
        page_slug_changed,
        page_unpublished,
        post_page_move,
    )

    from isgware.django import isg

    def changed(sender: Any, **kwargs: Any) -> None:
        isg().purge_tag("pages")

    for signal in (page_published, page_unpublished, page_slug_changed, post_page_move):
        signal.connect(changed, weak=False)
    for signal in (post_save, post_delete):
        signal.connect(changed, sender=PageViewRestriction, weak=False)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None: ...


class Browser:
    """One visitor, with their cookies."""

    def __init__(self, root: str) -> None:
        self.root, self.at = root, ""
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(jar)

    def get(self, path: str, data: dict[str, str] | None = None) -> tuple[str, str, str]:
        """What became of it, by `X-ISG-Cache` (or the status), its `Cache-Status`, and the body."""
        sent = None if data is None else urllib.parse.urlencode(data).encode()
        headers = {"Referer": self.root + path}
        try:
            with self._opener.open(
                urllib.request.Request(self.root + path, sent, headers), timeout=60
            ) as answer:
                self.at = urllib.parse.urlsplit(answer.url).path
                state = answer.headers.get("X-ISG-Cache", "-")
                said = answer.headers.get("Cache-Status", "")
                return state, said, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            return str(error.code), "", error.read().decode("utf-8", "replace")

    def post(self, path: str, form_at: str = "", **fields: str) -> tuple[str, str, str]:
        """Send the form at ``path``, or at another, as its page has it, with ``fields`` changed."""
        form = self.get(form_at or path)[2]
        return self.get(path, {**form_fields(form), **fields})


def form_fields(page: str) -> dict[str, str]:
    import html

    found = {}
    for element in re.findall(r"<input\b[^>]*>", page):
        known = dict(re.findall(r'([\w-]+)="([^"]*)"', element))
        if known.get("type") not in ("checkbox", "radio", "submit") and "name" in known:
            found[known["name"]] = html.unescape(known.get("value", ""))
    for name, text in re.findall(
        r'<textarea\b[^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>', page, re.S
    ):
        found[name] = html.unescape(text)
    return found


class Trial:
    def __init__(self) -> None:
        self.failed = False

    def check(self, what: str, held: bool, seen: object = "") -> None:
        print(f"{'ok    ' if held else 'FAILED'}  {what}" + ("" if held else f": {seen}"))
        self.failed = self.failed or not held


def admin_of(page: Any) -> str:
    return f"/admin/pages/{page.pk}"


def tried(
    root: str, pages: dict[str, Any], stored: Callable[[], tuple[list[str], bytes]]
) -> bool:  # fmt: skip
    trial, ann, ben, editor = Trial(), Browser(root), Browser(root), Browser(root)
    check = trial.check
    about = admin_of(pages["about"])
    for path in ("/", "/about/"):
        states = [who.get(path)[0] for who in (ann, ann, ben)]
        check(f"strangers share {path}", states == ["MISS", "HIT", "HIT"], states)
    state, _, text = editor.post("/admin/login/", username=EDITOR, password=PASSWORD)
    check("the editor logs in, and gets the dashboard of their own", EDITOR in text, text[:300])
    state, said, text = editor.get("/about/")
    own = state == "BYPASS" and "wagtail-userbar" in text
    check("the editor gets pages of their own, with the user bar", own, (state, said))
    state, _, text = ann.get("/about/")
    check("strangers keep theirs", state == "HIT" and "userbar" not in text, state)
    editor.post(f"{about}/edit/", title="About", slug="about", body="DRAFT-TEXT")
    draft = editor.get(f"{about}/view_draft/")
    check(
        "a draft is shown to its editor", "DRAFT-TEXT" in draft[2] and draft[0] != "HIT", draft[:2]
    )
    state, _, text = ben.get("/about/")
    check("a draft is nobody else's", "FIRST-TEXT" in text, (state, text[-200:]))
    editor.post(f"{about}/edit/preview/", title="About", slug="about", body="PREVIEW-TEXT")
    fields = {**form_fields(editor.get(f"{about}/edit/")[2]), "body": "PREVIEW-TEXT"}
    editor.get(f"{about}/edit/preview/?mode=", fields)
    shown = editor.get(f"{about}/edit/preview/?mode=")
    check("a preview is shown to its editor", "PREVIEW-TEXT" in shown[2], shown[:2])
    check("nobody else sees it", "PREVIEW-TEXT" not in ann.get("/about/")[2])
    editor.post(
        f"{about}/edit/", title="About us", slug="about", body="SECOND-TEXT",
        **{"action-publish": "action-publish"},
    )  # fmt: skip
    state, said, text = ann.get("/about/")
    new = state in ("MISS", "REVALIDATED") and "SECOND-TEXT" in text
    check("what is published is there at once", new, (state, said, text[-200:]))
    check("also where a list names it", "About us" in ben.get("/")[2])
    check("and it is shared again", ben.get("/about/")[0] == "HIT")
    check("a page for members is shown to members", "SECRET-TEXT" in editor.get("/club/")[2])
    for who in (ann, ben, ann):
        seen = who.get("/club/")
        check("and to nobody else", "SECRET-TEXT" not in seen[2], seen[:2])
    form = ben.get("/vault/")[2]
    action = re.search(r'<form[^>]*action="([^"]+)"', form)
    check("a page with a password asks for it", action is not None and "VAULT-TEXT" not in form)
    if action is not None:
        shown = ben.get(action[1], {**form_fields(form), "password": "open sesame"})
        check("and is shown to who knows it", "VAULT-TEXT" in shown[2], shown[:2])
    for who in (ann, editor, ann):
        seen = who.get("/vault/")
        check("and to nobody else", "VAULT-TEXT" not in seen[2], seen[:2])
    editor.post("/admin/logout/")
    state, _, text = editor.get("/about/")
    check("who has logged out is a stranger", "userbar" not in text, state)
    editor.post("/admin/login/", username=EDITOR, password=PASSWORD)
    editor.post(f"{about}/unpublish/")
    check("what is unpublished is gone", ann.get("/about/")[0] == "404", ann.get("/about/")[:2])
    moved_and_private(check, ann, editor, pages)
    paths, raw = stored()
    check("the store has what strangers saw", b"WELCOME" in raw, len(raw))
    there = [word for word in EDITORS if word.encode() in raw]
    check("and nothing of the editor, nor of members", not there, there)
    check("nor of the admin", not [path for path in paths if "admin" in path], paths)
    return not trial.failed


def moved_and_private(
    check: Callable[..., None], ann: Browser, editor: Browser, pages: dict[str, Any]
) -> None:
    """What changes where pages are, and who may see them, without a publication."""
    about = admin_of(pages["about"])
    moved = {name: admin_of(pages[name]) for name in ("news", "past", "later")}
    for name in moved:
        check(f"strangers share /{name}/", [ann.get(f"/{name}/")[0] for _ in "12"][1] == "HIT")
    editor.post(f"{moved['news']}/move/{pages['later'].pk}/confirm/")
    seen = ann.get("/news/")
    check("who asks for what was moved is led to it", ann.at == "/later/news/", (ann.at, seen[:2]))
    editor.post(f"{moved['past']}/delete/")
    check("what is deleted is gone", ann.get("/past/")[0] == "404", ann.get("/past/")[:2])
    check("what will be private is still shared", [ann.get("/later/")[0] for _ in "12"][1] == "HIT")
    editor.post(f"{moved['later']}/privacy/", f"{about}/edit/", restriction_type="login")
    seen = ann.get("/later/")
    check("what becomes private is nobody else's at once", "LATER-TEXT" not in seen[2], seen[:2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dependencies", action="store_true", help="without the signals")
    dependencies: bool = parser.parse_args().dependencies
    with tempfile.TemporaryDirectory() as directory:
        configured(Path(directory), dependencies)
        import django

        django.setup()
        import wagtail
        from django.core.wsgi import get_wsgi_application

        import isgware.django

        print(f"Wagtail {wagtail.__version__}, Django {django.get_version()}")
        application = isgware.django.ISG(get_wsgi_application())
        pages = filled_site()
        if not dependencies:
            purge_when_published()
        server = make_server("127.0.0.1", 0, application, handler_class=Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def stored() -> tuple[list[str], bytes]:
            files = sorted(path for path in Path(directory, "store").rglob("*") if path.is_file())
            return [info.path for info in application.pages()], b"".join(
                path.read_bytes() for path in files
            )

        held = tried(f"http://127.0.0.1:{server.server_port}", pages, stored)
        server.shutdown()
        application.close()
    sys.exit(not held)


if __name__ == "__main__":
    main()
