"""``isgware COMMAND TARGET``: from TARGET to the pages that a command acts on.

TARGET is ``MODULE:APP`` as for gunicorn, or the URL of a store where no app is needed.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError
from ..management.operations import Operations
from ..version import VERSION

if TYPE_CHECKING:
    from .subject import Subject

_STORE: Final = re.compile(r"(file|memory|redis|rediss|valkey|memcached):")
#: Where middleware keeps the app that it wraps.
_WRAPPED: Final = ("application", "app", "wsgi_app", "_app", "wrapped_app")


def main() -> None:
    """The console script."""
    try:
        import click

        from .commands import commands, run
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit(_complain("The command line needs click: pip install 'isgware[cli]'"))
    target = click.Argument(["target"])
    group = commands("isgware", subject, [target])
    group.epilog = "TARGET is MODULE:APP, or a store such as file:DIR where no app is needed."
    click.version_option(VERSION, prog_name="isgware")(group)
    run(group, sys.argv[1:], "isgware")


def _complain(message: str) -> int:
    print(message, file=sys.stderr)
    return 2


def subject(target: str) -> Subject:
    """Raises `ConfigurationError` when there is no such app or store."""
    from .subject import subject_of, subject_of_store

    if _STORE.match(target) or "://" in target:
        return subject_of_store(target)
    return subject_of(isg_of(load(target), target))


def load(target: str) -> Any:
    """The object that ``MODULE:APP`` names, ``application`` if only a module is; ``APP`` may be
    a call of a factory with plain values. Imports from the working directory, as servers do."""
    module_name, _, name = target.partition(":")
    name = name or "application"
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", module_name):
        raise ConfigurationError(f"{target!r} is neither MODULE:APP nor the URL of a store.")
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"{module_name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return _named(module, name, target)


def _named(module: Any, name: str, target: str) -> Any:
    try:
        tree = ast.parse(name, mode="eval").body
        call = tree if isinstance(tree, ast.Call) else None
        variable = call.func if call else tree
        if not isinstance(variable, ast.Name):
            raise ValueError("not a name")
        args = [ast.literal_eval(arg) for arg in call.args] if call else []
        keywords = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords} if call else {}
    except (SyntaxError, ValueError):
        raise ConfigurationError(
            f"{target!r}: after the colon comes a name, or a call such as create_app()."
        ) from None
    try:
        found = getattr(module, variable.id)
    except AttributeError:
        raise ConfigurationError(
            f"{module.__name__} has no {variable.id!r}. Name its WSGI application, as in "
            f"{module.__name__}:app."
        ) from None
    if call is None:
        return found
    try:
        return found(*args, **keywords)
    except Exception as error:
        raise ConfigurationError(f"{name} failed: {type(error).__name__}: {error}") from error


def isg_of(app: Any, target: str) -> Operations:
    """The ISG that ``app`` is, has, or stands in front of."""
    looked: Any = app
    for _ in range(20):
        if isinstance(looked, Operations):
            return looked
        extensions = getattr(looked, "extensions", None)
        if isinstance(extensions, dict) and isinstance(extensions.get("isgware"), Operations):
            found: Operations = extensions["isgware"]
            return found
        looked = next(filter(callable, (getattr(looked, name, None) for name in _WRAPPED)), None)
        if looked is None:
            break
    django = sys.modules.get("isgware.django")
    if django is not None and django._current:
        current: Operations = django._current[0]
        return current
    raise ConfigurationError(
        f"{target} is {type(app).__name__!r}, and no ISG is found in it: name what ISG(...) wraps."
    )
