"""``isgware build`` and ``isgware routes``, as programs."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isgware import connect
from tests.conftest import PATIENT

SITE = """
import os, signal, sys, time
import isgware
from flask import Flask, abort
from isgware import Policy, revalidate
from isgware.flask import ISG

app = Flask("site")
if os.environ.get("NOISY"):
    print("an app that prints")
rendered = os.environ["RENDERED"]

def slugs():
    if os.environ.get("NOISY"):
        print("paths= that prints")
    return [{"slug": slug} for slug in os.environ.get("SLUGS", "a b").split()]

def note(slug):
    with open(rendered, "a") as file:
        file.write(slug + "\\n")

@app.get("/")
@revalidate(3600)
def home():
    print("a view that prints")
    return "home" * 100

@app.get("/posts/<slug>")
@revalidate(3600, paths=slugs)
def post(slug):
    if slug.startswith("slow"):
        time.sleep(0.02)
    while slug.startswith("held") and os.path.exists("hold"):
        time.sleep(0.02)
    if slug.startswith("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    if slug == "exits":
        os._exit(7)
    if slug == "hangs":
        time.sleep(600)
    if slug == "fails":
        raise LookupError("no such thing")
    note(slug)
    return f"{slug} of {os.environ.get('RELEASE', '1')}"

@app.get("/search")
def search():
    return "search"

isg = ISG(app, enabled=True)
memory = Flask("memory")
ISG(memory, store="memory:", base_url="https://example.com")
plain = isgware.ISG(lambda environ, start_response: [])
"""
BASE = ("--base-url", "https://example.com")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "site_built.py").write_text(SITE)
    (tmp_path / "rendered").touch()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ISGWARE", "FLASK", "DJANGO"))}
    kept |= {"RENDERED": f"{tmp_path}/rendered", "ISGWARE_STORE": f"file:{tmp_path}/pages"}
    return kept | PATIENT


@pytest.fixture
def isgware_(tmp_path: Path, environ: dict[str, str]) -> Run:
    def run(
        command: str, *words: str, app: str = "app", **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "isgware", command, f"site_built:{app}", *words],
            cwd=tmp_path, env={**environ, **more}, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip

    return run


def stored(tmp_path: Path, **options: Any) -> list[str]:
    with connect(f"file:{tmp_path}/pages", **options) as store:
        return [info.url.removeprefix("https://example.com") for info in store.pages()]


def renders(tmp_path: Path) -> Counter[str]:
    return Counter((tmp_path / "rendered").read_text().split())


def test_a_build_prints_the_table_and_ends_with_0(isgware_: Run, tmp_path: Path) -> None:
    done = isgware_("build", "--jobs", "2", *BASE)
    assert (done.returncode, done.stderr) == (0, "a view that prints\n")
    assert "○ /                        1      60 min      365 d   400 B" in done.stdout
    assert "● /posts/<slug>            2      60 min      365 d   6 B    6 B" in done.stdout
    assert "ƒ /search" in done.stdout
    assert "Rendered 3 pages in" in done.stdout
    assert stored(tmp_path) == ["/", "/posts/a", "/posts/b"]


def test_what_fails_is_named_and_the_status_is_1(isgware_: Run, tmp_path: Path) -> None:
    done = isgware_("build", *BASE, "--output", "json", SLUGS="a fails a")
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"], found["rendered"], found["failed"]) == (1, False, 2, 2)
    assert {failure["page"]: failure["reason"] for failure in found["failures"]} == {
        "/posts/a": "listed twice",
        "https://example.com/posts/fails":
            "status 500 INTERNAL SERVER ERROR, LookupError: no such thing",
    }  # fmt: skip
    text = isgware_("build", *BASE, SLUGS="fails").stdout
    assert "1 failed:\n  /posts/<slug>  https://example.com/posts/fails: status 500" in text


@pytest.mark.parametrize(
    ("words", "app", "error"),
    [
        ((), "app", "Set base_url='https://…', or give --base-url URL"),
        (("--base-url", "example.com"), "app", "'example.com' is no base URL"),
        (BASE, "memory", "lies within its own process"),
        (BASE, "nothing", "has no 'nothing'"),
        ((*BASE, "--stale-from", ""), "app", "is the build that is being made"),
        ((*BASE, "--stale-from", "7"), "app", "There are no pages of a build '7'"),
        ((*BASE, "--jobs", "0"), "app", "--jobs"),
        ((*BASE, "--only", "posts/*"), "app", "begin with a slash"),
        ((*BASE, "--from-log", "none.log"), "app", "none.log"),
        ((*BASE, "--from-log", "site_built.py"), "app", "no line of a page"),
    ],
)
def test_wrong_usage_is_said_in_a_line(
    isgware_: Run, words: tuple[str, ...], app: str, error: str
) -> None:
    done = isgware_("build", *words, app=app)
    assert (done.returncode, done.stdout) == (2, "")
    assert error in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_app_prints_is_no_part_of_the_report(isgware_: Run) -> None:
    for command in (("build", *BASE), ("routes",), ("ls",)):
        done = isgware_(*command, "--output", "json", NOISY="1")
        assert (done.returncode, bool(json.loads(done.stdout))) == (0, True)
        assert "an app that prints" in done.stderr


def test_options_choose_what_is_rendered(isgware_: Run, tmp_path: Path) -> None:
    isgware_("build", *BASE, "--only", "/posts/*", "--build-id", "7")
    assert stored(tmp_path, build_id="7") == ["/posts/a", "/posts/b"]
    assert stored(tmp_path) == []
    done = isgware_("build", *BASE, "--stale", "--output", "json", ISGWARE_BUILD_ID="7")
    assert {name: json.loads(done.stdout)[name] for name in ("rendered", "fresh")} == {
        "rendered": 1,
        "fresh": 2,
    }
    done = isgware_("build", *BASE, "--fail-fast", "--output", "json", SLUGS="fails a b c d e f")
    assert "first failure" in json.loads(done.stdout)["stopped"]


def test_routes_prints_the_table_without_rendering(isgware_: Run, tmp_path: Path) -> None:
    done = isgware_("routes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "● /posts/<slug>            60 min      365 d" in done.stdout
    kinds = [route["kind"] for route in json.loads(isgware_("routes", "--output=json").stdout)]
    assert kinds == ["dynamic", "static", "prerendered", "dynamic"]
    assert not renders(tmp_path)
    for command, words in (("routes", ()), ("build", BASE)):
        done = isgware_(command, *words, app="plain")
        assert (done.returncode, done.stdout) == (0, "")
        assert "No routes are known" in done.stderr


@pytest.mark.parametrize(
    ("slug", "reason"),
    [
        ("dies", "was ended by SIGKILL, perhaps for want of memory"),
        ("exits", "ended with status 7"),
        ("hangs", "took too long and was given up"),
    ],
)
def test_the_page_that_ends_its_process_has_failed_and_the_rest_goes_on(
    isgware_: Run, tmp_path: Path, slug: str, reason: str
) -> None:
    others = [f"s{number}" for number in range(60)]
    slugs = " ".join([*others[:40], slug, *others[40:]])
    words = ("--jobs", "2", "--output", "json")
    done = isgware_("build", *BASE, *words, SLUGS=slugs, ISGWARE_RENDER_TIMEOUT="6")
    found = json.loads(done.stdout)
    (failure,) = found["failures"]
    assert (done.returncode, found["rendered"]) == (1, 61)
    assert (failure["route"], failure["page"]) == ("/posts/<slug>", f"/posts/{slug}")
    assert reason in failure["reason"]
    assert set(renders(tmp_path)) == set(others)


def test_a_build_whose_every_page_ends_its_process_stops(isgware_: Run) -> None:
    slugs = " ".join(f"dies{number}" for number in range(100))
    done = isgware_("build", *BASE, "--jobs=2", "--output", "json", SLUGS=slugs)
    found = json.loads(done.stdout)
    assert (done.returncode, "workers were lost in a row" in found["stopped"]) == (1, True)
    assert found["failed"] < 30


def test_a_build_that_is_killed_goes_on_where_it_was(
    isgware_: Run, tmp_path: Path, environ: dict[str, str]
) -> None:
    slugs = [f"slow{number}" for number in range(100)] + [f"held{number}" for number in range(50)]
    (tmp_path / "hold").touch()  # so that it is not done when it is killed
    environ["SLUGS"] = " ".join(slugs)
    command = [sys.executable, "-m", "isgware", "build", "site_built:app", "--jobs=2", *BASE]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    first = subprocess.Popen(command, cwd=tmp_path, env=environ, **quiet)  # type: ignore[call-overload]
    workers = children(first.pid, 2)
    while len(renders(tmp_path)) < 50 or len(stored(tmp_path)) <= 10:
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    for pid in workers:
        gone(pid)
    (tmp_path / "hold").unlink()
    before, had = renders(tmp_path), set(stored(tmp_path))
    assert 10 < len(had) < 150
    done = isgware_("build", "--stale", "--jobs=2", *BASE, "--output", "json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["rendered"] + found["fresh"]) == (0, 151)
    assert len(stored(tmp_path)) == 151
    again = renders(tmp_path) - before
    assert not {f"/posts/{slug}" for slug in again} & had
    assert set(again) | {path.removeprefix("/posts/") for path in had} >= set(slugs)


def test_a_build_that_is_interrupted_leaves_nobody_behind(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    environ["SLUGS"] = " ".join(f"slow{number}" for number in range(3_000))
    command = [sys.executable, "-m", "isgware", "build", "site_built:app", "--jobs=2", *BASE]
    build = subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    workers = children(build.pid, 2)
    while len(renders(tmp_path)) < 10:
        time.sleep(0.01)
    os.killpg(build.pid, signal.SIGINT)
    _, stderr = build.communicate(timeout=300)
    assert build.returncode == 1
    assert "Traceback" not in stderr
    for pid in workers:
        gone(pid)


def children(pid: int, count: int) -> list[int]:
    file = Path(f"/proc/{pid}/task/{pid}/children")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = [int(word) for word in file.read_text().split()]
        if len(found) >= count:
            return found
        time.sleep(0.01)
    raise AssertionError("no workers")


def gone(pid: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.01)
    raise AssertionError(f"{pid} is still there")


# Warm-up.

SITEMAP = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
  <url><loc>https://example.com/posts/b</loc><lastmod>2026-01-01</lastmod></url>
  <url><loc> https://www.example.com/posts/a?x=1&amp;y=2 </loc></url>
  <url><loc>https://example.com/search</loc></url>
</urlset>
"""
LOG = """\
192.0.2.7 - - [10/Oct/2026:13:55:36 +0000] "GET /posts/b HTTP/1.1" 200 23 "-" "Mozilla/5.0"
192.0.2.7 - - [10/Oct/2026:13:55:37 +0000] "GET /posts/a?utm_source=x HTTP/1.1" 200 23 "-" "-"
192.0.2.7 - - [10/Oct/2026:13:55:37 +0000] "GET /posts/a?utm_source=x HTTP/2.0" 304 0 "-" "-"
192.0.2.7 - - [10/Oct/2026:13:55:38 +0000] "POST /posts/c HTTP/1.1" 200 23 "-" "-"
192.0.2.7 - - [10/Oct/2026:13:55:38 +0000] "GET /posts/d HTTP/1.1" 500 23 "-" "-"
192.0.2.7 - - [10/Oct/2026:13:55:38 +0000] "GET /../etc/passwd HTTP/1.1" 200 23 "-" "-"
192.0.2.7 - - [10/Oct/2026:13:55:38 +0000] "GET /search?q=1 HTTP/1.1" 200 23 "-" "-"
"""


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_from_a_sitemap(isgware_: Run, tmp_path: Path, packed: bool) -> None:
    data = gzip.compress(SITEMAP.encode()) if packed else SITEMAP.encode()
    (tmp_path / "sitemap").write_bytes(data)
    done = isgware_("build", *BASE, "--from-sitemap", "sitemap")
    assert done.returncode == 0
    assert stored(tmp_path) == ["/posts/a?x=1&y=2", "/posts/b"]
    assert "● /posts/<slug>            2" in done.stdout
    assert "1 not stored: no declared route matches this path" in done.stdout


def test_from_a_log_the_most_visited_come_first(isgware_: Run, tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text(LOG)
    done = isgware_("build", *BASE, "--jobs=1", "--from-log", "access.log")
    assert done.returncode == 0
    assert stored(tmp_path) == ["/posts/a", "/posts/b"]
    assert (tmp_path / "rendered").read_text().split() == ["a", "b"]


def test_stale_from_serves_the_previous_build_meanwhile(isgware_: Run, tmp_path: Path) -> None:
    isgware_("build", *BASE, "--build-id", "1")
    done = isgware_(
        "build", *BASE, "--build-id", "2", "--stale-from", "1", "--only", "/posts/b", RELEASE="2"
    )
    assert (done.returncode, done.stderr) == (0, "Copied 3 pages of build '1' as stale.\n")
    visit = (
        "from site_built import app; from werkzeug.test import Client\n"
        "for path in ('/posts/a', '/posts/b'):\n"
        "    answer = Client(app).get(path, base_url='https://example.com')\n"
        "    print(answer.headers['X-ISG-Cache'], answer.text)"
    )
    environ = {
        "RENDERED": f"{tmp_path}/rendered",
        "ISGWARE_STORE": f"file:{tmp_path}/pages",
        "ISGWARE_BUILD_ID": "2",
        "RELEASE": "2",
    }
    seen = subprocess.run(
        [sys.executable, "-c", visit], cwd=tmp_path, env={**os.environ, **environ},
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert seen.stdout == "STALE a of 1\nHIT b of 2\n"
    assert len(stored(tmp_path, build_id="1")) == 3
