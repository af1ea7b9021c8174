"""The ``page`` object through which a view talks to isgware while it renders.

Outside of a render ``page`` does nothing, so that an app behaves the same with and without the
middleware.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from .adaptive import Adaptive
from .errors import ConfigurationError
from .holes import placed, used
from .option_checks import checked_expire, checked_revalidate, checked_tag
from .render_context import current
from .template_location import location


class Page:
    """What a view may say about the page it is rendering; every call is a no-op elsewhere."""

    __slots__ = ()

    @property
    def prerendering(self) -> bool:
        """True in every clean-room render, false in a visitor's own request."""
        rendering = current.get()
        return rendering is not None and rendering.prerendering

    def tag(self, *tags: str) -> None:
        """Add names by which this page can be revalidated or purged.

        A page with a tag that is empty, longer than 256 characters or not printable is not
        stored: nobody could purge it by that. Raises `ConfigurationError` for what is no string.
        """
        rendering = current.get()
        if rendering is None:
            return
        for tag in tags:
            try:
                rendering.tags = (*rendering.tags, checked_tag(tag))
            except ConfigurationError:
                if not isinstance(tag, str):
                    raise
                rendering.invalid_tag = True  # it may be made of what a client sent

    def no_store(self) -> None:
        """Keep this page out of the store, whatever its policy says."""
        rendering = current.get()
        if rendering is not None:
            rendering.refused = True

    def hole(
        self, name: str = "", /, *, placeholder: Callable[[], str] | str | None = None,
        request: Any = None, cookies: Any = None, session: Any = None,
        client: bool | None = None, **arguments: Any,
    ) -> Markup:  # fmt: skip
        """A part of the page that is filled for each visitor: markup of what `hole` registered
        under ``name``, or of the template of that name.

        ``placeholder`` is what visitors see of a stored page who have nothing of their own in it;
        by default what the hole shows nobody in particular. ``request`` is needed where isgware
        knows of none: in Django and plain WSGI apps that it does not wrap. ``cookies``,
        ``session`` and ``client`` are those of `hole`. Raises `ConfigurationError` for an unknown
        name, and for arguments other than strings, numbers, booleans and ``None``, of 1 kB in all.
        """
        placeholder = arguments.pop("caller", placeholder)  # of Jinja's call block
        try:
            use = used(name, arguments, cookies, session, client)
        except ConfigurationError as error:
            raise ConfigurationError(f"{error} ({location()})") from None
        return placed(use, placeholder, request)

    @property
    def revalidate(self) -> float | bool | Adaptive | None:
        """Seconds fresh; ``False`` until told, ``0`` never stored, ``None`` not said."""
        rendering = current.get()
        return None if rendering is None else rendering.revalidate

    @revalidate.setter
    def revalidate(self, seconds: float | bool | Adaptive | None) -> None:
        rendering = current.get()
        if rendering is not None:
            rendering.revalidate = checked_revalidate(seconds)

    @property
    def expire(self) -> float | None:
        """Seconds after its render from which this page is no longer served stale."""
        rendering = current.get()
        return None if rendering is None else rendering.expire

    @expire.setter
    def expire(self, seconds: float | None) -> None:
        rendering = current.get()
        if rendering is not None:
            rendering.expire = None if seconds is None else checked_expire(seconds)


page = Page()
