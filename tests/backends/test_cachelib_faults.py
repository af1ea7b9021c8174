"""Whatever a cachelib cache does at whichever call, at worst the page is rendered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isgware import ISG, Policy
from tests.backends.caches import Recorded


def _fail() -> None:
    raise RuntimeError("the cache is gone")


FAULTS: dict[str, Callable[[], object]] = {
    "raises": _fail,
    "None": lambda: None,
    "False": lambda: False,
    "text": lambda: "junk",
    "number": lambda: 7,
    "bytes": lambda: b"ISGW junk",
}


class Scripted(Recorded):
    """Answers the ``nth`` call with a fault, or all from then on."""

    def __init__(self, fault: Callable[[], object], nth: int, lasting: bool) -> None:
        super().__init__()
        self.fault, self.nth, self.lasting = fault, nth, lasting
        self.calls: list[None] = []

    def _answer(self, work: Callable[[], Any]) -> Any:
        self.calls.append(None)
        call = len(self.calls)
        if call == self.nth or (self.lasting and call > self.nth):
            return self.fault()
        return work()

    def get(self, key: str) -> Any:
        return self._answer(lambda: Recorded.get(self, key))

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        return bool(self._answer(lambda: Recorded.set(self, key, value, timeout)))

    def delete(self, key: str) -> bool:
        return bool(self._answer(lambda: Recorded.delete(self, key)))


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_call_is_at_worst_a_miss(
    fault: str, lasting: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"page of " + environ["PATH_INFO"].encode()]

    hurt = 0
    for nth in range(1, 9):
        cache = Scripted(FAULTS[fault], nth, lasting)
        site = ISG(
            app, store=cache, coordinator=f"file:{tmp_path / str(nth)}", enabled=True, memory=0,
            routes={"/<name>": Policy(revalidate=60)},
        )  # fmt: skip
        for path in ("/a", "/a", "/b", "/a", "/b"):
            assert _get(site, path) == ("200 OK", b"page of " + path.encode())
        hurt += len(cache.calls) >= nth
        site.close(timeout=1)
    assert hurt > 3
    assert "Traceback" not in caplog.text


def _get(site: ISG, path: str) -> tuple[str, bytes]:
    said: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "",
        "SERVER_NAME": "localhost", "SERVER_PORT": "80", "HTTP_HOST": "localhost",
        "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
    }  # fmt: skip

    def start_response(
        status: str, headers: Any, exc_info: Any = None
    ) -> Callable[[bytes], object]:
        said.append(status)
        return lambda data: None

    answer = site(environ, start_response)
    body = b"".join(answer)
    getattr(answer, "close", lambda: None)()
    return said[0], body
