"""Walks through a quick start as its reader would: writes its files, types its commands.

A code block with a caption is a file (``app.py``; ``app.py, at the end`` is added to one). A
``console`` block is typed: ``curl``, with or without ``| grep``, goes to the app, ``sleep`` moves
its clock, other Python commands are run, and what is printed has to be what the page shows, in
which ``...`` stands for anything.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.conftest import PATIENT

DRIVER = Path(__file__).with_name("driver.py")
#: Typed by the reader, done here by the test itself.
DONE_BY_THE_TEST = ("pip install", "flask --app", "gunicorn", "mkdir", "cd")
_FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_CAPTION = re.compile(r"^:caption: *(.+)\n+", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """``kind`` is ``file`` or ``console``."""

    kind: str
    name: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in _FENCE.finditer(text):
        info, body = found[2], found[3]
        line = text.count("\n", 0, found.start()) + 1
        caption = _CAPTION.match(body)
        if caption:
            yield Block("file", caption[1].strip(), body[caption.end() :], line)
        elif info == "console":
            yield Block("console", "", body, line)


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """What is typed, and what is printed thereupon."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        typed, _, printed = part.partition("\n")
        while typed.count('"') % 2:  # a quoted argument goes on over lines
            more, _, printed = printed.partition("\n")
            typed += "\n" + more
        yield typed, printed.strip()


@dataclass
class Walk:
    """``application`` is ``MODULE:APP``; everything happens in ``directory``."""

    application: str
    directory: Path
    offset: float = 0.0
    driver: subprocess.Popen[str] | None = None

    def take(self, page: Path) -> None:
        try:
            for block in blocks(page):
                where = f"{page.name}:{block.line}"
                if block.kind == "file":
                    self.write(block.name, block.text)
                else:
                    for typed, printed in commands(block):
                        self.check(where, typed, printed)
        finally:
            self.stop()

    def write(self, caption: str, text: str) -> None:
        name, _, manner = caption.partition(", ")
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if manner == "at the end":
            text = path.read_text() + "\n\n" + text
        path.write_text(text)
        self.stop()  # the reader restarts the server, too

    def check(self, where: str, typed: str, printed: str) -> None:
        got = self.type(typed)
        if printed or typed.startswith("curl"):
            same = _same(printed, got) or _same(_undated(printed), _undated(got))
            assert same, f"{where}: $ {typed}\nshown:\n{printed}\n\nprinted:\n{got}"

    def type(self, typed: str) -> str:
        words = shlex.split(typed)
        if typed.startswith(DONE_BY_THE_TEST):
            return ""
        if words[0] == "sleep":
            self.offset += float(words[1])
            self.ask({"sleep": float(words[1])})
            return ""
        if words[0] == "curl":
            return self.curl(words[1:])
        return self.run(words)

    def run(self, words: list[str]) -> str:
        programs = {
            "python": [sys.executable],
            "django-admin": [sys.executable, "-m", "django"],
            "flask": [sys.executable, "-m", "flask"],
            "isgware": [sys.executable, "-m", "isgware"],
        }
        done = subprocess.run(
            [*programs[words[0]], *words[1:]],
            cwd=self.directory,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout.strip()

    def curl(self, words: list[str]) -> str:
        pattern = None
        if "|" in words:
            at = words.index("|")
            words, (*grep, pattern) = words[:at], words[at + 1 :]
            assert grep in (["grep"], ["grep", "-E"])
        request, shows_head, shows_body = _parsed(words)
        answer = self.ask({"request": request})
        lines = answer["head"] if shows_head else []
        if shows_body:
            lines = [*lines, *([""] if lines else []), *answer["body"].splitlines()]
        return "\n".join(line for line in lines if pattern is None or re.search(pattern, line))

    def ask(self, message: dict[str, Any]) -> Any:
        if self.driver is None or self.driver.poll() is not None:
            self.start()
        assert self.driver is not None
        assert self.driver.stdin is not None
        assert self.driver.stdout is not None
        self.driver.stdin.write(json.dumps(message) + "\n")
        self.driver.stdin.flush()
        line = self.driver.stdout.readline()
        assert line, f"the app ended: {(self.directory / 'stderr').read_text()}"
        return json.loads(line)

    def start(self) -> None:
        with (self.directory / "stderr").open("a") as log:
            self.driver = subprocess.Popen(
                [sys.executable, str(DRIVER), self.application, str(self.offset)],
                cwd=self.directory,
                env=self.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def stop(self) -> None:
        if self.driver is not None:
            self.driver.communicate(timeout=300)
            self.driver = None

    def environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ISGWARE", "DJANGO", "FLASK", "PYTEST"))
        }
        kept |= {"PYTHONPATH": str(self.directory), "PYTHONDONTWRITEBYTECODE": "1"}
        return kept | PATIENT


def _same(shown: str, printed: str) -> bool:
    return OutputChecker().check_output(shown + "\n", printed + "\n", ELLIPSIS)


def _undated(text: str) -> str:
    """Without what differs on a machine that takes a minute for a command: "12 s" is wider than
    "9 s", and what had 60 minutes has 59."""
    return re.sub(r" +", " ", re.sub(r"(\d+|\.\.\.) (s|min|h|d)\b", "a while", text))


def _parsed(words: list[str]) -> tuple[dict[str, Any], bool, bool]:
    request: dict[str, Any] = {"method": "GET", "headers": {}}
    shows_head, shows_body = False, True
    rest = iter(words)
    for word in rest:
        if word == "-si":
            shows_head = True
        elif word == "-sI":
            shows_head, shows_body, request["method"] = True, False, "HEAD"
        elif word == "-d":
            request["data"], request["method"] = next(rest), "POST"
            request["content_type"] = "application/x-www-form-urlencoded"
        elif word == "-H":
            name, _, value = next(rest).partition(": ")
            request["headers"][name] = value
        elif word == "-X":
            request["method"] = next(rest)
        elif word != "-s":
            parts = urlsplit(word)
            request["path"] = parts.path + (f"?{parts.query}" if parts.query else "")
            request["base_url"] = f"{parts.scheme}://{parts.netloc}"
    return request, shows_head, shows_body
