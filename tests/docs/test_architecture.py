"""The documentation shows every module, and the rooms in the order that is enforced."""

import re
from pathlib import Path

from tests.test_imports import MODULES, ROOMS

TEXT = (Path(__file__).parents[2] / "docs" / "internals" / "architecture.md").read_text()
ROWS = dict(re.findall(r"^\| (`.+`) \| (.+) \|$", TEXT, re.MULTILINE))


def test_every_module_is_in_the_table() -> None:
    missing = []
    for name in MODULES:
        _, room, *inner = name.split(".")
        if room == "django":  # below its folders lie what Django finds by name
            inner = inner[:1]
        row = next((it for it in ROWS if f"`{room}/`" in it or f"`{room}.py`" in it), "")
        shown = {part.strip("/") for part in re.findall(r"`([a-z0-9_/]+)`", ROWS.get(row, ""))}
        package = MODULES[name].name == "__init__.py"
        if room != "__main__" and (not row or not (package or set(inner) <= shown)):
            missing.append(name)
    assert missing == []


def test_the_picture_has_the_rooms_in_their_order() -> None:
    picture = TEXT.split("```")[1]
    order = ["wsgi", "management", "build", "runtime", "shared_cache", "serving", "regeneration",
             "rendering", "routing", "storage", "backends", "settings", "core", "http"]  # fmt: skip
    lines = [
        next(i for i, line in enumerate(picture.splitlines()) if re.search(rf"\b{room}  ", line))
        for room in order
    ]
    assert lines == sorted(lines)
    assert [room for names in ROOMS for room in sorted(names) if room in order] == order
