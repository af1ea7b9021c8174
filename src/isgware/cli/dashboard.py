"""``isgware dashboard``: the dashboard in a browser on this machine, apart from the site."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from typing import Any

import click

from ..errors import ConfigurationError
from ..wsgi import ISG
from .subject import Failed, Subject

_PORT = 8765


@click.command
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_PORT,
    show_default=True,
    help="0: any free port.",
)
def dashboard(subject: Subject, port: int) -> None:
    """Serve the dashboard at 127.0.0.1, until Ctrl-C.

    The printed link logs in once.
    """
    from ..dashboard.loopback import Loopback, serve
    from ..dashboard.templating import JinjaMissing, need_jinja

    try:
        need_jinja()
    except JinjaMissing:
        raise ConfigurationError(
            "The dashboard needs Jinja2: pip install 'isgware[dashboard]'"
        ) from None
    subject.need_store()
    target = click.get_current_context().params.get("target", "")
    isg = subject.isg or ISG(_nothing, store=target, enabled=True)
    application = Loopback(isg, app=subject.isg is not None, name=target)
    try:
        server = serve(application, port)
    except (OSError, SystemExit) as error:
        raise Failed(f"Port {port} cannot be used: choose another with --port.") from error
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    click.echo(f"The dashboard is at {application.link(server.port)}")
    click.echo("The link logs in once, within ten minutes. Ctrl-C ends it.")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
        if subject.isg is None:
            isg.core.runtime.close(0)


def _nothing(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """In place of an app, for a store alone."""
    start_response("404 Not Found", [])
    return []
