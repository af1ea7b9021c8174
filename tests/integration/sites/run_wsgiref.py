"""Serve a `MODULE:APP` with the standard library's server: `run_wsgiref.py MODULE:APP PORT`."""

from __future__ import annotations

import importlib
import sys
from wsgiref.simple_server import make_server

module, _, name = sys.argv[1].partition(":")
make_server(
    "127.0.0.1", int(sys.argv[2]), getattr(importlib.import_module(module), name)
).serve_forever()
