"""`isgware.core.hosts`: spellings of a host."""

from __future__ import annotations

import pytest

from isgware.core.hosts import is_trusted, normal_host


@pytest.mark.parametrize(
    ("scheme", "host", "expected"),
    [
        ("http", "www.Example.com", "www.example.com"),
        ("http", "example.com:80", "example.com"),
        ("http", "example.com:0080", "example.com"),
        ("https", "EXAMPLE.com:443", "example.com"),
        ("https", "example.com:80", "example.com:80"),
        ("http", "example.com:8080", "example.com:8080"),
        ("http", "[::1]:80", "[::1]"),
        ("http", "[::80]", "[::80]"),
        ("http", "[FE80::1]:8080", "[fe80::1]:8080"),
        ("http", "", ""),
        ("http", "a,b:x", "a,b:x"),
        ("http", "example.com:\u0668\u0660", "example.com:\u0668\u0660"),
    ],
)
def test_the_spelling_by_which_a_host_is_keyed(scheme: str, host: str, expected: str) -> None:
    assert normal_host(scheme, host) == expected


@pytest.mark.parametrize(
    ("scheme", "host", "trusted"),
    [
        ("http", "example.com", "example.com"),
        ("http", "example.com", "EXAMPLE.com"),
        ("http", "example.com", "example.com:80"),
        ("https", "example.com", "example.com:443"),
        ("http", "localhost:5000", "localhost:5000"),
        ("http", "a.b.example.com", ".example.com"),
        ("http", "example.com", ".example.com"),
        ("http", "a.example.com:81", ".example.com:81"),
        ("http", "xn--bcher-kva.example", "bücher.example"),
        ("http", "[::1]:5000", "[::1]:5000"),
    ],
)
def test_hosts_that_are_trusted(scheme: str, host: str, trusted: str) -> None:
    assert is_trusted(scheme, host, ["other.test", trusted])


@pytest.mark.parametrize(
    ("scheme", "host", "trusted"),
    [
        ("http", "example.com:8000", "example.com"),
        ("http", "example.com", "example.com:8000"),
        ("https", "example.com", "example.com:80"),
        ("http", "example.com:8000", "example.com:8001"),
        ("http", "a.example.com", "example.com"),
        ("http", "badexample.com", ".example.com"),
        ("http", "a.example.com:81", ".example.com"),
        ("http", "", "example.com"),
        ("http", "example.com", ""),
        ("http", "example.com.evil.test", "example.com"),
    ],
)
def test_hosts_that_are_not(scheme: str, host: str, trusted: str) -> None:
    assert not is_trusted(scheme, host, [trusted])
