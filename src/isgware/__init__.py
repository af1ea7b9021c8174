"""Incremental static (re)generation for WSGI apps.

``application = ISG(application)`` wraps an app; ``@revalidate(60)`` on a view says how long its
page stays fresh; `page` is what a view talks to while it renders.
"""

from .errors import (
    BackendUnavailable,
    ConfigurationError,
    ExportError,
    InvalidPath,
    ISGError,
    RegenerationError,
)
from .export import ExportReport
from .holes import hole
from .management.store_client import Connection, connect
from .management.why import Why
from .page import page
from .policy import Policy
from .revalidate_decorator import revalidate
from .storage.catalogue import PageInfo
from .version import VERSION as __version__
from .wsgi import ISG

__all__ = [
    "ISG",
    "BackendUnavailable",
    "ConfigurationError",
    "Connection",
    "ExportError",
    "ExportReport",
    "ISGError",
    "InvalidPath",
    "PageInfo",
    "Policy",
    "RegenerationError",
    "Why",
    "__version__",
    "connect",
    "hole",
    "page",
    "revalidate",
]
