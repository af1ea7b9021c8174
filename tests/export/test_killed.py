"""An export that is killed, at whatever step, leaves whole pages, and the next one completes it."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.export.test_export import PADDING, Site

SCRIPT = Path(__file__).with_name("killing.py")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.isg.close(0)


def test_killed_at_any_step_every_page_is_whole_and_the_next_export_completes(
    site: Site, tmp_path: Path
) -> None:
    site.visit("/posts/a", "/posts/b", "/posts/gone", "/old")
    site.export()
    before = tmp_path / "before"
    shutil.copytree(site.tree, before)
    site.text = "two"
    site.isg.regenerate("/posts/a")
    site.visit("/posts/new")
    site.isg.purge_path("/posts/gone")
    site.export()
    wanted = {name: (site.tree / name).read_bytes() for name in site.files()}

    done = subprocess.run(
        [sys.executable, str(SCRIPT), site.store, str(site.clock.now), str(before), str(tmp_path)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)
    assert len(steps) > 30
    for torn, completed in steps:
        for name, data in pages(torn).items():
            slug = name.split("/")[1]
            texts = {f"{slug} {text} {PADDING}".encode() for text in ("one", "two")}
            if name.endswith(".html"):
                assert data in texts, name
            elif name.endswith(".gz"):
                assert gzip.decompress(data) in texts, name
        assert pages(completed) == wanted


def pages(files: dict[str, str]) -> dict[str, bytes]:
    """Of a tree, what is served."""
    return {
        name: bytes.fromhex(data)
        for name, data in files.items()
        if not name.startswith((".isgware-export/", "_"))
    }
