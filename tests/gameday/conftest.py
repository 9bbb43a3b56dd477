"""Drills in a short form, in this process; their sidecars and nodes are processes of their own."""

import pytest

from maestro_sidecar.gameday.runner import run_drill

SHORT = {
    "run-window-burst": {"requests": 30, "opensIn": 1, "runs": 12, "cap": 2},
    "store-loss": {"requests": 10, "ttlSeconds": 1.5, "cap": 1},
    "clock-step": {"ttlSeconds": 3.0, "cap": 1},
    "two-sidecars": {"kills": 1, "everySeconds": 0.5, "cap": 2, "ttlSeconds": 1.5, "holdSeconds": 0.03},
    "edge-stale-bundle": {"ttlSeconds": 6.0},
    "two-nodes": {"kills": 1, "everySeconds": 0.5, "cap": 3, "ttlSeconds": 1.0, "holdSeconds": 0.03},
}


@pytest.fixture
def evidence(tmp_path):
    folder = tmp_path / "evidence"
    folder.mkdir()
    return folder


@pytest.fixture
def drill(evidence):
    """`drill("store-loss", cap=2)` runs it in its short form and answers the report."""

    def run(name, **given):
        return run_drill(name, evidence, given=SHORT[name] | given)

    return run


@pytest.fixture
def servers(service, monkeypatch):
    """`servers("redis")` starts one, or takes the one that the environment names, and names it there."""

    def name(*kinds):
        for kind in kinds:
            monkeypatch.setenv(f"MAESTRO_{kind.upper()}", service(kind))

    return name
