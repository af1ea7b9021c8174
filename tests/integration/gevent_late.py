"""A site whose app and ISG are made before gevent patches the process, as gunicorn's ``--preload``
and uWSGI do it: ``python gevent_late.py STORE fork|here``. Prints what became of the visits."""

import fcntl
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from cachelib import SimpleCache
from flask import Flask
from gevent import monkey

from isgware import revalidate
from isgware.flask import ISG

signal.alarm(300)  # one that stands still is killed
store, where = sys.argv[1:]
app = Flask(__name__)
options = {"coordinator": "file:beside"} if store == "SimpleCache" else {}
given = SimpleCache() if options else store
isg = ISG(app, store=given, enabled=True, backend_timeout=30.0, wait_time=60.0, **options)
renders: list[str] = []


@app.get("/page/<n>")
@revalidate(60)
def page(n: str) -> str:
    renders.append(n)
    time.sleep(0.2)
    return "page " + n


@app.get("/soon/<n>")
@revalidate(60, fallback="loading")
def soon(n: str) -> str:
    time.sleep(0.05)
    return "soon " + n


def hold_the_lock() -> None:
    """Others are at the store's file lock, too, so that it is waited for."""
    for folder in map(Path, (store.removeprefix("file:"), "beside")):
        if folder.exists():
            with (folder / "isgware-1.lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                time.sleep(0.2)


def visit(path: str, said: list[str]) -> None:
    navigates = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    said.append(app.test_client().get(path, headers=navigates).text)


def main() -> None:
    monkey.patch_all()
    paths = [f"/page/{number % 2}" for number in range(16)]
    paths += [f"/soon/{number % 2}" for number in range(8)]
    said: list[str] = []
    threads = [threading.Thread(target=visit, args=(path, said)) for path in paths]
    for thread in (threading.Thread(target=hold_the_lock), *threads):
        thread.start()
    for thread in threads:
        thread.join()
    pages = sum(text.startswith("page ") for text in said)
    print(json.dumps({"visits": len(said), "pages": pages, "renders": len(renders)}), flush=True)
    os._exit(0)


for folder in ("store", "beside"):
    Path(folder).mkdir(mode=0o700)
    (Path(folder) / "isgware-1.lock").touch(mode=0o600)
child = os.fork() if where == "fork" else 0
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
main()
