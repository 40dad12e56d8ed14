"""Compare models, rules and networks with Brian2, and print a table.

The exact engine has no time step, so it must be the limit of Brian2's runs: the median difference of spike times has to
fall linearly with Brian2's dt, and stay within one step, since inputs lie on Brian2's grid. It is the median over cells
with as many spikes on both sides; the share of those is a row of its own. Brian2 checks the threshold one step after an
arrival, when v has decayed for that step: a cell that an arrival lifts only just above threshold does not fire there.
Weights are compared for spikes on Brian2's grid.

The grid engine does what Brian2 does at the same dt, by the same integration method: every model has to give the same
spikes in the same ticks. States differ by rounding only, since both sides sum and factor the same formulas in another
order: some 1e-16 of their size in each step, carried on by the leak and, in a spike's upstroke, enlarged up to a
thousandfold each time. The tolerance of 1e-9 of a state's largest value leaves room for that and for nothing else.
A model that fires by chance is compared with the analytic survivor function of the first spike.

The exact engine also has to be the limit of the grid engine, in the same way as of Brian2. Networks are compared by
their statistics over seeds (``validate_networks.py``), which takes most of the time: ``--seeds`` and ``--cases`` say
how many and which.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from validate_networks import NETWORKS, validate_network

from models import (
    ALIF,
    LIF,
    AdEx,
    EscapeLIF,
    HodgkinHuxley,
    Izhikevich,
    Izhikevich2007,
    LIFAlpha,
    LIFCond,
    LIFExp,
    SpikeTimes,
    TwoCompartmentLIF,
)
from rules import PairSTDP
from snn import Network, Simulator, from_arrays, ms, mV, nA, nS, pA
from snn.validation import driven_by_spikes, plastic_weights, random_inputs, run_in_brian2, run_on_grid

DTS = (0.1 * ms, 0.05 * ms, 0.025 * ms)
CASES = ("exact", "limit", "stdp", "grid", "escape", *NETWORKS)
N = 40


def driven_here(model: Any, ids: np.ndarray, times: np.ndarray, weight: float, duration: float, **engine: Any) -> Any:
    """Our spikes of cells that are each driven by one input."""
    net = Network(1)
    inputs = net.population("inputs", SpikeTimes(ids, times), N)
    cells = net.population("cells", model, N)
    net.connect(inputs, cells, from_arrays(range(N), range(N)), weight=weight, delay=0.0)
    return Simulator(net, **engine).run(duration, progress=False).spikes["cells"]


def in_brian2(model: Any, ids: np.ndarray, times: np.ndarray, weight: float, dt: float) -> tuple[Any, Any]:
    # One spike of an input in a time step is all that Brian2's generator takes.
    _, first = np.unique(ids * 10**7 + np.rint(times / dt).astype(int), return_index=True)
    return driven_by_spikes(model, ids[first], times[first], weight, "exc", N, 0.5, dt)


def on_our_grid(model: Any, ids: np.ndarray, times: np.ndarray, weight: float, dt: float) -> tuple[Any, Any]:
    spikes = driven_here(model, ids, times, weight, 0.5, engine="grid", dt=dt, round_delays=True)
    return spikes.ids, spikes.times


def spike_times(case: str, model: Any, weight: float, other: Any, figure: Path | None) -> list[dict[str, Any]]:
    """Number of spikes and fall of the time difference with the dt of Brian2 or of the grid engine."""
    rng = np.random.default_rng(2)
    # On the coarsest grid, so that no dt moves the input and what is left is how Brian2 finds crossings.
    ids = np.repeat(np.arange(N), 40)
    times = np.concatenate([rng.choice(np.arange(1, 5000), 40, replace=False) for _ in range(N)]) * DTS[0]
    ours = driven_here(model, ids, times, weight, 0.5, engine="exact")
    errors, same = [], 0.0
    for dt in DTS:
        b_ids, b_times = other(model, ids, times, weight, dt)
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
    if figure is not None:
        figures().convergence_figure(figure, case, DTS, errors)
    return [
        {"case": case, "metric": "cells with as many spikes, smallest dt", "value": same, "tolerance": 0.9,
         "pass": same >= 0.9},
        {"case": case, "metric": "order of convergence to the exact times", "value": order, "tolerance": 0.3,
         "pass": abs(order - 1.0) <= 0.3},
        {"case": case, "metric": "median time difference at 0.025 ms (s)", "value": errors[-1],
         "tolerance": DTS[-1],
         "pass": errors[-1] <= DTS[-1] * (1 + 1e-9)},
    ]  # fmt: skip


def pair_stdp(figure: Path | None) -> list[dict[str, Any]]:
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
    if figure is not None:
        figures().scatter_figure(figure, "PairSTDP", ours, theirs, "weight")
    return [
        {"case": "PairSTDP", "metric": "post spikes that were not given", "value": len(spikes.times) - post[0].size,
         "tolerance": 0, "pass": len(spikes.times) == post[0].size},
        {"case": "PairSTDP", "metric": "largest relative weight difference", "value": worst, "tolerance": 1e-9,
         "pass": worst <= 1e-9},
    ]  # fmt: skip


VOLTS = {"v_thresh": 15 * mV, "t_ref": 2 * ms}
# Model and weights by port, so strong that cells fire some ten times a second or more.
ON_GRID: list[tuple[Any, dict[str, float]]] = [
    (LIF(**VOLTS), {"exc": 6 * mV, "inh": -3 * mV}),
    (LIFExp(**VOLTS, r_m=1e8), {"exc": 0.3 * nA, "inh": -0.1 * nA}),
    (LIFAlpha(**VOLTS, r_m=1e8, tau_inh=5 * ms), {"exc": 0.3 * nA, "inh": -0.1 * nA}),
    (LIFCond(), {"exc": 10 * nS, "inh": 20 * nS}),
    (ALIF(**VOLTS, jump=3 * mV), {"exc": 6 * mV, "inh": -3 * mV}),
    (AdEx(i_drive=0.5 * nA, t_ref=2 * ms), {"exc": 1 * nA, "inh": -0.3 * nA}),
    (Izhikevich(drive=4.0), {"exc": 5 * mV, "inh": -3 * mV}),
    (Izhikevich2007(i_drive=60 * pA), {"exc": 100 * pA, "inh": -50 * pA}),
    (HodgkinHuxley(i_drive=0.2 * nA), {"exc": 6 * nS, "inh": 67 * nS}),
    (TwoCompartmentLIF(**VOLTS), {"exc": 6 * mV, "inh": -3 * mV, "error": 5 * mV}),
]


def on_grid(model: Any, weights: dict[str, float], figure: Path | None) -> list[dict[str, Any]]:
    """Spikes and states of the grid engine against Brian2's at the same dt: 40 cells for 0.5 s."""
    case = f"{type(model).__name__} grid"
    run = random_inputs(weights, N, 5000, 50, 4), N, 5000, DTS[0]
    ours, theirs = run_on_grid(model, *run), run_in_brian2(model, *run)
    here = set(zip(ours.ticks.tolist(), ours.ids.tolist(), strict=True))
    there = set(zip(theirs.ticks.tolist(), theirs.ids.tolist(), strict=True))
    worst = max(float(np.abs(ours.states[s] - x).max() / (np.abs(x).max() or 1.0)) for s, x in theirs.states.items())
    if figure is not None:
        v = {name: side.states["v"][:2000, 0] * 1e3 for name, side in (("here", ours), ("Brian2", theirs))}
        figures().curves_figure(figure, case, np.arange(2000) * DTS[0] * 1e3, v, "time (ms)", "v of cell 0 (mV)")
    return [
        {"case": case, "metric": "spikes in Brian2", "value": len(there), "tolerance": 100, "pass": len(there) >= 100},
        {"case": case, "metric": "spikes that only one side has", "value": len(here ^ there), "tolerance": 0,
         "pass": here == there},
        {"case": case, "metric": "largest relative state difference", "value": worst, "tolerance": 1e-9,
         "pass": worst <= 1e-9},
    ]  # fmt: skip


def escape(figure: Path | None) -> list[dict[str, Any]]:
    """Time of the first spike of 4000 cells whose potential relaxes: its distribution, here and in Brian2."""
    n, n_ticks, dt = 4000, 600, DTS[0]
    model = EscapeLIF(drive=0.9, t_ref=2 * ms)
    v = 0.9 * (1.0 - np.exp(-dt * np.arange(1, n_ticks + 1) / model.tau_m))
    survivor = np.exp(-np.cumsum(model.rate_thresh * np.exp((v - model.v_thresh) / model.delta_thresh)) * dt)
    rows, counts, curves = [], [], {}
    # Kolmogorov and Smirnov: a distance beyond this has probability 1e-3; smaller still where times are discrete.
    limit = float(1.95 / np.sqrt(n))
    for name, run in (("here", run_on_grid), ("in Brian2", run_in_brian2)):
        result = run(model, {}, n, n_ticks, dt, seed=5)
        counts.append(result.ids.size)
        first = np.full(n, n_ticks)
        np.minimum.at(first, result.ids, result.ticks)
        alive = 1.0 - np.cumsum(np.bincount(first, minlength=n_ticks + 1)[:n_ticks]) / n
        distance = float(np.abs(alive - survivor).max())
        curves[name] = alive
        rows.append({"case": "EscapeLIF grid", "metric": f"distance from the survivor function {name}",
                     "value": distance, "tolerance": limit, "pass": distance <= limit})  # fmt: skip
    if figure is not None:
        ms_ = np.arange(1, n_ticks + 1) * dt * 1e3
        figures().curves_figure(
            figure, "EscapeLIF grid", ms_, {**curves, "analytic": survivor}, "time (ms)", "cells that have not fired"
        )
    # Two counts of a renewal process with less spread than Poisson's: four of Poisson's standard deviations.
    z = float(abs(counts[0] - counts[1]) / np.sqrt(sum(counts)))
    return [*rows, {"case": "EscapeLIF grid", "metric": "number of spikes against Brian2 (sd)", "value": z,
                    "tolerance": 4, "pass": z <= 4}]  # fmt: skip


def figures() -> Any:
    """Matplotlib is needed for figures only."""
    import validate_figures

    return validate_figures


def rows_of(case: str, seeds: int, folder: Path | None) -> list[dict[str, Any]]:
    """Everything that a case compares."""

    def figure(name: str) -> Path | None:
        return None if folder is None else folder / f"{name}.png"

    if case in ("exact", "limit"):
        # No multiple of the grid: an arrival at the very end of refractoriness is a tie that a step decides otherwise.
        volts = {"v_thresh": 15 * mV, "t_ref": 2.03 * ms}
        other, of = (in_brian2, "") if case == "exact" else (on_our_grid, " as limit")
        rows = spike_times(f"LIF delta{of}", LIF(**volts), 6 * mV, other, figure(f"{case}-lif"))
        return rows + spike_times(
            f"LIF exponential{of}", LIFExp(**volts, r_m=1e8), 3e-10, other, figure(f"{case}-lif-exp")
        )
    if case == "stdp":
        return pair_stdp(figure(case))
    if case == "grid":
        return [r for model, weights in ON_GRID for r in on_grid(model, weights, figure(type(model).__name__))]
    if case == "escape":
        return escape(figure(case))
    return validate_network(case, seeds, figure(case))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--seeds", type=int, default=10, help="seeds of each network, 2 or more (default 10)")
    parser.add_argument("--json", type=Path, help="file for the rows")
    parser.add_argument("--figures", type=Path, metavar="DIR", help="folder for a figure of each comparison")
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error("--seeds: a spread needs 2 seeds at least")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
    if args.figures:
        args.figures.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    print(f"{'case':24} {'metric':58} {'value':>12} {'tolerance':>10}")
    for case in args.cases:
        for r in rows_of(case, args.seeds, args.figures):
            rows.append(r)
            print(
                f"{r['case']:24} {r['metric']:58} {r['value']:12.3g} {r['tolerance']:10.3g} "
                f"{'ok' if r['pass'] else 'FAIL'}",
                flush=True,
            )
        if args.json:
            args.json.write_text(json.dumps(rows, indent=1))
    return 0 if all(r["pass"] for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
