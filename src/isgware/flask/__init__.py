"""The Flask extension: ``ISG(app)``, or ``ISG().init_app(app)``.

Wraps ``app.wsgi_app`` in place and reads ``app.config["ISGWARE_…"]``. It composes `isgware.ISG`,
and offers everything that does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError

try:
    from flask import Flask
    from flask.signals import got_request_exception
except ImportError as missing:
    raise ConfigurationError("isgware.flask needs Flask: pip install 'isgware[flask]'") from missing

from ..management.operations import Operations
from ..render_context import note_error
from .caches import watch_caches
from .holes import install_holes
from .recorder import install
from .site import FlaskSite as FlaskSite

if TYPE_CHECKING:
    from .. import wsgi
    from ..routing.variants import Functions

_PREFIX: Final = "ISGWARE_"


def _note_error(sender: Any, exception: BaseException, **more: Any) -> None:
    note_error(exception)


class ISG(Operations):
    """Incremental static regeneration for a Flask app.

    Options are given as keywords or in ``app.config`` with the prefix ``ISGWARE_``. Unless
    ``enabled`` is said, it is off while ``TESTING``, and renders every visit while ``DEBUG``.
    """

    def __init__(self, app: Flask | None = None, **options: Any) -> None:
        self._options = options
        self._core: wsgi.ISG | None = None
        self._variants: Functions = {}
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Wrap ``app.wsgi_app``. Raises `ConfigurationError` for a second time on one app."""
        if not hasattr(app, "wsgi_app"):
            raise ConfigurationError(
                f"ISG({app!r}): give a Flask app; isgware.ISG wraps other WSGI applications."
            )
        if "isgware" in app.extensions:
            raise ConfigurationError("This Flask app is wrapped by isgware already.")
        if self._core is not None:
            raise ConfigurationError("This ISG wraps an app already; make one ISG per app.")
        configured = {
            name.removeprefix(_PREFIX).lower(): value
            for name, value in app.config.items()
            if name.startswith(_PREFIX)
        }
        from .. import wsgi  # what serves pages is loaded when an app is wrapped

        site = FlaskSite(app)
        install(app, site.hand_over)
        install_holes(app)
        core = wsgi.ISG(app.wsgi_app, site=site, framework=configured, **self._options)
        self._core = core
        if core.runtime.engine.page_store.dependencies is not None:
            watch_caches()
        core.runtime.variants.functions = self._variants
        app.wsgi_app = core  # type: ignore[method-assign]
        app.extensions["isgware"] = self
        got_request_exception.connect(_note_error, app)
        self._add_commands(app)

    def _functions(self) -> Functions:
        """They may be registered before there is an app."""
        return self._variants

    def _add_commands(self, app: Flask) -> None:
        """``flask isg``: click comes with Flask."""
        from ..cli.commands import commands
        from ..cli.subject import subject_of

        if "isg" not in app.cli.commands:
            app.cli.add_command(commands("isg", lambda: subject_of(self)))

    @property
    def core(self) -> wsgi.ISG:
        """The WSGI middleware itself."""
        if self._core is None:
            raise ConfigurationError("Call init_app(app) before using this ISG.")
        return self._core

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self.core(environ, start_response)
