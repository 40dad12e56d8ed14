"""How run time grows with neurons, synapses and rate, for one thread and two; and runs that take turns."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP = 0.05  # s of simulated time before anything is timed


def in_turns(sims: dict[int, Any], bio: float, rounds: int) -> tuple[dict[int, list[float]], Any]:
    """Run simulators in turns: how long each stretch took (s), and the last result."""
    for sim in sims.values():
        sim.run(WARM_UP, progress=False)
    seconds: dict[int, list[float]] = {n: [] for n in sims}
    for _ in range(rounds):
        for n, sim in sims.items():
            began = time.perf_counter()
            result = sim.run(bio, progress=False)
            seconds[n].append(time.perf_counter() - began)
    return seconds, result


SCALED = {
    "neurons": [(n, 100, 10.0) for n in (2500, 5000, 10_000, 20_000, 40_000)],
    "synapses": [(10_000, k, 10.0) for k in (25, 50, 100, 200, 400)],
    "rate": [(10_000, 100, rate) for rate in (1.0, 3.0, 10.0, 30.0, 100.0)],
}
"""Number of neurons, inputs of each and rate (Hz), along three axes that meet in the middle."""


def scaled(n: int, k: int, rate: float) -> Any:
    """Cells that fire with one rate, each in a phase of its own, and inputs too weak to change that."""
    from models import LIF
    from snn import Network, fixed_in_degree, ms, mV

    tau, period, top = 100 * ms, 1.0 / rate, 20 * mV
    # v = drive (1 - exp(-t / tau)) reaches the threshold after a period; phases are uniform in time.
    drive = top / -math.expm1(-period / tau)
    v = -drive * np.expm1(-np.random.default_rng(1).uniform(0.0, period, n) / tau)
    net = Network(1)
    cells = net.population("cells", LIF(tau_m=tau, v_thresh=top, drive=drive), n, init={"v": v})
    net.connect(cells, cells, fixed_in_degree(k), weight=1e-15, delay=1.5 * ms)
    return net


def scaling() -> list[dict[str, Any]]:
    """Run times along the three axes, for one thread and two, in turns: medians of three."""
    from snn import Simulator

    bio, numbers, found = 1.0, (1, 2), []
    for axis, points in SCALED.items():
        for n, k, rate in points:
            net = scaled(n, k, rate)
            sims = {threads: Simulator(net, engine="grid", dt=0.1e-3, threads=threads) for threads in numbers}
            seconds, result = in_turns(sims, bio, 3)
            spikes = len(result.spikes["cells"])
            for threads in numbers:
                row = {
                    "case": f"scaling-{axis}",
                    "engine": "grid",
                    "threads": threads,
                    "neurons": n,
                    "synapses": n * k,
                    "bio_seconds": bio,
                    "mean_rate_hz": spikes / (n * bio),
                    "run_s": float(np.median(seconds[threads])),
                }
                found.append(row)
                print(
                    f"scaling with {axis}: {n} neurons, {n * k} synapses, {row['mean_rate_hz']:.1f} Hz, {threads} "
                    f"thread(s): {row['run_s']:.3f} s for {bio} s",
                    flush=True,
                )
    return found


def plot_scaling(found: list[dict[str, Any]], path: Path) -> None:
    """Run time for a second of simulated time against each axis."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.5), sharey=True, layout="constrained")
    labels = {"neurons": "neurons", "synapses": "synapses", "mean_rate_hz": "rate (Hz)"}
    for ax, (axis, key) in zip(axes, zip(SCALED, labels, strict=True), strict=True):
        for threads in sorted({r["threads"] for r in found}):
            points = [r for r in found if r["case"] == f"scaling-{axis}" and r["threads"] == threads]
            slowness = [r["run_s"] / r["bio_seconds"] for r in points]
            label = "1 thread" if threads == 1 else f"{threads} threads"
            ax.loglog([r[key] for r in points], slowness, "o-", label=label)
        ax.set_xlabel(labels[key])
        ax.xaxis.set_minor_formatter("")
        ax.yaxis.set_minor_formatter("")
        ax.grid(which="both", alpha=0.3)
    axes[0].set_ylabel("run time per simulated time")
    axes[0].legend()
    figure.savefig(path)
    plt.close(figure)
    print(f"figure: {path}")
