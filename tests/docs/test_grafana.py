"""The dashboard for Grafana asks for metrics that exist, in PromQL that Prometheus understands."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import Client
from werkzeug.wrappers import Response

from isgware import ISG, Policy
from isgware.management.fleet_metrics import FleetMetrics

BOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "grafana.json").read_text()
)
PANELS: list[dict[str, Any]] = BOARD["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]


@pytest.fixture
def exported(tmp_path: Path) -> Iterator[set[str]]:
    """Names of all samples."""
    isg = ISG(
        Response("page", mimetype="text/html"), store=f"file:{tmp_path}", enabled=True,
        routes={"/": Policy(revalidate=60)}, backend_timeout=30.0, base_url="http://localhost",
    )  # fmt: skip
    Client(isg).get("/")
    isg.regenerate("/")  # unchanged
    isg.revalidate_path("/")
    runtime = isg.runtime
    text = FleetMetrics(runtime.catalogue, runtime.store, runtime).text().decode()
    yield {
        sample.name for family in text_string_to_metric_families(text) for sample in family.samples
    }
    isg.close(0)


def test_each_metric_that_it_asks_for_exists(exported: set[str]) -> None:
    asked = {name for query in QUERIES for name in re.findall(r"\bisgware_[a-z_]+", query)}
    asked |= set(re.findall(r"isgware_[a-z_]+", json.dumps(BOARD["templating"])))
    assert asked <= exported
    of_histograms = {"isgware_render_seconds_bucket", "isgware_render_seconds_sum"}
    parts = {name for name in exported if name.endswith(("_created", "_gsum"))}
    assert exported - asked - parts == set(), "metrics that no panel shows"
    assert of_histograms <= asked


def test_panels_are_whole_and_none_lies_on_another() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS) >= 10
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        assert panel["title"]
        assert panel["targets"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_its_queries_are_promql(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        return  # the names were looked at all the same
    asked = [query.replace("$__rate_interval", "5m").replace("$job", ".*") for query in QUERIES]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(asked)]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "grafana", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", str(file)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
