"""``manage.py isg`` as a program, on a project with a database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PATIENT

PROJECT = """
import os, sys
from django.conf import settings

settings.configure(
    SECRET_KEY="not a secret", ALLOWED_HOSTS=["*"], ROOT_URLCONF="manage", USE_TZ=True,
    INSTALLED_APPS=["isgware.django", "shop"], DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db"}},
    ISGWARE={"store": "file:pages", "base_url": "https://example.com", "enabled": True},
)
import django
django.setup()
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.urls import path
from isgware import revalidate
from isgware.django import ISG
from shop.models import Article

@revalidate(3600, paths=Article.objects.values("slug"), fallback="not-found")
def article(request, slug):
    found = Article.objects.get(slug=slug)
    return HttpResponse(f"{found.slug} {os.getpid()}")

urlpatterns = [path("articles/<slug:slug>/", article, name="article")]
application = ISG(get_wsgi_application())

if __name__ == "__main__":
    sys.modules["manage"] = sys.modules["__main__"]
    if "make" in sys.argv:
        with connection.schema_editor() as editor:
            editor.create_model(Article)
        for slug in ("a", "b", "c"):
            Article.objects.create(slug=slug)
    else:
        execute_from_command_line(sys.argv)
"""
MODELS = """
from django.db import models

class Article(models.Model):
    slug = models.SlugField()
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "manage.py").write_text(PROJECT)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "models.py").write_text(MODELS)
    run(tmp_path, "make")
    return tmp_path


def words(site: Path, *words: str) -> list[str]:
    return [sys.executable, str(site / "manage.py"), *words]


def environ() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ISGWARE", "DJANGO"))}
    return {**kept, **PATIENT}


def run(site: Path, *command: str) -> str:
    done = subprocess.run(
        words(site, *command), cwd=site, env=environ(), capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_what_a_query_set_lists_is_built_and_exported(site: Path) -> None:
    table = run(site, "isg", "build", "--jobs", "2")
    assert "● /articles/<slug:slug>/  3" in table
    said = run(site, "isg", "export", "tree")
    assert said.startswith("tree: 3 written, 0 unchanged, 0 removed.")
    page = (site / "tree" / "articles" / "b" / "index.html").read_text()
    assert page.startswith("b ")


def test_a_worker_runs_until_it_is_told_to_end(site: Path) -> None:
    with subprocess.Popen(
        words(site, "isg", "worker", "--threads", "1", "--export", "tree"), cwd=site,
        env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
    ) as worker:  # fmt: skip
        assert worker.stdout is not None
        told = []
        while not told or " renders for file:pages on " not in told[-1]:
            told.append(worker.stdout.readline())
        worker.send_signal(signal.SIGTERM)
        ended, complaints = worker.communicate(timeout=300)
    assert told[0].startswith("tree: 0 written")
    assert "has ended: 0 rendered" in ended
    assert (worker.returncode, complaints) == (0, "")
