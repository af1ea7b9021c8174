"""The Django example of docs/changes.md, which takes a project, does what the page says."""

import subprocess
import sys
from pathlib import Path

from tests.docs.walk import blocks

PAGE = Path(__file__).parents[2] / "docs" / "changes.md"
PROJECT = """
import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "blog"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", ROOT_URLCONF="blog",
    ISGWARE={"store": "memory:"},
)
django.setup()

from blog.models import Post, Topic
from django.contrib.auth.models import User
from django.core.management import call_command
from isgware.django import isg

call_command("migrate", run_syncdb=True, verbosity=0)
ada, bob = (User.objects.create(username=name) for name in ("ada", "bob"))
post = Post.objects.create(slug="hello", title="Hello", author=ada)
told = []
isg().core.runtime.engine.page_store.invalidate_eventually = lambda names, hard: told.extend(names)
post.author = bob
post.save()
post.topics.add(Topic.objects.create(name="news"))
print(*sorted(set(told)))
"""


def test_the_example_for_django_does_what_is_said(tmp_path: Path) -> None:
    (model,) = [block for block in blocks(PAGE) if block.name == "blog/models.py"]
    (tmp_path / "blog").mkdir()
    (tmp_path / "blog" / "__init__.py").write_text("urlpatterns = []\n")
    (tmp_path / "blog" / "models.py").write_text(model.text)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROJECT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.split() == [
        "tag:author:1", "tag:author:2", "tag:post:hello", "tag:posts", "tag:topic:1",
    ]  # fmt: skip
