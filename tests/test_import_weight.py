"""What a process imports of isgware is what it uses: each module costs start-up time and memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import isgware
import isgware.backends

#: Commands, builds and exports, and what only they need.
OFFLINE = {
    "isgware.build", "isgware.export", "isgware.cli", "isgware.management.why",
    "isgware.management.store_client", "isgware.management.worker_process",
    "isgware.dashboard", "multiprocessing", "ssl", "click", "jinja2", "rich",
    "opentelemetry", "prometheus_client",
}  # fmt: skip
#: Stores and modes that an app with ``file:`` and defaults does not have.
NOT_CHOSEN = {
    "cachelib", "isgware.backends.cachelib", "isgware.backends.memcached",
    "isgware.backends.memory", "isgware.backends.redis.backend", "isgware.shared_cache",
    "isgware.management.control_endpoint",
}  # fmt: skip
BASE = "import werkzeug.wrappers, werkzeug.routing"
WRAPPED = "from isgware import ISG; ISG(lambda environ, start_response: [], store='file:unused')"


def after(script: str) -> tuple[set[str], int]:
    """The modules that it leaves loaded, and the number of objects that the collector knows."""
    report = "import gc, json, sys; print(json.dumps([sorted(sys.modules), len(gc.get_objects())]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\n{report}"],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    modules, objects = json.loads(done.stdout)
    return set(modules), objects


@pytest.mark.parametrize("script", ["import isgware, isgware.flask", WRAPPED])
def test_a_web_process_loads_nothing_of_build_export_and_commands(script: str) -> None:
    assert (after(script)[0] - after("import flask")[0]) & OFFLINE == set()


def test_an_app_loads_the_adapter_of_its_store_alone() -> None:
    loaded = after(WRAPPED)[0]
    assert "isgware.backends.sqlite.backend" in loaded
    assert loaded & NOT_CHOSEN == set()


def test_the_import_weighs_at_most_a_third_more_than_werkzeug() -> None:
    werkzeug = after(BASE)[1]
    assert after("import isgware")[1] <= 1.35 * werkzeug
    assert after("import isgware.flask")[1] - after("import flask")[1] <= 0.35 * werkzeug


def test_what_is_imported_on_use_can_be_imported_by_name() -> None:
    for name in isgware.__all__:
        assert getattr(isgware, name) is not None
    assert isgware.backends.SQLiteCache.__name__ == "SQLiteCache"


@pytest.mark.parametrize("package", ["isgware", "isgware.backends"])
def test_a_name_that_is_not_there_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'ISGs'"):
        sys.modules[package].ISGs  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'ISGs'"):
        exec(f"from {package} import ISGs", {})
