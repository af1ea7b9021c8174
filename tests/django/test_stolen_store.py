"""Who has stolen the store has nothing that opens anything: no key, session, token or cookie of a
visitor, and nothing that tokens are made of."""

import pytest
from django.conf import settings
from django.contrib import messages
from django.core.cache import cache
from django.http import HttpResponse
from django.template import engines
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from werkzeug.test import Client

from isgware import revalidate
from isgware.django.csrf import clean_room_secret, unmasked

from .test_accounts import TEMPLATES, TOKEN
from .test_reads import BACKENDS, MIDDLEWARE

KEY = "a key of twenty and more"
VIEWS = {
    "/user": "{{ user.email }} {{ request.session.card }}",
    "/form": "{{ user.email }}{% csrf_token %}<meta name=csrf content={{ csrf_token }}>",
    "/messages": "{% for message in messages %}{{ message }}{% endfor %}",
    "/theme": "{{ request.COOKIES.theme }}",
}


def page(text):
    return revalidate(60)(
        lambda request: HttpResponse(engines["django"].from_string(text).render({}, request))
    )


def enter(request):
    from django.contrib.auth import get_user_model, login

    name = request.GET["name"]
    user = get_user_model().objects.create_user(name, email=f"{name}@bank.example")
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session["card"] = f"card of {name}"
    messages.success(request, f"welcome {name}")
    return HttpResponse("entered")


@pytest.mark.parametrize("engine", ["db", "cache", "signed_cookies"])
@pytest.mark.parametrize("use_sessions", [False, True], ids=["cookie", "session"])
def test_p12_nothing_in_a_stolen_store_opens_anything(
    project, accounts, tmp_path, engine, use_sessions
):
    accounts("django.contrib.messages", SECRET_KEY=KEY, TEMPLATES=TEMPLATES)
    store = tmp_path / "store"
    isg = project(
        [*(path(where[1:], page(text)) for where, text in VIEWS.items()),
         path("enter", csrf_exempt(enter))],
        MIDDLEWARE=[*MIDDLEWARE, "django.contrib.auth.middleware.AuthenticationMiddleware"],
        SESSION_ENGINE=f"{BACKENDS}.{engine}", CSRF_USE_SESSIONS=use_sessions,
        ISGWARE={"store": f"file:{store}", "enabled": True, "compress": False},
    )  # fmt: skip
    secrets = {KEY, clean_room_secret(), "@bank.example", "card of", "welcome", "secret-theme"}
    for name in ("ann", "bob", ""):
        client = Client(isg)
        if name:
            client.post(f"/enter?name={name}")
        client.set_cookie("theme", "secret-theme")
        for _ in range(3):
            for where in VIEWS:
                found = TOKEN.findall(client.get(where).text)
                secrets.update(found, map(unmasked, found))
        for cookie in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, "messages"):
            held = client.get_cookie(cookie)
            secrets.update({held.value} if held and held.value else ())
    stored = sorted("/" + row.url.rpartition("/")[2] for row in isg.pages())
    isg.core.close(1)
    kept = b"".join(one.read_bytes() for one in store.rglob("*") if one.is_file())
    cache.clear()
    assert stored == sorted(VIEWS)
    assert len(secrets) > 15
    assert not [secret for secret in secrets if secret.encode() in kept]
