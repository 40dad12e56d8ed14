"""Compare models and rules with Brian2, and print a table.

The exact engine has no time step, so it must be the limit of Brian2's runs: the median difference of spike times has to
fall linearly with Brian2's dt, and stay within one step, since inputs lie on Brian2's grid. It is the median over cells
with as many spikes on both sides; the share of those is a row of its own. Brian2 checks the threshold one step after an
arrival, when v has decayed for that step: a cell that an arrival lifts only just above threshold does not fire there.
Weights are compared for spikes on Brian2's grid.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from models import LIF, LIFExp, SpikeTimes
from rules import PairSTDP
from snn import Network, Simulator, from_arrays, ms, mV
from snn.validation import driven_by_spikes, plastic_weights

DTS = (0.1 * ms, 0.05 * ms, 0.025 * ms)
N = 40


def exact_spikes(model: Any, ids: np.ndarray, times: np.ndarray, weight: float, duration: float) -> Any:
    """Our spikes of cells that are each driven by one input."""
    net = Network(1)
    inputs = net.population("inputs", SpikeTimes(ids, times), N)
    cells = net.population("cells", model, N)
    net.connect(inputs, cells, from_arrays(range(N), range(N)), weight=weight, delay=0.0)
    return Simulator(net).run(duration, progress=False).spikes["cells"]


def spike_times(case: str, model: Any, weight: float) -> list[dict[str, Any]]:
    """Number of spikes and fall of the time difference with Brian2's dt."""
    rng = np.random.default_rng(2)
    # On the coarsest grid, so that no dt moves the input and what is left is how Brian2 finds crossings.
    ids = np.repeat(np.arange(N), 40)
    times = np.concatenate([rng.choice(np.arange(1, 5000), 40, replace=False) for _ in range(N)]) * DTS[0]
    ours = exact_spikes(model, ids, times, weight, 0.5)
    errors, same = [], 0.0
    for dt in DTS:
        # One spike of an input in a time step is all that Brian2's generator takes.
        _, first = np.unique(ids * 10**7 + np.rint(times / dt).astype(int), return_index=True)
        b_ids, b_times = driven_by_spikes(model, ids[first], times[first], weight, "exc", N, 0.5, dt)
        gaps = []
        matched = 0
        for i in range(N):
            a, b = ours.times[ours.ids == i], b_times[b_ids == i]
            if a.size == b.size:
                matched += 1
                gaps.append(np.abs(a - b))
        same = matched / N
        # The median: a spike that one side only just misses moves the later ones of its cell by whole intervals.
        errors.append(float(np.median(np.concatenate(gaps))))
    order = float(np.polyfit(np.log(DTS), np.log(errors), 1)[0])
    return [
        {"case": case, "metric": "cells with as many spikes, smallest dt", "value": same, "tolerance": 0.9,
         "pass": same >= 0.9},
        {"case": case, "metric": "order of convergence to the exact times", "value": order, "tolerance": 0.3,
         "pass": abs(order - 1.0) <= 0.3},
        {"case": case, "metric": "median time difference at 0.025 ms (s)", "value": errors[-1],
         "tolerance": DTS[-1],
         "pass": errors[-1] <= DTS[-1] * (1 + 1e-9)},
    ]  # fmt: skip


def pair_stdp() -> list[dict[str, Any]]:
    """Weights after 10^4 spikes on each side, on the grid, many of them simultaneous."""
    rng, dt = np.random.default_rng(3), 0.1 * ms

    def train() -> tuple[np.ndarray, np.ndarray]:
        ids = np.repeat(np.arange(N), 500)
        ticks = np.concatenate([np.sort(rng.choice(np.arange(1, 50_000), 500, replace=False)) for _ in range(N)])
        return ids, ticks * dt

    pre, post = train(), train()
    together = rng.random(pre[1].size) < 0.2
    post = (post[0], np.where(together, pre[1], post[1]))
    key = np.unique(post[0] * 10**6 + np.rint(post[1] / dt).astype(int))
    # The same floats on both sides, so that simultaneous is simultaneous.
    post = (key // 10**6, (key % 10**6) * dt)
    rule = PairSTDP(a_plus=0.01, a_minus=0.0105)
    net = Network(1)
    source = net.population("pre", SpikeTimes(*pre), N)
    force = net.population("force", SpikeTimes(*post), N)
    # So leaky that plastic arrivals (at most 1 each) never add up to the threshold: only the given spikes fire it.
    target = net.population("post", LIF(tau_m=0.05 * ms, v_thresh=1.5), N)
    net.connect(force, target, from_arrays(range(N), range(N)), weight=3.0)
    net.connect(source, target, from_arrays(range(N), range(N)), weight=0.5, rule=rule, name="plastic", port="exc")
    sim = Simulator(net)
    spikes = sim.run(5.1, progress=False).spikes["post"]
    ours = sim.weights("plastic")
    theirs = plastic_weights(rule, pre, post, N, 0.5, dt)
    worst = float(np.max(np.abs(ours - theirs) / np.abs(theirs)))
    return [
        {"case": "PairSTDP", "metric": "post spikes that were not given", "value": len(spikes.times) - post[0].size,
         "tolerance": 0, "pass": len(spikes.times) == post[0].size},
        {"case": "PairSTDP", "metric": "largest relative weight difference", "value": worst, "tolerance": 1e-9,
         "pass": worst <= 1e-9},
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the rows")
    args = parser.parse_args()
    # Not a multiple of the grid: an arrival at the very end of refractoriness is a tie that a step decides otherwise.
    volts = {"v_thresh": 15 * mV, "t_ref": 2.03 * ms}
    rows = spike_times("LIF delta", LIF(**volts), 6 * mV)
    rows += spike_times("LIF exponential", LIFExp(**volts, r_m=1e8), 3e-10)
    rows += pair_stdp()
    print(f"{'case':18} {'metric':42} {'value':>12} {'tolerance':>10}")
    for r in rows:
        print(
            f"{r['case']:18} {r['metric']:42} {r['value']:12.3g} {r['tolerance']:10.3g} {'ok' if r['pass'] else 'FAIL'}"
        )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    return 0 if all(r["pass"] for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
