"""Bad input of the developer's: named at construction, with its remedy."""

from __future__ import annotations

import pytest

from isgware import ConfigurationError, Policy


def test_a_wrong_option_is_named_with_its_remedy(wrap, site):
    for options, versions in (
        ({"workers": 0}, "workers"),
        ({"revalidate": -1}, "revalidate"),
        ({"store": "ftp:x"}, "store"),
        ({"routes": {"p": Policy()}}, "slash"),
        ({"routes": {"/p": 60}}, "Policy"),
        ({"revalidat": 60}, "revalidate"),
        ({"base_url": "www.test"}, "base_url"),
        ({"enabled": "maybe"}, "enabled"),
        ({"compress": ["lzma"]}, "compress"),
        ({"memory": "much"}, "memory"),
        ({"coordinator": "file:x"}, "coordinator"),
    ):
        with pytest.raises(ConfigurationError, match=versions):
            wrap(site, **options)


@pytest.mark.parametrize("app", [None, 7, "site:app"], ids=repr)
def test_what_is_no_application_is_refused(wrap, app):
    with pytest.raises(ConfigurationError, match="WSGI application"):
        wrap(app)


@pytest.mark.parametrize(
    "fields",
    [
        {"revalidate": True},
        {"revalidate": -1},
        {"revalidate": "60"},
        {"revalidate": float("nan")},
        {"revalidate": 60, "expire": 30},
        {"expire": 0},
        {"fallback": "maybe"},
        {"fallback": "not-found"},
        {"tags": "one"},
        {"tags": ["{0}"]},
        {"tags": ["a{"]},
        {"query": "id"},
        {"vary": "Accept"},
        {"vary": ["Cookie"]},
        {"vary": ["Authorization"]},
        {"vary": {"Accept": "x"}},
        {"cookies": "sid"},
        {"bypass": "sid"},
        {"bypass": 7},
        {"accept": True},
        {"loading_page": "/no/such/file"},
        {"paths": "/p"},
    ],
    ids=str,
)
def test_a_contradictory_policy_is_refused(fields):
    with pytest.raises(ConfigurationError):
        Policy(**fields)
