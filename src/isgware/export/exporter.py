"""`export`: writes the stored pages that are public as files for nginx or a CDN.

Exported is what the store has and may still serve, fresh or stale; nothing is rendered. The order
of steps keeps a site intact while it is served: new and changed files first, then the configuration
of servers, then the removal of old files. A page that is not (yet, or any more) a file is answered
by the app, so each intermediate state is correct.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..core.freshness import State
from ..core.hosts import normal_host
from ..core.stored_page import Entry
from ..errors import ConfigurationError, ExportError
from ..formatting import printable
from ..routing.drafts import COOKIE
from ..storage.catalogue import Catalogue
from .choice import REASONS, REMEDIES, Static, outdated, policy_reason, row_reason, site_of, static
from .layout import Claims, is_prefix, place, url_of
from .nginx import Listed, headers_file, location, maps, redirects_file
from .tree import Held, InTheWay, Tree

if TYPE_CHECKING:
    from ..routing.planner import Planner
    from ..runtime import Runtime

_ENDINGS: Final = {"gzip": ".gz", "br": ".br"}
_EXAMPLES: Final = 3
#: The same for pages with something of their visitors' own: each is named.
_PERSONAL: Final = frozenset({"cookie", "holes", "personal", "value-holes"})
_MOST_NAMED: Final = 100


@dataclass(kw_only=True, slots=True)
class ExportReport:
    """What an export did. ``written``, ``unchanged`` and ``removed`` count pages; ``redirects``
    are in the maps and have no files. ``left_out`` counts pages by reason, a key of
    `isgware.export.choice.REASONS`, with paths in ``examples``: a few each, and up to a hundred
    of pages that have something of their visitors' own. ``reload``: whether
    nginx has to read its configuration again, to know of new pages, headers and redirects."""

    directory: str
    site: str = ""
    written: int = 0
    unchanged: int = 0
    removed: int = 0
    redirects: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    reload: bool = False
    seconds: float = 0.0

    @property
    def nothing_fits(self) -> bool:
        """Whether pages are stored, and all of them were left out."""
        return bool(self.left_out) and not (self.written or self.unchanged or self.redirects)

    def __str__(self) -> str:
        """For people."""
        plural = "s" if self.redirects > 1 else ""
        redirects = f", {self.redirects:,} redirect{plural}" if self.redirects else ""
        lines = [
            f"{self.directory}: {self.written:,} written, {self.unchanged:,} unchanged, "
            f"{self.removed:,} removed{redirects}."
        ]
        for reason, count in sorted(self.left_out.items()):
            shown = ", ".join(map(printable, self.examples.get(reason, ())))
            more = ", …" if count > len(self.examples.get(reason, ())) else ""
            lines.append(f"Left out: {count:,} {REASONS[reason]} ({shown}{more}).")
            if reason in _PERSONAL and not self.nothing_fits:
                lines.append("  " + REMEDIES[reason])
        if self.nothing_fits:
            lines.append("Nothing is exported: every stored page is left out.")
            lines += [REMEDIES[reason] for reason in sorted(self.left_out) if reason in REMEDIES]
        elif not (self.written or self.unchanged or self.redirects):
            lines.append("Nothing is stored; isgware build renders pages.")
        if self.reload:
            lines.append("What nginx reads at its start has changed: reload it.")
        return "\n".join(lines)


def export(
    catalogue: Catalogue,
    directory: str | Path,
    *,
    planner: Planner | None = None,
    base_url: str | None = None,
    configured: Sequence[str] = (),
    cookies: Sequence[str] = (),
    prefix: str | None = None,
    force: bool = False,
    rewrite: bool = False,
    on_stale: Callable[[Entry], None] = lambda entry: None,
) -> ExportReport:
    """Write the pages of ``catalogue`` to ``directory``. See `isgware.ISG.export`.

    ``planner`` has the app's policies; without one, only the pages' own data is known.
    ``configured`` are the app's base URLs, ``cookies`` the names of cookies whose owners may get
    something else on any page. ``on_stale`` is called with each page that is exported though it is
    stale, or made under an earlier policy.
    """
    if prefix is not None and not is_prefix(prefix):
        raise ConfigurationError(
            f"prefix={prefix!r} cannot begin the names of nginx's variables: give small letters, "
            "digits and underscores, at most 32, a letter first."
        )
    started = time.monotonic()
    report = ExportReport(directory=str(directory))
    with Tree(Path(directory), force=force) as tree:
        tree.prefix = prefix or tree.prefix
        report.site = _site(catalogue, tree, base_url, configured, force=force)
        run = _Run(catalogue, tree, report, planner, rewrite=rewrite)
        try:
            run.pages(on_stale)
            run.publish((COOKIE, *cookies))
            run.remove()
            tree.finish(report.site, run.kept)
        except OSError as error:
            raise ExportError(
                f"The export to {str(directory)!r} broke off: {error.strerror or error}. What is "
                "there is whole; export again."
            ) from error
    report.seconds = time.monotonic() - started
    return report


def export_app(runtime: Runtime, directory: str | Path, **options: Any) -> ExportReport:
    """`export` of an app's pages, by its policies."""
    return export(
        runtime.catalogue,
        directory,
        planner=runtime.engine.planner,
        configured=runtime.settings.base_url,
        cookies=runtime.site.bypass_cookies,
        **options,
    )


def _site(
    catalogue: Catalogue, tree: Tree, asked: str | None, configured: Sequence[str], *, force: bool
) -> str:
    """Scheme and host whose pages are exported. Paths of several sites would be the same files."""
    wanted = asked or (configured[0] if configured else None)
    if wanted is not None:
        scheme, _, host = site_of(wanted).partition("://")
        site = f"{scheme}://{normal_host(scheme, host)}"
        if tree.site and tree.site != site and not force:
            raise ConfigurationError(
                f"{str(tree.directory)!r} holds the pages of {printable(tree.site)}, not of "
                f"{printable(site)}: name another directory, or say --force (force=True)."
            )
        return site
    if tree.site:
        return tree.site
    sites = sorted({site_of(row.url) for row, _ in catalogue.standing()})
    if len(sites) > 1:
        raise ConfigurationError(
            f"The store has pages of several sites ({', '.join(map(printable, sites[:5]))}): set "
            "base_url, or say which with --base-url (base_url=)."
        )
    return sites[0] if sites else ""


class _Run:
    """One export."""

    def __init__(
        self, catalogue: Catalogue, tree: Tree, report: ExportReport, planner: Planner | None,
        *, rewrite: bool,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._tree = tree
        self._report = report
        self._planner = planner
        self._rewrite = rewrite
        self._before = dict(tree.held)
        self._owners = {one.file: one.path for one in tree.held.values()}
        self._claims = Claims()
        self._listed: list[Listed] = []
        self.kept: list[Held] = []

    def pages(self, on_stale: Callable[[Entry], None]) -> None:
        """Write new and changed pages."""
        for row, state in self._catalogue.standing():
            reason = row_reason(row, state, self._report.site)
            entry = None if reason else self._catalogue.entry(row.key)
            if entry is not None:
                reason = self._entry(entry)
            elif not reason:
                reason = "missing"
            if reason:
                self._leave_out(reason, f"{row.path}?{row.query}" if row.query else row.path)
            elif entry is not None and (state is State.STALE or self._outdated(entry)):
                on_stale(entry)

    def _outdated(self, entry: Entry) -> bool:
        return self._planner is not None and outdated(self._planner, entry)

    def _entry(self, entry: Entry) -> str:
        """Why it is left out; empty if it is not."""
        if self._planner is not None:
            reason = policy_reason(self._planner, entry.request, self._catalogue.build_id)
            if reason:
                return reason
        found = static(entry, with_app=self._planner is not None)
        return found if isinstance(found, str) else self._page(entry, found)

    def _page(self, entry: Entry, page: Static) -> str:
        where = place(page.path, page.content_type)
        if where is None:
            return "path"
        if page.location:
            if not self._claims.take_url(where.url):
                return "clash"
            self._listed.append(Listed(url_of(page.path), "", page))
            self._report.redirects += 1
            return ""
        # nginx may still know a file by the page that had it before: not in the same export.
        if self._owners.get(where.file, page.path) != page.path or not self._claims.take(where):
            return "clash"
        bodies = _bodies(entry)
        held = _held(page.path, where.file, bodies)
        if self._tree.holds(self._before.get(page.path), held) and not self._rewrite:
            self._report.unchanged += 1
        else:
            try:
                self._tree.put(where.file, bodies)
            except InTheWay:
                return "foreign"
            self._report.written += 1
        self.kept.append(held)
        self._listed.append(Listed(where.url, where.suffix, page))
        return ""

    def _leave_out(self, reason: str, path: str) -> None:
        counts, examples = self._report.left_out, self._report.examples.setdefault(reason, [])
        counts[reason] = counts.get(reason, 0) + 1
        most = _MOST_NAMED if reason in _PERSONAL else _EXAMPLES
        if len(examples) < most and path not in examples:
            examples.append(path)

    def publish(self, cookies: Sequence[str]) -> None:
        """Write the configuration of file servers."""
        tree, listed = self._tree, self._listed
        tree.set_top("_headers", headers_file(listed))
        tree.set_top("_redirects", redirects_file(listed))
        read = {
            "nginx-maps.conf": maps(listed, cookies, tree.prefix),
            "nginx-location.conf": location(listed, tree.prefix),
        }
        changed = [tree.set_own(name, data) for name, data in read.items()]
        self._report.reload = any(changed)

    def remove(self) -> None:
        """Remove files that belong to no page of this export."""
        self._tree.remove(*self._tree.leftovers(self.kept))
        self._report.removed = len(self._before.keys() - {one.path for one in self.kept})


def _bodies(entry: Entry) -> dict[str, bytes]:
    encoded = {_ENDINGS[name]: body for name, body in entry.encodings.items() if name in _ENDINGS}
    return {"": entry.body, **encoded}


def _held(path: str, file: str, bodies: Mapping[str, bytes]) -> Held:
    digest = hashlib.blake2b(digest_size=16)
    for ending, body in sorted(bodies.items()):
        digest.update(f"{ending} {len(body)}\n".encode())
        digest.update(body)
    return Held(path, file, digest.hexdigest(), {end: len(body) for end, body in bodies.items()})
