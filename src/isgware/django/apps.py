"""``isgware.django`` in INSTALLED_APPS: system checks for settings and decorators."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, Warning, register


class ISGConfig(AppConfig):
    name = "isgware.django"
    label = "isgware"
    verbose_name = "isgware"

    def ready(self) -> None:
        from . import holes as _holes  # noqa: F401  hooks into the handlers

        _record_queries()
        register(check_settings, Tags.compatibility)
        register(check_views, Tags.urls)
        register(check_inner_caches, Tags.urls)


def _record_queries() -> None:
    """Also where no page is served: commands, shells and tasks write, too."""
    from ..errors import ConfigurationError
    from ..settings import Settings
    from .integration import configured, isg

    try:
        settings = Settings.load({}, configured(), os.environ)
    except ConfigurationError:  # isgware.E001
        return
    if settings.dependencies:
        from ..management.record_writes import made_by
        from ..serving.mode import Mode
        from .recorded_queries import record_queries
        from .site import mode

        record_queries(
            settings.untracked, settings.derived, isg,
            durable=settings.dependencies_durable, mode=Mode(settings.enabled, mode).peek,
        )  # fmt: skip
        made_by(isg)


def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """isgware.E001: settings.ISGWARE holds what cannot be used."""
    from ..errors import ConfigurationError
    from ..settings import Settings
    from ..storage.open_store import open_store
    from .integration import configured

    try:
        open_store(Settings.load({}, configured(), os.environ))
    except ConfigurationError as error:
        return [Error(str(error), hint="See settings.ISGWARE.", id="isgware.E001")]
    return []


def check_views(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """isgware.E002: a tag names an argument that its route does not have."""
    from ..errors import ConfigurationError
    from .site import declared_views

    found: list[CheckMessage] = []
    for route, policy, _, names in declared_views():
        if policy is not None:
            try:
                policy.check_arguments(names)
            except ConfigurationError as error:
                found.append(Error(f"{route!r}: {error}", id="isgware.E002"))
    return found


def check_inner_caches(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """isgware.W001: a declared view has a cache of its own; W002: a cache is in MIDDLEWARE."""
    from ..errors import ConfigurationError
    from ..routing.framework import Routes
    from ..routing.inner_caches import REMEDY, cached_views, named
    from ..settings import Settings
    from .caches import cache_middleware, inner_cache
    from .integration import configured
    from .site import project_routes

    found: list[CheckMessage] = [
        Warning(f"{name} caches pages inside the app.", hint=REMEDY, id="isgware.W002")
        for name in cache_middleware()
    ]
    try:
        patterns = Routes(Settings.load({}, configured(), os.environ).routes)
    except ConfigurationError:  # isgware.E001
        return found
    for route, cache in cached_views(project_routes(), inner_cache, patterns.catches):
        told = f"{named(route)} is cached by {cache}, too."
        found.append(Warning(told, hint=REMEDY, id="isgware.W001"))
    return found
