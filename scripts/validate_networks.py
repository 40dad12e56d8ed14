"""Reference networks here and in Brian2: do their statistics agree within what seeds make of them?

Wiring, start values and noise are drawn anew for each seed on both sides, by generators of their own, so that single
spikes say nothing. What is compared is the mean over seeds: it has to lie within two standard deviations of Brian2's
seed-to-seed spread. With ten seeds the standard error of the difference is 0.45 of these deviations, so that equal
networks fail about once in a thousand comparisons.

The microcircuit has a tenth of its neurons and inputs here. Mean and variance of each neuron's input are kept, but not
correlations, so that rates are lower than those published for its full size, which are shown beside and not judged:
Brian2 at the same size is the measure.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from benchmark import description, options, process

from models import networks
from models.networks.microcircuit import POPULATIONS
from snn import Network, Simulator, Spikes
from snn.record import SpikeData
from snn.statistics import correlation, cv_isi, pooled, rates

# Seconds left out, so that no start is measured, and measured.
BEFORE, MEASURED = 0.2, 1.8
NETWORKS: dict[str, Callable[[int], Network]] = {
    "cuba": lambda seed: networks.cuba(1.0, seed=seed),
    "coba": lambda seed: networks.coba(1.0, seed=seed),
    "brunel": lambda seed: networks.brunel(500, seed=seed),
    "microcircuit": lambda seed: networks.microcircuit(0.1, 0.1, seed=seed),
}
PUBLISHED = dict(zip(POPULATIONS, (0.90, 2.97, 4.41, 5.88, 7.57, 8.63, 1.11, 7.83), strict=True))
"""Rates (Hz) of the microcircuit at full size (Potjans & Diesmann 2014)."""
MOST_SPREAD = 2.0

Trains = dict[str, SpikeData]


def spikes_here(case: str, net: Network) -> Trains:
    """Spikes of all neurons on the grid engine."""
    cells = [p for name, p in net.populations.items() if not name.startswith("background")]
    sim = Simulator(net, record=[Spikes(p) for p in cells], **options(case))
    return sim.run(BEFORE + MEASURED, progress=False).spikes


def spikes_in_brian2(net: Network, folder: str) -> Trains:
    """The same in Brian2 (C++ standalone), which compiles a network once."""
    told = description(net, MEASURED, before=BEFORE)
    told["trains"] = f"{folder}/trains.npz"
    done = process([str(Path(__file__).with_name("peers.py")), "brian2", f"{folder}/project"], input=json.dumps(told))
    if "failed" in done:
        raise SystemExit(f"Brian2: {done['failed']}")
    with np.load(told["trains"]) as saved:
        ids, times = saved["ids"].astype(int), saved["times"]
    first, found = 0, {}
    for cells in told["cells"]:
        own = (ids >= first) & (ids < first + cells["size"])
        found[cells["name"]] = SpikeData(cells["name"], cells["size"], times[own], ids[own] - first)
        first += cells["size"]
    return found


def measures(case: str, trains: Trains) -> dict[str, float]:
    """What is compared: of the microcircuit the rate of each population, else three numbers of all neurons."""
    span = BEFORE, BEFORE + MEASURED
    if case == "microcircuit":
        mean = {name: float(rates(s, *span).mean()) for name, s in trains.items()}
        return {f"{name} (full size {PUBLISHED[name]:.2f}) Hz": rate for name, rate in mean.items()}
    every = pooled(list(trains.values()))
    return {
        "mean rate (Hz)": float(rates(every, *span).mean()),
        "CV of intervals": float(np.nanmean(cv_isi(every, *span, least=4))),
        "pairwise correlation": correlation(every, *span),
    }


def within_spread(case: str, here: list[dict[str, float]], there: list[dict[str, float]]) -> list[dict[str, Any]]:
    """A row for each measure: the difference of means over seeds in standard deviations of Brian2's seeds."""
    rows = []
    for name in there[0]:
        ours, theirs = (np.array([run[name] for run in runs]) for runs in (here, there))
        spread = float(theirs.std(ddof=1))
        value = abs(float(ours.mean() - theirs.mean())) / spread
        rows.append({
            "case": case, "metric": f"{name}: {ours.mean():.4g} here, {theirs.mean():.4g}, in s.d.", "value": value,
            "tolerance": MOST_SPREAD, "pass": bool(value <= MOST_SPREAD), "here": ours.tolist(),
            "brian2": theirs.tolist(),
        })  # fmt: skip
    return rows


def validate_network(case: str, seeds: int, figure: Path | None) -> list[dict[str, Any]]:
    """Rows of one network."""
    runs: tuple[list[Trains], list[Trains]] = ([], [])
    with TemporaryDirectory() as folder:
        for seed in range(1, seeds + 1):
            runs[0].append(spikes_here(case, NETWORKS[case](seed)))
            runs[1].append(spikes_in_brian2(NETWORKS[case](seed), folder))
    here, there = ([measures(case, trains) for trains in side] for side in runs)
    rows = within_spread(case, here, there)
    if figure is not None:
        from validate_figures import network_figure

        span = BEFORE, BEFORE + MEASURED
        network_figure(figure, case, [pooled(list(side[0].values())) for side in runs], span, rows)
    return rows
