"""The command line as processes: script, module, ``flask`` and ``manage.py``."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from isgware import ISG, Policy
from tests.conftest import PATIENT
from tests.promises.kit import Environ

ROOT = Path(__file__).parents[2]
ROUTES = {"/<page>": Policy(revalidate=60)}


def hello(environ: Environ, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello."]


def program(*words: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ISGWARE", "FLASK", "DJANGO"))}
    return subprocess.run(
        words, cwd=cwd, env={**kept, **PATIENT, **environ}, text=True, timeout=300, check=False,
        capture_output=True,
    )  # fmt: skip


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "words", ["ls STORE", "ls STORE --output json", "stats STORE", "--help", "ls --help"]
)
def test_output_that_cannot_be_written_is_one_line_and_status_1(words: str, tmp_path: Path) -> None:
    store = f"file:{tmp_path}/pages"
    isg = ISG(hello, store=store, routes=ROUTES)
    for letter in "abcdefghij":  # more than a buffer holds
        Client(isg).get("/" + letter * 1000)
    isg.close()
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "isgware", *(w.replace("STORE", store) for w in words.split())],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=300, check=False,
        )  # fmt: skip
    said = "Error: The output cannot be written: No space left on device.\n"
    assert (done.stderr, done.returncode) == (said, 1)


@pytest.mark.parametrize(
    "words", [(str(Path(sys.executable).with_name("isgware")),), (sys.executable, "-m", "isgware")],
    ids=["script", "module"],
)  # fmt: skip
def test_the_console_script(words: Sequence[str], tmp_path: Path) -> None:
    environ = {"CATALOGUE_DB": f"{tmp_path}/notes.sqlite", "ISGWARE_STORE": f"file:{tmp_path}/p"}
    target = "examples.flask_app.app:app"

    def run(command: str, *more: str) -> subprocess.CompletedProcess[str]:
        return program(*words, command, target, *more, cwd=ROOT, **environ)

    assert run("why", "/country/FR").stdout.startswith("MISS: GET http://localhost/country/FR")
    assert run("ls").stderr == "Nothing is stored.\n"
    base = {**environ, "ISGWARE_BASE_URL": "https://example.com"}
    made = program(*words, "revalidate", target, "--now", "/country/FR", cwd=ROOT, **base)
    assert (made.returncode, made.stderr) == (0, "")
    assert "/country/FR" in run("ls").stdout
    assert run("purge", "--all").returncode == 0
    assert run("show", "/country/FR").returncode == 1
    missing = program(*words, "ls", "no_such_module:app", cwd=tmp_path)
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)


def test_flask_has_the_same_commands(tmp_path: Path) -> None:
    environ = {
        "CATALOGUE_DB": f"{tmp_path}/notes.sqlite",
        "ISGWARE_STORE": f"file:{tmp_path}/pages",
        "ISGWARE_BASE_URL": "https://example.com",
        "FLASK_APP": "examples.flask_app.app:app",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return program(sys.executable, "-m", "flask", "isg", *words, cwd=ROOT, **environ)

    assert run("revalidate", "--now", "/country/FR").returncode == 0
    assert "/country/FR" in run("ls", "/country").stdout
    assert run("why", "/country/FR").stdout.startswith("HIT: GET https://example.com/country/FR")
    built = run("build", "--only", "/country/[AF]*", "--jobs", "2")
    assert (built.returncode, built.stderr) == (0, "")
    assert "fresh" in run("build", "--only", "/country/[AF]*", "--stale").stdout
    assert run("purge").returncode == 2
    assert run("purge", "--tag", "country:FR").stdout == "Purged: tag country:FR.\n"


def test_manage_py_has_the_same_commands(tmp_path: Path) -> None:
    environ = {"BLOG_VAR": str(tmp_path)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        here = ROOT / "examples" / "django_app"
        return program(sys.executable, "manage.py", *words, cwd=here, **environ)

    assert run("isg", "why", "/", "--settings=project.settings").stdout.startswith("MISS: GET ")
    assert run("isg", "ls").stderr == "Nothing is stored.\n"
    assert run("isg", "purge", "--all").stdout == "Purged everything.\n"
    assert run("isg", "show", "/").returncode == 1
    assert run("isg", "purge").returncode == 2
    assert "Commands:" in run("isg", "--help").stdout
    for words in (("migrate", "-v0"), ("load_posts", "-v0")):
        assert run(*words).returncode == 0
    built = run("isg", "build", "--base-url", "http://localhost", "--jobs", "2")
    assert (built.returncode, built.stderr) == (0, "")
    assert "● /posts/<slug:slug>/" in built.stdout
    assert "topics" in run("isg", "ls").stdout


def test_a_page_is_shown_on_a_terminal_that_lacks_its_letters(tmp_path: Path) -> None:
    isg = ISG(hello, store=f"file:{tmp_path}/p", enabled=True, routes=ROUTES)
    assert Client(isg).get("/日本").text == "Hello."
    isg.close(0)
    words = (sys.executable, "-m", "isgware", "ls", f"file:{tmp_path}/p")
    done = program(*words, cwd=tmp_path, PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"/\u65e5\u672c" in done.stdout


def test_who_reads_no_further_is_no_error(tmp_path: Path) -> None:
    isg = ISG(hello, store=f"file:{tmp_path}/p", enabled=True, routes=ROUTES)
    client = Client(isg)
    for number in range(1_500):
        client.get(f"/{number:0100}")
    isg.close(0)
    words = f'"{sys.executable}" -m isgware ls "file:{tmp_path}/p" | head -n 1'
    done = program("sh", "-c", words, cwd=tmp_path)
    assert done.stdout.startswith("PAGE ")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_click_one_line_names_the_extra(tmp_path: Path) -> None:
    script = "import sys; sys.modules['click'] = None\nfrom isgware.cli.main import main; main()"
    done = program(sys.executable, "-c", script, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2, "The command line needs click: pip install 'isgware[cli]'\n"
    )  # fmt: skip
