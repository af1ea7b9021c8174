"""``isgware.django`` in INSTALLED_APPS: system checks for settings and decorators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register


class ISGConfig(AppConfig):
    name = "isgware.django"
    label = "isgware"
    verbose_name = "isgware"

    def ready(self) -> None:
        register(check_settings, Tags.compatibility)
        register(check_views, Tags.urls)


def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """isgware.E001: settings.ISGWARE holds what cannot be used."""
    from ..errors import ConfigurationError
    from ..settings import Settings
    from ..storage.open_store import open_store
    from . import configured

    try:
        open_store(Settings.load({}, configured()))
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
