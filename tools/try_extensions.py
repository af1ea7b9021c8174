"""Tries isgware in one line around small sites made of well-known extensions:

    python -m tools.try_extensions [flask-login flask-session ...]

Each site of `trial_sites` is visited twice with the same requests, bare and behind
``revalidate=60``: by two strangers, one of whom logs in, writes and logs out. Every answer has to
be the bare site's, but for tokens; the share of pages from the store is told. Needs what it tries:
``pip install flask-login flask-session flask-security-too flask-sqlalchemy flask-admin flask-babel
flask-wtf django-allauth djangorestframework django-cms``.
"""

from __future__ import annotations

import difflib
import html
import importlib.metadata
import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, Final

from werkzeug.test import Client

from isgware.testing import ManualExecutor
from tools.trial_sites import MEMBER, SITES, Step

OPTIONS: Final[dict[str, Any]] = {"store": "memory:", "enabled": True, "revalidate": 60}
_VOLATILE: Final = re.compile(
    r'(name="?(?:csrf_token|csrfmiddlewaretoken)"?[^>]*value=)"[^"]*"'
    r'|(csrf[A-Za-z]*["\']?\s*[:=]\s*)["\'][^"\']+["\']|(_csrf_token=)\S+|\b[A-Za-z0-9]{64}\b'
)


@dataclass
class Played:
    answers: list[tuple[str, str, int, str]] = field(default_factory=list)
    states: list[str] = field(default_factory=list)


def play(application: Any, steps: tuple[Step, ...], later: ManualExecutor) -> Played:
    played = Played()
    visitors: dict[str, Client] = {}
    for who, path, fields in steps:
        client = visitors.setdefault(who, Client(application))
        path = path.removeprefix("!")
        sent = client.get(path)
        text = sent.get_data(as_text=True)
        if fields is not None:
            sent = client.post(
                path,
                data={**hidden(text), **fields},
                headers={"Referer": "http://localhost" + path},
            )
            text = sent.get_data(as_text=True)
        else:
            state = sent.headers.get("X-ISG-Cache", "-")
            played.states.append(state if sent.mimetype == "text/html" else "")
        later.run_all()
        played.answers.append((who, path, sent.status_code, _VOLATILE.sub(r"\1\2\3", text)))
    return played


def hidden(page: str) -> dict[str, str]:
    found = {}
    for element in re.findall(r"<input\b[^>]*>", page):
        known = dict(re.findall(r'([\w-]+)="([^"]*)"', element))
        if known.get("type") == "hidden" and "name" in known:
            found[known["name"]] = html.unescape(known.get("value", ""))
    return found


def tried(name: str) -> bool:
    site = SITES[name]
    make, later = site.app, ManualExecutor()
    if name in ("allauth", "django-cms", "rest-framework"):
        make = site.app()
    bare = play(make(), site.steps, later)
    ours = play(make(**OPTIONS, executor=later), site.steps, later)
    differ = [
        (one[:3], other[:3], one[3], other[3])
        for one, other in zip(ours.answers, bare.answers, strict=True)
        if one != other
    ]
    leaks = [answer[:3] for answer in ours.answers if answer[0] == "ben" and MEMBER in answer[3]]
    pages = [state for state in ours.states if state]
    stored = sum(state in ("HIT", "STALE") for state in pages)
    versions = ", ".join(f"{each} {importlib.metadata.version(each)}" for each in site.packages)
    member = any(MEMBER in answer[3] for answer in bare.answers)
    print(
        f"{versions}: {stored} of {len(pages)} views of HTML pages from the store; "
        f"{len(differ)} of {len(bare.answers)} answers differ, "
        f"{len(leaks)} show the member's to others" + ("" if member else "; NOBODY LOGGED IN")
    )
    for each in differ[:3]:
        lines = difflib.unified_diff(
            each[3].splitlines(), each[2].splitlines(), "bare", "ours", n=0
        )
        print("  ", each[0], each[1], *[line[:200] for line in lines][:12], sep="\n   ")
    return not differ and not leaks and member


def main() -> None:
    names = sys.argv[1:] or list(SITES)
    if len(names) > 1:  # Django is configured once in a process
        done = [
            subprocess.run([sys.executable, "-m", "tools.try_extensions", name], check=False)
            for name in names
        ]
        sys.exit(any(each.returncode for each in done))
    sys.exit(not tried(names[0]))


if __name__ == "__main__":
    main()
