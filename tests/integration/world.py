"""What the servers of one test share: the store, the knobs of its pages, the log of renders."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.sites import sitecore


class World:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = directory / "store"
        (directory / "knobs").mkdir(parents=True)

    @property
    def store_url(self) -> str:
        return f"file:{self.store}"

    def knob(self, path: str, **values: Any) -> None:
        """Say how this page is rendered from now on; replaced whole, so that nobody reads half."""
        scratch = self.directory / "scratch"
        scratch.write_text(json.dumps(values))
        os.replace(scratch, sitecore.knob_file(self.directory, path))

    @contextlib.contextmanager
    def held(self, path: str, **values: Any) -> Iterator[None]:
        """Renders of this page that begin in this block do not end before it does, unless the page
        is given another knob: then those that begin after that."""
        gate = self.directory / f"gate-{uuid.uuid4().hex}"
        self.knob(path, until=str(gate), **values)
        try:
            yield
        finally:
            gate.touch()

    def renders(self, path: str | None = None, event: str = "begin") -> list[dict[str, Any]]:
        """What the log says of the renders that began (or ended), of one page or of all."""
        log = self.directory / "renders.log"
        text = log.read_text() if log.exists() else ""
        whole = text[: text.rfind("\n") + 1]  # of one that is being written half may be there
        entries = [json.loads(line) for line in whole.splitlines()]
        return [
            entry for entry in entries if entry["event"] == event and path in (None, entry["path"])
        ]
