"""The import rule: a room imports from rooms below it; what decides imports nothing that acts."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import isgware

ROOT = Path(isgware.__file__).parent
MODULES = {
    "isgware." + ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"):
    path
    for path in sorted(ROOT.rglob("*.py"))
    if path != ROOT / "__init__.py"
}  # fmt: skip
CORE = [name for name in MODULES if name.startswith(("isgware.core.", "isgware.http."))]
#: From top to bottom. Packages and modules of one line may import each other and all that is below,
#: also where only a type checker looks; see docs/internals/architecture.md.
ROOMS = (
    {
        "__main__",
        "celery",
        "cli",
        "django",
        "flask",
        "loading",
        "opentelemetry",
        "sqlalchemy",
        "testing",
    },
    {"wsgi"},
    {"dashboard"},
    {"management"},
    {"build", "export"},
    {"runtime"},
    {"shared_cache"},
    {"serving"},
    {"regeneration"},
    {"rendering"},
    {"routing"},
    {"storage"},
    {"backends"},
    {"settings"},
    {"setting_checks"},
    {"core"},
    {"http"},
    {"revalidate_decorator"},
    {"page"},
    {"holes"},
    {"render_context"},
    {"policy", "recording"},
    {
        "adaptive",
        "after_fork",
        "errors",
        "events",
        "formatting",
        "option_checks",
        "template_location",
        "version",
    },
)
#: Of ours, what `core` may import beside itself.
PURE = {
    "isgware.adaptive",
    "isgware.errors",
    "isgware.option_checks",
    "isgware.policy",
    "isgware.recording",
}
#: Of werkzeug, what knows no environ, no file and no socket.
PURE_WERKZEUG = {"werkzeug.datastructures", "werkzeug.http"}
#: A clock, threads, logging, I/O, randomness, the environment.
ACTING = {
    "asyncio", "contextvars", "io", "logging", "multiprocessing", "os", "pathlib",
    "random", "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl",
    "subprocess", "sys", "tempfile", "threading", "time", "uuid",
}  # fmt: skip
#: Extras and frameworks: imported on use, never by ``import isgware``.
EXTRAS = {
    "brotli", "backports.zstd", "celery", "click", "django", "flask", "jinja2",
    "opentelemetry", "prometheus_client", "pymemcache", "redis", "rich",
    "sqlalchemy", "uwsgi", "gevent",
}  # fmt: skip


def imports(name: str) -> Iterator[tuple[str, str]]:
    """Modules that ``name`` imports anywhere, each with what is taken from it."""
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
            source = f"{base}.{node.module}" if node.level and node.module else node.module or base
            for alias in node.names:
                submodule = f"{source}.{alias.name}"
                yield (submodule, "") if submodule in MODULES else (source, alias.name)


def test_the_walk_finds_what_is_imported() -> None:
    assert ("isgware.core.stored_page", "Entry") in set(imports("isgware.core.freshness"))
    assert ("isgware.http.cache_status", "") in set(imports("isgware.serving.prepared_hits"))
    assert len(CORE) >= 8


@pytest.mark.parametrize("name", CORE)
def test_core_imports_only_core_errors_policy_and_pure_werkzeug(name: str) -> None:
    for module, _ in imports(name):
        top = module.partition(".")[0]
        if top == "isgware":
            assert module in PURE or module.startswith(("isgware.core.", "isgware.http.")), module
        elif top == "werkzeug":
            assert module in PURE_WERKZEUG, module
        else:
            assert top in sys.stdlib_module_names, module


@pytest.mark.parametrize("name", CORE)
def test_core_imports_nothing_that_acts(name: str) -> None:
    assert {module for module, _ in imports(name)} & ACTING == set()


def test_what_core_imports_reads_no_clock_either() -> None:
    reached, todo = set(), set(CORE)
    while todo:
        reached |= todo
        todo = {module for name in todo for module, _ in imports(name)} & set(MODULES) - reached
    assert reached >= PURE
    found = {module for name in reached for module, _ in imports(name)}
    assert found & {"time", "threading", "logging", "os", "random", "socket"} == set()


@pytest.mark.parametrize("name", CORE)
def test_core_calls_nothing_that_acts(name: str) -> None:
    called = {
        node.func.id
        for node in ast.walk(ast.parse(MODULES[name].read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert called & {"open", "print", "input", "exec", "eval", "__import__"} == set()


def room_of(module: str) -> int:
    name = module.split(".")[1]
    return next(number for number, names in enumerate(ROOMS) if name in names)


def ours(name: str) -> set[str]:
    return {module for module, _ in imports(name) if module.startswith("isgware.")}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_its_own_room_and_those_below(name: str) -> None:
    above = {module for module in ours(name) if room_of(module) < room_of(name)}
    assert above == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {name: (ours(name) & set(MODULES)) - {name} for name in MODULES}
    while done := [name for name, needs in left.items() if not needs & set(left)]:
        for name in done:
            del left[name]
    assert left == {}


@pytest.mark.parametrize("name", MODULES)
def test_nothing_imports_the_facade(name: str) -> None:
    assert "isgware" not in {module for module, _ in imports(name)}


@pytest.mark.parametrize("name", MODULES)
def test_nothing_unpickles(name: str) -> None:
    """A store that somebody else may write to must not run code. What is pickled by cachelib is
    replaced, and mentions of it stand in its adapter alone."""
    found = {module.partition(".")[0] for module, _ in imports(name)}
    assert found & {"pickle", "marshal", "shelve", "dill"} == set()


@pytest.mark.parametrize(
    "name",
    [name for name in MODULES if not name.startswith(("isgware.django", "isgware.flask"))],
)
def test_no_adapter_is_imported_by_what_it_adapts(name: str) -> None:
    adapters = ("isgware.flask", "isgware.django", "isgware.cli.main", "isgware.sqlalchemy")
    if name not in (*adapters, "isgware.__main__"):
        assert not [module for module, _ in imports(name) if module in adapters]


def test_the_engine_imports_no_server_and_no_framework() -> None:
    for module, _ in imports("isgware.serving.engine"):
        assert module.partition(".")[0] not in {"flask", "django", "cachelib", "sqlite3", "redis"}
        assert module not in {"isgware.wsgi", "isgware.flask", "isgware.django"}


# At run time.


def in_a_fresh_process(script: str) -> object:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_importing_isgware_imports_no_extra() -> None:
    loaded = in_a_fresh_process("import json, sys, isgware; print(json.dumps(sorted(sys.modules)))")
    assert isinstance(loaded, list)
    assert EXTRAS & set(loaded) == set()
    assert not [name for name in loaded if name.startswith(("isgware.cli.main", "isgware.testing"))]


def test_importing_isgware_starts_nothing() -> None:
    found = in_a_fresh_process(
        "import json, os, threading, isgware\n"
        "print(json.dumps([threading.active_count(), os.listdir('/proc/self/task').__len__()]))"
        if sys.platform == "linux"
        else "import json, threading, isgware; print(json.dumps([threading.active_count(), 1]))"
    )
    assert found == [1, 1]


def test_the_facade_offers_what_is_documented() -> None:
    documented = {
        "ISG", "Policy", "page", "revalidate", "connect", "ISGError", "ConfigurationError",
        "RegenerationError",
    }  # fmt: skip
    assert documented <= set(isgware.__all__)
    assert all(hasattr(isgware, name) for name in isgware.__all__)
