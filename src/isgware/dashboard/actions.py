"""The verbs, as forms of the dashboard ask for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from werkzeug.datastructures import MultiDict

from ..core.local_path import local_path
from ..errors import ConfigurationError, ISGError
from ..management.operations import Operations
from ..management.route_pages import invalidate_route
from .page_details import version_number

VERBS: Final = ("revalidate", "purge", "regenerate")
_RESTORE: Final = "restore"
_DONE: Final = {"revalidate": "Revalidated", "purge": "Purged", "regenerate": "Regenerated"}
#: Renders that one form may ask for: somebody waits for them.
MOST_RENDERS: Final = 10
_MOST_PATHS: Final = 100


@dataclass(frozen=True, slots=True)
class Notice:
    """What became of it, in words. ``kind``: ``good`` or ``bad``."""

    text: str
    kind: str = "good"


def act(isg: Operations, form: MultiDict[str, str]) -> Notice:
    """``verb``, and what of: ``route``, ``tag``, ``below`` (a path) or several ``path``."""
    verb = form.get("verb", "")
    try:
        if verb not in (*VERBS, _RESTORE):
            raise ConfigurationError("There is no such verb.")
        if not isg.core.runtime.active:
            raise ConfigurationError("isgware is switched off here; nothing was done.")
        return Notice(_run(isg, verb, form))
    except ISGError as error:
        return Notice(str(error), "bad")


def described(form: MultiDict[str, str]) -> str:
    """The same for the log."""
    about = [
        f"{name} {value}"
        for name in ("route", "tag", "below", "path", "version")
        for value in form.getlist(name)[:_MOST_PATHS]
        if value
    ]
    return f"{form.get('verb', '')} {', '.join(about) or 'nothing'}"


def _run(isg: Operations, verb: str, form: MultiDict[str, str]) -> str:
    for name, run in (("route", _route), ("tag", _tag), ("below", _below)):
        if value := form.get(name):
            if verb == "regenerate":
                raise ConfigurationError("Only single pages can be regenerated.")
            return run(isg, verb, value)
    if verb == _RESTORE:
        return _restore(isg, form)
    return _paths(isg, verb, form.getlist("path"))


def _restore(isg: Operations, form: MultiDict[str, str]) -> str:
    path, version = form.get("path", ""), form.get("version", "")
    number = version_number(version)
    if number is None:
        raise ConfigurationError("There is no such version.")
    isg.restore(path, number, variant=form.get("variant"), host=form.get("host", ""))
    return f"{path} is version {version} again, until it is revalidated, purged or regenerated."


def _route(isg: Operations, verb: str, name: str) -> str:
    invalidate_route(isg.core.runtime, name, hard=verb == "purge")
    return f"{_DONE[verb]} all pages of {name}."


def _tag(isg: Operations, verb: str, tag: str) -> str:
    (isg.purge_tag if verb == "purge" else isg.revalidate_tag)(tag)
    return f"{_DONE[verb]} everything with the tag {tag}."


def _below(isg: Operations, verb: str, path: str) -> str:
    if not path.endswith("/"):
        raise ConfigurationError("Everything below a path: one that ends in a slash.")
    (isg.purge_path if verb == "purge" else isg.revalidate_path)(path + "*")
    return f"{_DONE[verb]} everything below {path}."


def _paths(isg: Operations, verb: str, paths: Sequence[str]) -> str:
    if not paths:
        raise ConfigurationError("Choose a page first.")
    most = MOST_RENDERS if verb == "regenerate" else _MOST_PATHS
    if len(paths) > most:
        raise ConfigurationError(f"At most {most} pages at once.")
    for path in paths:
        local_path(path)
    verbs: dict[str, Callable[[str], object]] = {
        "revalidate": isg.revalidate_path, "purge": isg.purge_path, "regenerate": isg.regenerate,
    }  # fmt: skip
    for path in paths:
        verbs[verb](path)
    return f"{_DONE[verb]} {paths[0]}." if len(paths) == 1 else f"{_DONE[verb]} {len(paths)} pages."
