"""A thousand requests from fifty clients: on a cold page whose render takes a second, and then on
the same page when it is stale. Renders, and how long visitors waited.
"""

from __future__ import annotations

import http.client
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.kit.apps import BODY
from bench.kit.report import Column, Report, options
from isgware import ISG, Policy

CLIENTS, REQUESTS = 50, 1_000


class SlowApp:
    def __init__(self) -> None:
        self.renders = 0
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with self._lock:
            self.renders += 1
        time.sleep(1.0)
        start_response("200 OK", [("Content-Type", "text/html")])
        return [BODY]


def visit(port: int) -> tuple[str, float]:
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/page")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.headers["X-ISG-Cache"], time.perf_counter() - started


def herd(port: int) -> tuple[dict[str, int], list[float]]:
    with ThreadPoolExecutor(CLIENTS) as clients:
        results = list(clients.map(lambda _: visit(port), range(REQUESTS)))
    labels: dict[str, int] = {}
    for label, _ in results:
        labels[label] = labels.get(label, 0) + 1
    return labels, sorted(took * 1000 for _, took in results)


def main(arguments: Sequence[str] | None = None) -> None:
    import waitress

    chosen = options("herd", __doc__).parse_args(arguments)
    about = f"{REQUESTS:,} requests from {CLIENTS} clients, render 1 s, one waitress process"
    report = Report("herd", about, chosen.save, ("waitress",))
    app, rows = SlowApp(), []
    with tempfile.TemporaryDirectory() as directory:
        isg = ISG(app, store=f"file:{directory}/store", routes={"/page": Policy(revalidate=3600)})
        server = waitress.create_server(isg, host="127.0.0.1", port=0, threads=60)
        threading.Thread(target=server.run, daemon=True).start()
        port = server.effective_port
        for name in ("cold", "stale"):
            before = app.renders
            if name == "stale":
                isg.revalidate_path("/page")
            labels, times = herd(port)
            time.sleep(1.5)
            late = times[int(len(times) * 0.99)]
            told = ", ".join(f"{count:,} {label}" for label, count in labels.items())
            middle = statistics.median(times)
            rows.append((name, app.renders - before, middle, late, times[-1], told))
        isg.close()
        server.close()
    columns = (Column(f"{name} ms", ",.1f") for name in ("p50", "p99", "max"))
    report.table(("", "renders", *columns, "answers"), rows)
    report.close()


if __name__ == "__main__":
    main()
