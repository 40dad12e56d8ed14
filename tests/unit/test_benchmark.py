"""The benchmark's bookkeeping: what other simulators are told, and how rounds become rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import benchmark
    finally:
        sys.path.pop(0)
    return benchmark


@pytest.mark.parametrize("case", ["cuba-4000", "coba-4000", "brunel-stdp-12500", "microcircuit-0.1"])
def test_descriptions_are_json_and_complete(benchmark, case):
    told = json.loads(json.dumps(benchmark.description(benchmark.reference(case), 1.0)))
    names = {c["name"] for c in told["cells"]}
    assert all({p["source"], p["target"]} <= names for p in told["projections"])
    assert {b["target"] for b in told["background"]} in (set(), names)


def test_plastic_synapses_are_told_with_their_rule(benchmark):
    told = benchmark.description(benchmark.reference("brunel-stdp-12500"), 1.0)
    rules = {(p["source"], p["target"]): p["rule"] for p in told["projections"] if p["rule"]}
    assert list(rules) == [("exc", "exc")]
    assert rules["exc", "exc"]["w_max"] == pytest.approx(0.2e-3)


def test_rounds_become_the_middle_run_and_the_first_total(benchmark):
    rounds = [{"run_s": r, "total_s": t} for r, t in ((3.0, 30.0), (1.0, 10.0), (2.0, 20.0))]
    row = benchmark.median(rounds)
    assert (row["run_s"], row["total_s"], row["rounds"]) == (2.0, 30.0, 3)


def test_a_missing_peer_is_reported_beside_the_others(benchmark, monkeypatch, capsys):
    ours = {"run_s": 2.0, "total_s": 5.0, "neurons": 10, "bio_seconds": 1.0, "mean_rate_hz": 5.0}
    peer = {"run_s": 4.0, "total_s": 20.0, "spikes": 50, "peer_mode": "1 thread", "version": "1"}

    def process(command, **how):
        if "--one" in command:
            return dict(ours)
        return {"failed": "No module named 'nest'"} if "nest" in command else dict(peer)

    monkeypatch.setattr(benchmark, "process", process)
    rows = benchmark.compare("cuba-4000", ["brian2", "nest"], 3)
    assert [r["peer"] for r in rows] == ["brian2", "nest"]
    assert (rows[0]["ratio_run"], rows[0]["ratio_total"], rows[0]["peer_mean_rate_hz"]) == (2.0, 4.0, 5.0)
    for row in rows:
        benchmark.print_peer(row)
    assert "did not run: No module named 'nest'" in capsys.readouterr().out


def test_a_slow_peer_runs_once(benchmark, monkeypatch):
    ran = []

    def process(command, **how):
        if "--one" not in command:
            ran.append(command)
        return {
            "run_s": 60.0,
            "total_s": 1.0,
            "neurons": 1,
            "bio_seconds": 1.0,
            "spikes": 0,
            "peer_mode": "",
            "version": "",
        }

    monkeypatch.setattr(benchmark, "process", process)
    benchmark.compare("cuba-4000", ["nest"], 3)
    assert len(ran) == 1


@pytest.mark.parametrize("rate", [1.0, 100.0])
def test_cells_of_the_scaling_network_have_the_rate_that_is_asked_for(benchmark, rate):
    from benchmark_scaling import scaled

    from snn import Simulator

    spikes = Simulator(scaled(200, 5, rate), engine="grid").run(1.0, progress=False).spikes["cells"]
    # A crossing is found up to a step later, 1 % of the shortest period.
    assert len(spikes) / 200 == pytest.approx(rate, rel=0.011)
