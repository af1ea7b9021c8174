"""A Django site with the middleware of a new project, and a page with two holes in it."""

from __future__ import annotations

from typing import Any, Final

from bench.kit.apps import App, environ

LINES: Final = "".join(f"<li>article {number} of the shop</li>\n" for number in range(400))
MIDDLEWARE: Final = (
    "security.SecurityMiddleware", "common.CommonMiddleware", "csrf.CsrfViewMiddleware",
    "clickjacking.XFrameOptionsMiddleware",
)  # fmt: skip


def django_shop() -> tuple[App, App, str]:
    """The site behind isgware, the site alone, and the cookies of a member."""
    from django.conf import settings

    settings.configure(
        SECRET_KEY="not a secret", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            *(f"django.middleware.{name}" for name in MIDDLEWARE),
        ],
        ISGWARE={"store": "memory:", "enabled": True},
    )  # fmt: skip
    import django

    django.setup()
    from django.core.wsgi import get_wsgi_application

    import isgware.django

    globals()["urlpatterns"] = _urls()
    alone = get_wsgi_application()
    cookies: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        cookies.extend(v.strip().partition(";")[0] for k, v in headers if k == "Set-Cookie")

    b"".join(alone(environ("/login"), start_response))
    return isgware.django.ISG(get_wsgi_application()), alone, "; ".join(cookies)


def _urls() -> list[Any]:
    from django.http import HttpResponse
    from django.middleware.csrf import get_token
    from django.urls import path

    from isgware import hole, page, revalidate

    @hole("django-account")
    def account(request: Any) -> str:
        return f"<b>{request.session.get('user', 'stranger')}</b>"

    @hole("django-basket")
    def basket(request: Any) -> str:
        return f"<i>{len(request.session.get('items', []))} items</i>"

    def holes() -> str:
        return page.hole("django-account") + LINES + page.hole("django-basket")

    def form(request: Any) -> str:
        return f"<input name=csrfmiddlewaretoken value={get_token(request)}>"

    def login(request: Any) -> HttpResponse:
        request.session.update({"user": "ann", "items": [1, 2]})
        return HttpResponse(form(request))

    views = {
        "page": revalidate(3600)(lambda request: HttpResponse(holes())),
        "form": revalidate(3600)(lambda request: HttpResponse(form(request) + holes())),
        "look": lambda request: HttpResponse(account(request) + basket(request)),
        "token": lambda request: HttpResponse(form(request) + account(request) + basket(request)),
        "login": login,
    }
    return [path(name, view) for name, view in views.items()]
