"""Incremental static (re)generation for WSGI apps.

``application = ISG(application)`` wraps an app; ``@revalidate(60)`` on a view says how long its
page stays fresh; `page` is what a view talks to while it renders.
"""

from typing import TYPE_CHECKING

from .adaptive import Adaptive
from .errors import (
    BackendUnavailable,
    ConfigurationError,
    ExportError,
    InvalidPath,
    ISGError,
    RegenerationError,
)
from .holes import hole
from .page import page
from .policy import Policy
from .render_context import untracked
from .revalidate_decorator import revalidate
from .version import VERSION as __version__

if TYPE_CHECKING:
    from .export import ExportReport
    from .management.page_history import PageVersion
    from .management.record_writes import touched
    from .management.store_client import Connection, connect
    from .management.why_report import Why
    from .storage.catalogue import PageInfo
    from .wsgi import ISG
else:
    # Imported on first use: modules that only write views, tasks or models need `page`,
    # `revalidate` and the like, but not what serves pages, and web processes do not export.
    _ON_USE = {
        "ISG": "wsgi",
        "Connection": "management.store_client",
        "ExportReport": "export",
        "PageInfo": "storage.catalogue",
        "PageVersion": "management.page_history",
        "Why": "management.why_report",
        "connect": "management.store_client",
        "touched": "management.record_writes",
    }

    def __getattr__(name: str) -> object:
        if name not in _ON_USE:
            raise AttributeError(f"module 'isgware' has no attribute {name!r}")
        from importlib import import_module

        found = globals()[name] = getattr(import_module(f".{_ON_USE[name]}", __name__), name)
        return found


__all__ = [
    "ISG",
    "Adaptive",
    "BackendUnavailable",
    "ConfigurationError",
    "Connection",
    "ExportError",
    "ExportReport",
    "ISGError",
    "InvalidPath",
    "PageInfo",
    "PageVersion",
    "Policy",
    "RegenerationError",
    "Why",
    "__version__",
    "connect",
    "hole",
    "page",
    "revalidate",
    "touched",
    "untracked",
]
