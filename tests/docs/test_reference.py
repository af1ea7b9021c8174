"""The reference says what the code says: options, fields, limits, and every reason there is."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import isgware
from isgware import Policy, policy
from isgware.backends import base, memory
from isgware.core import cache_key as request
from isgware.core import storable
from isgware.management.advice import advice_on
from isgware.regeneration.backoff import Failures
from isgware.serving import listed_paths as listing
from isgware.serving import loading_page_html as loading
from isgware.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS, SOURCE = ROOT / "docs", ROOT / "src" / "isgware"
OPTIONS = dataclasses.fields(Settings)


def rows(page: str) -> Iterator[list[str]]:
    """The cells of every row of a page's tables."""
    for line in (DOCS / page).read_text().splitlines():
        if line.startswith("|") and not line.startswith("|--"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def shown(value: Any) -> str:
    """A default as the tables write it."""
    if isinstance(value, bool | str) and value != "":
        return f"`{value}`"
    if not value:
        return "\N{EN DASH}"
    for unit, size in (("GiB", 1024**3), ("MiB", 1024**2)):
        if value % size == 0:
            return f"{value // size} {unit}"
    return f"{int(value):,}" if value == int(value) else str(value)


def default(option: dataclasses.Field[Any]) -> Any:
    if option.default_factory is not dataclasses.MISSING:
        return option.default_factory()
    return option.default


def test_every_option_stands_in_the_table_with_its_default() -> None:
    listed = {row[0].strip("`"): row[1] for row in rows("reference/options.md") if len(row) == 3}
    listed.pop("option")
    assert listed == {option.name: shown(default(option)) for option in OPTIONS}


def test_every_field_of_a_policy_stands_in_the_table() -> None:
    listed = [row[0].strip("`") for row in rows("reference/policy.md") if len(row) == 3]
    assert set(listed) - {"field"} == {field.name for field in dataclasses.fields(Policy)}


def test_the_limits_table_has_the_defaults_of_the_options() -> None:
    named = {row[1].strip("`"): row[2] for row in rows("deployment.md") if len(row) == 4}
    defaults = {option.name: shown(default(option)) for option in OPTIONS}
    found = {name: text for name, text in named.items() if name in defaults}
    assert {name: text.removesuffix(" s") for name, text in found.items()} == {
        name: defaults[name] for name in found
    }
    assert len(found) >= 10


@pytest.mark.parametrize(
    ("what", "figure"),
    [
        ("variants of one page", base.Limits().variants),
        ("headers learned", storable.MAX_LEARNED),
        ("names in the table", base.Limits().names),
        ("notes", base.Limits().names),
        ("keys in back-off", Failures.LIMIT),
        ("paths in a list", listing.MAX_LISTED),
        ("length of a keyed header", request.MAX_KEYED_VALUE),
    ],
)
def test_the_limits_table_has_the_figures_of_the_code(what: str, figure: int) -> None:
    (row,) = [row for row in rows("deployment.md") if len(row) == 4 and row[0].startswith(what)]
    assert row[2].removesuffix(" each") == f"{figure:,}"


@pytest.mark.parametrize("what", ["DYNAMIC", "LEARNED", "PASSED", "REPORTED", "PROMISED"])
def test_the_memos_of_a_process_have_the_size_that_is_documented(what: str) -> None:
    code = "\n".join(path.read_text() for path in SOURCE.rglob("*.py"))
    (figure,) = re.findall(rf"_MAX_{what}: Final = ([0-9_]+)", code)
    (row,) = [row for row in rows("deployment.md") if row[0].startswith("memos in each process")]
    assert row[2] == f"{int(figure):,} each"


def test_the_limits_of_memory_are_those_of_the_code() -> None:
    text = (DOCS / "deployment.md").read_text()
    assert f"`memory:` holds {memory.MEMORY_LIMITS.pages:,} at most" in text
    assert f"`memory:` holds {memory.MEMORY_LIMITS.bytes // 1024**2} MiB at most" in text
    limits = base.Limits()
    assert f"| {limits.error_pages:,}, and a sixteenth of `max_bytes` |" in text
    assert limits.error_bytes == limits.bytes // 16
    assert base.GRACE == 86_400  # "a day beyond its expire"
    assert policy.ONE_YEAR == 365 * 86_400


def test_every_public_name_is_in_the_reference() -> None:
    text = (DOCS / "reference" / "api.md").read_text()
    missing = [name for name in isgware.__all__ if name[0] != "_" and name not in text]
    assert not missing


def test_every_call_of_an_isg_is_in_the_reference() -> None:
    text = (DOCS / "reference" / "api.md").read_text()
    calls = [name for name in dir(isgware.ISG) if not name.startswith("_")]
    assert not [name for name in calls if name not in text]


# Every ``detail=`` token. The code writes each as a literal in one of these places.

#: Calls by name, and where among their arguments a token stands.
CALLS = {
    "Refusal": 0, "Unfit": 0, "Refused": 0, "Answer": 1, "Decision": 2, "bypassed": 1, "Plan": 1,
}  # fmt: skip
#: Functions that return tokens.
RETURNING = {"url_refusal", "_untrusted", "_bypass", "narrow", "_develop"}
NOT_TOKENS = {"", "status"}
#: Where a name stands for one of several tokens, or a token is made up.
ELSEWHERE = {
    "cookie", "clean-room-failed", "regeneration-failed", "regeneration-dropped", "debug",
    "no-store", "private", "redirect-to-other-origin", "redirect-to-itself", "not-accepted",
    "report",
}  # fmt: skip


def tokens() -> set[str]:
    found = set(ELSEWHERE)
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in CALLS and len(node.args) > CALLS[name]:
                    found |= literals(node.args[CALLS[name]])
            elif isinstance(node, ast.FunctionDef) and node.name in RETURNING:
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Return) and inner.value is not None:
                        found |= literals(inner.value)
    # A sentence is for who called `regenerate`, and is in no header.
    return {token for token in found - NOT_TOKENS if " " not in token}


def literals(node: ast.expr) -> set[str]:
    if isinstance(node, ast.IfExp):
        return literals(node.body) | literals(node.orelse)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    return set()


def test_every_reason_is_in_the_reference() -> None:
    text = (DOCS / "reference" / "headers.md").read_text()
    listed = set(re.findall(r"`([a-z0-9-]+)`", text))
    assert sorted(tokens() - listed) == []


def test_every_reason_in_the_reference_is_in_the_code() -> None:
    listed = {
        token
        for row in rows("reference/headers.md")
        for token in re.findall(r"`([a-z0-9-]+)`", row[0])
        if len(row) > 2
    }
    made_up = {"status-403", "post", "put"}
    code = "\n".join(path.read_text() for path in SOURCE.rglob("*.py"))
    assert sorted(token for token in listed - made_up if f'"{token}"' not in code) == []


def test_for_every_reason_there_is_advice() -> None:
    assert sorted(token for token in tokens() if not advice_on(token)) == []
    assert "403" in advice_on("status-403")


def test_the_script_s_hash_for_a_security_policy_is_that_of_the_code() -> None:
    text = (DOCS / "first-visits.md").read_text()
    assert re.findall(r"'(sha256-[^']+)'", text) == [loading.SCRIPT_HASH]
