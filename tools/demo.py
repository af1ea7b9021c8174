"""``make demo``: the Flask example behind isgware on a real server, shown at work, then served.

The pages and the notes live in a temporary directory, so that each demo begins with a miss.
"""

import argparse
import http.client
import os
import random
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isgware.flask import ISG

HOST = "127.0.0.1"
PORT = 8000
SLOW = 0.4  # seconds that /now pretends to need, as a page with a few slow queries does
SHOWN = "/now"
FRESH = 2.0  # its revalidate, in views.py
VISITS = 400  # of the demo's own visitors, before they slow down
EXPECTED = ["MISS", "HIT", "STALE", "HIT"]


class PortTaken(Exception):
    """Somebody else listens there, or nobody may."""


class Stop(Exception):
    """Ctrl-C or SIGTERM."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    milliseconds: float

    @property
    def state(self) -> str:
        return self.headers["X-ISG-Cache"] or "none"


def main() -> int:
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    with socket.socket() as listener, tempfile.TemporaryDirectory(prefix="isgware-demo-") as made:
        try:
            _listen(listener, options.port)
            return _run(listener, Path(made), once=options.once)
        except PortTaken as taken:
            print(f"{taken} Choose another: make demo PORT=8080", file=sys.stderr)
            return 1
        except Stop:
            print("\nStopped.")
            return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve the Flask example with isgware in front.")
    parser.add_argument("--port", type=int, default=PORT, help=f"default {PORT}; 0: any free one")
    parser.add_argument("--once", action="store_true", help="stop after the transcript")
    return parser.parse_args()


def _stop(number: int, frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # once is enough
    raise Stop


def _listen(listener: socket.socket, port: int) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OverflowError:
        raise PortTaken(f"There is no port {port}.") from None
    except OSError as error:
        raise PortTaken(f"Port {port} cannot be used: {error.strerror}.") from error


def _run(listener: socket.socket, directory: Path, *, once: bool) -> int:
    os.chdir(directory)
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    os.environ["CATALOGUE_DB"] = str(directory / "notes.sqlite")
    os.environ["CATALOGUE_SLOW"] = str(SLOW)
    os.environ["ISGWARE_STORE"] = f"file:{directory / 'pages'}"
    os.environ["ISGWARE_SECRET"] = secrets.token_urlsafe(32)

    import waitress  # after the store is chosen: importing the app makes it

    from examples.flask_app.app import app

    port = listener.getsockname()[1]
    server = waitress.create_server(app, sockets=[listener], threads=8, ident=None)
    threading.Thread(target=server.run, name="waitress", daemon=True).start()
    stopped = threading.Event()
    try:
        browser = http.client.HTTPConnection(HOST, port, timeout=30)
        _prerender(app.extensions["isgware"], port)
        as_expected = _show(browser)
        browser.close()
        if once:
            return 0 if as_expected else 1
        _invite(port, app.extensions["isgware"])
        threading.Thread(target=_visit, args=(port, stopped), name="visitors", daemon=True).start()
        while True:
            signal.pause()
    finally:
        stopped.set()
        server.task_dispatcher.shutdown()  # first let the threads finish what they answer
        server.close()
        app.extensions["isgware"].close()


def _prerender(isg: "ISG", port: int) -> None:
    """Render pages before anybody asks: all but those of the subdivisions, which are thousands."""
    from examples.flask_app import catalogue

    kinds = [kind for kind in catalogue.KINDS if kind != "subdivision"]
    paths = ["/", *(f"/{kind}" for kind in kinds)]
    paths += [item.path for kind in kinds for item in catalogue.items(kind)]
    report = isg.prerender(paths, base_url=f"http://{HOST}:{port}")
    print(f"Pre-rendered {report.rendered} pages in {report.seconds:.1f} s.\n", flush=True)


def _show(browser: http.client.HTTPConnection) -> bool:
    """Print four requests for one page; tell whether they went as they should."""
    print(f"GET {SHOWN}: fresh for {FRESH:g} s, takes {SLOW:g} s to make\n")
    print(f"  {'':30} {'X-ISG-Cache':12} {'Age':>3} {'time':>9}   Cache-Status")
    states = [
        _line("the first visit renders it", _get(browser, SHOWN)),
        _line("the next one does not", _once_fresh(browser)),
    ]
    pause = FRESH + 0.6
    time.sleep(pause)
    states.append(_line(f"{pause:g} s later: the old page, now", _get(browser, SHOWN)))
    time.sleep(SLOW + 0.4)
    states.append(_line("and behind it a new one", _once_fresh(browser)))
    print()
    if states != EXPECTED:
        expected = ", ".join(EXPECTED)
        print(f"This should have been {expected}: the machine was too busy, or it is a bug.\n")
    return states == EXPECTED


def _once_fresh(browser: http.client.HTTPConnection) -> Answer:
    """The page as soon as it is not stale: at once, but for a busy machine."""
    for _ in range(50):
        answer = _get(browser, SHOWN)
        if answer.state != "STALE":
            break
        time.sleep(0.2)
    return answer


def _line(what: str, answer: Answer) -> str:
    age, said = answer.headers["Age"] or "-", answer.headers["Cache-Status"] or ""
    times = f"{age:>3} {answer.milliseconds:6.1f} ms"
    print(f"  {what:30} {answer.state:12} {times}   {said}", flush=True)
    return answer.state


def _get(browser: http.client.HTTPConnection, path: str) -> Answer:
    began = time.perf_counter()
    browser.request("GET", path)
    response = browser.getresponse()
    body = response.read()
    milliseconds = (time.perf_counter() - began) * 1000
    return Answer(response.status, response.headers, body, milliseconds)


def _visit(port: int, stopped: threading.Event) -> None:
    """Visitors of the demo's own, so that the dashboard has something to show: many of a few pages,
    some of many, now and then a search that no page can answer."""
    from examples.flask_app import catalogue

    kinds = [kind for kind in catalogue.KINDS if kind != "subdivision"]
    paths = [item.path for kind in kinds for item in catalogue.items(kind)]
    chosen, number = random.Random(7), 0
    browser = http.client.HTTPConnection(HOST, port, timeout=30)
    while not stopped.wait(0.02 if number < VISITS else 0.2):
        number += 1
        favourite = chosen.random() ** 4 * len(paths)
        path = chosen.choice(["/", SHOWN, "/search?q=island", *[paths[int(favourite)]] * 5])
        try:
            _get(browser, path)
        except (OSError, http.client.HTTPException):
            browser.close()  # and is opened again by the next


def _invite(port: int, isg: "ISG") -> None:
    from isgware.dashboard.app import login_link

    print("Open these, and look at the last line of each page when you reload:")
    for path, what in (
        ("/", "the catalogue"),
        ("/country/IS", "a page that you can add a note to"),
        ("/api/country/IS.json", "the same as data"),
        ("/compare/IS/NO", "a loading page, as nobody was here before you"),
        (SHOWN, "the page above"),
    ):
        print(f"  {f'http://{HOST}:{port}{path}':45} {what}")
    print(
        "\nServing until Ctrl-C, with some visitors of its own. The dashboard is at the following"
    )
    print("address, which logs you in once:\n")
    print(f"  http://{HOST}:{port}{login_link(isg)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
