"""From a page's path to the name of its file, which is always inside the tree.

Rules. A path may be chosen by an attacker, so each rule prevents an attack or an error:

- The file follows from the path and the kind of content only, never from what else is exported, so
that a file name always means the same page. - Content that is not HTML never has a name of HTML,
nor the other way round: a server that has not noticed a change yet cannot serve one as the other. -
A path that cannot be a file on all systems is left to the app: long names, dots, and names that the
tree or its readers reserve.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

#: The directory in the tree for files that are not pages.
OWN: Final = ".isgware-export"
#: The prefix of nginx's variables, unless a site has its own: of two maps for one variable nginx
#: uses the last.
PREFIX: Final = "isgware"
_PREFIX: Final = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
#: Longest name in bytes: 255 on common file systems, less the suffixes for encodings.
MAX_NAME: Final = 250
#: Longest URL in bytes: it has to fit, with its class, into the buckets that nginx is told to make.
MAX_URL: Final = 480
#: First names that readers of such trees take for instructions.
_INSTRUCTIONS: Final = frozenset({
    "_headers", "_redirects", "_routes.json", "_worker.js", "netlify.toml", "web.config",
})  # fmt: skip
_XML: Final = ("application/xml", "text/xml", "+xml")
#: Extensions that a path may have, with the kinds of content that they stand for.
_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "html": ("text/html",),
    "htm": ("text/html",),
    "xml": _XML,
    "rss": _XML,
    "atom": _XML,
    "svg": ("image/svg+xml",),
    "json": ("application/json", "+json"),
    "webmanifest": ("application/manifest+json", "application/json"),
    "txt": ("text/plain",),
    "md": ("text/markdown",),
    "csv": ("text/csv",),
    "ics": ("text/calendar",),
    "css": ("text/css",),
    "js": ("text/javascript", "application/javascript"),
    "mjs": ("text/javascript", "application/javascript"),
    "pdf": ("application/pdf",),
    "png": ("image/png",),
    "jpg": ("image/jpeg",),
    "jpeg": ("image/jpeg",),
    "gif": ("image/gif",),
    "webp": ("image/webp",),
    "avif": ("image/avif",),
    "ico": ("image/x-icon", "image/vnd.microsoft.icon"),
}
#: Extensions of ``index`` for paths without one, the first that fits.
_INDEX: Final = ("html", "json", "xml", "txt", "css", "js", "csv")


@dataclass(frozen=True, slots=True)
class Place:
    """``file`` is relative to the tree, ``suffix`` what follows the URL's path to make it, and
    ``url`` the one spelling of the path, percent-encoded, for which the file is served."""

    file: str
    suffix: str
    url: str


def is_prefix(text: object) -> bool:
    """Whether it is a valid prefix of variables."""
    return isinstance(text, str) and _PREFIX.match(text) is not None


def url_of(path: str) -> str:
    """A decoded path as browsers encode it."""
    return quote(path, safe="/:@!$&'()*+,;=~-._")


def place(path: str, content_type: str) -> Place | None:
    """The file of the page with a decoded path; ``None`` if it cannot be one."""
    names = _names(path)
    if names is None:
        return None
    url = url_of(path)
    kind = content_type.partition(";")[0].strip().lower()
    inside = path.endswith("/")
    if not inside and _agrees(_extension(names[-1]), kind):
        return Place("/".join(names), "", url)
    extension = next((one for one in _INDEX if _agrees(one, kind)), "bin")
    suffix = f"index.{extension}" if inside else f"/index.{extension}"
    return Place((path + suffix)[1:], suffix, url)


def _names(path: str) -> list[str] | None:
    if not path.startswith("/") or not path.isprintable() or "\\" in path or "\ufffd" in path:
        return None
    names = path[1:].removesuffix("/").split("/") if path != "/" else []
    if any(_unfit(name) for name in names) or len(url_of(path)) > MAX_URL:
        return None
    return None if names and names[0].casefold() in _INSTRUCTIONS else names


def _unfit(name: str) -> bool:
    folded = name.casefold()
    return (
        name in ("", ".", "..")
        or (name.startswith(".") and folded != ".well-known")
        or folded.startswith("index.")
        or len(name.encode()) > MAX_NAME
    )


def _extension(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""


def _agrees(extension: str, kind: str) -> bool:
    kinds = _KINDS.get(extension, ())
    return any(kind.endswith(one) if one.startswith("+") else kind == one for one in kinds)


class Claims:
    """Which page of one export has which names, ignoring case (file systems and nginx's maps may
    ignore it): of two that collide the first becomes a file."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._directories: set[str] = set()
        self._urls: set[str] = set()

    def take(self, place: Place) -> bool:
        """False if it collides with another page."""
        file = place.file.casefold()
        parts = file.split("/")
        above = {"/".join(parts[:count]) for count in range(1, len(parts))}
        wanted = {file, f"{file}.gz", f"{file}.br"}
        if not (wanted.isdisjoint(self._files) and wanted.isdisjoint(self._directories)):
            return False
        if not above.isdisjoint(self._files) or not self.take_url(place.url):
            return False
        self._files |= wanted
        self._directories |= above
        return True

    def take_url(self, url: str) -> bool:
        """The same for a page that needs no file."""
        folded = url.casefold()
        if folded in self._urls:
            return False
        self._urls.add(folded)
        return True
