"""`isgware.settings`: one table of options, three sources, every contradiction named."""

from __future__ import annotations

import dataclasses
import re
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest

from isgware.errors import ConfigurationError
from isgware.policy import Policy
from isgware.settings import Settings

OPTIONS = [field.name for field in dataclasses.fields(Settings)]


def test_the_table_holds_every_option_of_the_documentation() -> None:
    assert set(OPTIONS) >= {
        "store", "revalidate", "routes", "base_url", "trusted_hosts", "secret",
        "metrics_secret", "mount",
        "cache_control", "workers", "queue_size", "executor", "coordinator", "memory", "max_page",
        "max_pages", "max_bytes", "build_id", "compress", "debug", "downstream", "enabled", "panel",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("store", "file:.isgware"), ("revalidate", None), ("routes", {}), ("base_url", ()),
        ("trusted_hosts", ()), ("secret", None), ("metrics_secret", None),
        ("mount", "/_isg"), ("cache_control", "shared"),
        ("workers", 4), ("executor", None), ("coordinator", None), ("memory", 64 * 2**20),
        ("max_page", 10 * 2**20), ("build_id", ""), ("compress", True), ("debug", False),
        ("panel", False),
        ("downstream", 60), ("enabled", None), ("lease_time", 10), ("wait_time", 10),
        ("render_timeout", 60), ("drain_time", 5), ("backend_timeout", 0.3), ("probe_interval", 1),
        ("offline_time", 60),
    ],
)  # fmt: skip
def test_documented_default(name: str, default: Any) -> None:
    assert getattr(Settings.load({}), name) == default


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_checked_and_documented(name: str) -> None:
    metadata = Settings.__dataclass_fields__[name].metadata
    assert callable(metadata["check"])
    assert metadata["doc"]


@pytest.mark.parametrize("name", OPTIONS)
def test_every_default_passes_its_own_check(name: str) -> None:
    default = getattr(Settings(), name)
    assert getattr(Settings.load({name: default}), name) == default


# Sources.


@pytest.mark.parametrize(
    ("given", "framework", "environ", "expected"),
    [
        pytest.param({"workers": 1}, {"workers": 2}, {"ISGWARE_WORKERS": "3"}, 1, id="keyword"),
        pytest.param({}, {"workers": 2}, {"ISGWARE_WORKERS": "3"}, 2, id="framework"),
        pytest.param({}, {}, {"ISGWARE_WORKERS": "3"}, 3, id="environment"),
        pytest.param({}, None, None, 4, id="nobody"),
        pytest.param({}, {}, {"WORKERS": "3", "isgware_workers": "3"}, 4, id="other variables"),
    ],
)
def test_the_first_source_that_says_it_counts(
    given: Any, framework: Any, environ: Any, expected: int
) -> None:
    assert Settings.load(given, framework, environ).workers == expected


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("STORE", "memory:", "memory:"), ("REVALIDATE", "60", 60.0), ("REVALIDATE", "false", False),
        ("BASE_URL", "https://a.example, https://b.example",
         ("https://a.example", "https://b.example")),
        ("TRUSTED_HOSTS", "a.example,.b.example", ("a.example", ".b.example")),
        ("DEBUG", "1", True), ("DEBUG", "off", False), ("DEBUG", "", False),
        ("ENABLED", "0", False), ("ENABLED", "report", "report"), ("ENABLED", "yes", True),
        ("MEMORY", "0", 0), ("COMPRESS", "br,gzip", ("br", "gzip")), ("COMPRESS", "no", False),
        ("DOWNSTREAM", "1.5", 1.5), ("SECRET", "s" * 16, "s" * 16), ("BUILD_ID", "42", "42"),
    ],
)  # fmt: skip
def test_every_kind_of_option_can_be_said_in_the_environment(
    name: str, text: str, value: Any
) -> None:
    found = getattr(Settings.load({}, {}, {"ISGWARE_" + name: text}), name.lower())
    assert (found, type(found)) == (value, type(value))


def test_foreign_variables_of_the_environment_are_left_alone() -> None:
    assert Settings.load({}, {}, {"ISGWARE_STORAGE": "x", "PATH": "y"}) == Settings()


@pytest.mark.parametrize("source", ["given", "framework"])
def test_an_unknown_option_is_refused_with_the_nearest_known(source: str) -> None:
    sources: dict[str, Any] = {"given": {}, "framework": {}, source: {"trusted_host": ["a"]}}
    with pytest.raises(ConfigurationError, match="Did you mean 'trusted_hosts'"):
        Settings.load(**sources)


def test_an_option_like_no_other_is_refused_with_a_list() -> None:
    with pytest.raises(ConfigurationError, match=r"Options: .*base_url"):
        Settings.load({"zzzzzz": 1})


# Values.


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("base_url", "https://WWW.example.com:443/", ("https://www.example.com",)),
        ("base_url", ["http://[::1]:8000"], ("http://[::1]:8000",)),
        ("base_url", None, ()),
        ("build_id", None, ""),
        ("build_id", 7, "7"),
        ("cache_control", "shared", "shared"),
        ("cache_control", "ignore", "ignore"),
        ("compress", False, False),
        ("compress", ["gzip"], ("gzip",)),
        ("enabled", None, None),
        ("enabled", "report", "report"),
        ("mount", "/internal/isg", "/internal/isg"),
        ("revalidate", False, False),
        ("routes", {"/a/<b>": Policy()}, {"/a/<b>": Policy()}),
        ("secret", "ein langes Pässwort", "ein langes Pässwort"),
    ],
)
def test_what_may_be_said(name: str, value: Any, expected: Any) -> None:
    assert getattr(Settings.load({name: value}), name) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_url", "www.example.com"), ("base_url", "ftp://a"), ("base_url", "https://a/path"),
        ("base_url", "https://a?b"), ("base_url", "https://user@a"), ("base_url", "http://[::1"),
        ("base_url", "https://exa mple"), ("base_url", "https://"), ("base_url", 5),
        ("cache_control", "none"), ("cache_control", None), ("cache_control", "some"),
        ("compress", "rot13"),
        ("compress", 5), ("debug", "maybe"), ("debug", 2), ("debug", None), ("downstream", 0),
        ("dependencies_lag", -1), ("dependencies_lag", True), ("dependencies_lag", "soon"),
        ("dependencies_lag", float("nan")), ("dependencies_lag", 86_400),
        ("dependencies_durable", "always"), ("dependencies_durable", None),
        ("downstream", "soon"), ("downstream", float("inf")), ("downstream", True),
        ("enabled", "perhaps"), ("enabled", 7), ("executor", "threads"), ("memory", -1),
        ("memory", 1.5), ("memory", True), ("mount", "isg"), ("mount", "/"), ("mount", "/a/"),
        ("mount", "/a b"), ("mount", None), ("revalidate", True), ("revalidate", "soon"),
        ("revalidate", -1), ("routes", []), ("routes", {"a": Policy()}), ("routes", {"/a": 60}),
        ("routes", {5: Policy()}), ("secret", ""), ("secret", " "), ("secret", "a\n"),
        ("secret", b"bytes"),
        ("trusted_hosts", 5), ("trusted_hosts", [5]), ("trusted_hosts", ["http://a.test"]),
        ("workers", 0), ("workers", "many"),
        ("queue_size", 0), ("wait_time", -1), ("clock", 5), ("max_page", 0),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Settings.load({name: value})


def test_a_thread_pool_may_regenerate_and_a_process_pool_may_not() -> None:
    with ThreadPoolExecutor(1) as threads, ProcessPoolExecutor(1) as processes:
        assert Settings.load({"executor": threads}).executor is threads
        with pytest.raises(ConfigurationError, match="run in this process"):
            Settings.load({"executor": processes})


# The secret is never shown.


def test_a_secret_is_not_in_the_repr() -> None:
    settings = Settings.load({"secret": "hunter2 and more"})
    assert settings.secret == "hunter2 and more"
    assert "hunter2" not in repr(settings)


def test_a_secret_is_not_in_an_error() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({"secret": "hunter2 and more\n"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", ["fifteen letters", "   two words     ", "s"])
def test_a_secret_of_the_metrics_that_can_be_guessed_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^metrics_secret=…: give 16 characters or more"):
        Settings.load({"metrics_secret": value})
    found = Settings.load({"metrics_secret": "sixteen letters."})
    assert found.metrics_secret == "sixteen letters."


@pytest.mark.parametrize(
    ("name", "value"), [("workers", 0), ("mount", "x"), ("base_url", "x"), ("compress", "x")]
)
def test_errors_name_value_and_remedy(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{name}={re.escape(repr(value))}: .+\.$"):
        Settings.load({name: value})


def test_a_misspelt_option_of_the_environment_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    Settings.load({}, {}, {"ISGWARE_STOER": "memory:", "ISGWARE_ORACLE": "9"})
    assert caplog.messages == [
        "ISGWARE_STOER in the environment is no option. Did you mean ISGWARE_STORE?"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dependencies_lag", 2), ("dependencies_durable", 1), ("untracked", ("post",)),
        ("derived", {"stock": ("post",)}),
    ],
)  # fmt: skip
def test_what_says_how_dependencies_are_renewed_needs_them(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}=.*: set dependencies=True, too"):
        Settings.load({name: value})
    for dependencies in (True, "soft"):
        said = Settings.load({"dependencies": dependencies}, {name: value})
        assert getattr(said, name) == value
    assert not getattr(Settings.load({name: type(value)()}), name)
