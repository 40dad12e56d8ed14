"""Train spiking networks on handwritten digits by local rules, and an MLP by backprop, and print what each costs.

Writes results/demo.json (the table), results/demo.h5 (spikes, weights, ledger, provenance) and pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.augment import warp
from models.backprop import MLP
from models.classifier import LatencyClassifier
from models.tasks.digits import digits
from rules import DFA, Delta, Symmetric, ThreeFactor
from snn import Network, Simulator, Spikes, State, Weights, all_to_all, ms
from snn.ledger import Ledger
from snn.plugin import Credit
from snn.progress import progress

SIZES = (64, 30, 10)
# Settings were chosen within the training images alone: 45 combinations, and 230 random ones before, in a stand-alone
# simulation of the same equations, by 5-fold cross-validation on two to five divisions; of the two best, the better
# one here. It reaches 99.0 +- 0.1 % (symmetric) and 97.8 +- 0.3 % (DFA) in 2 x 5 folds (s.e. over folds; a little
# flattering, for the choice), the MLP with the same varied images 98.2 +- 0.3 %. The frozen layer reaches
# 68.9 +- 1.5 %, being nearly silent as it is drawn. With weights of mean 0.4 and s.d. 1.2 it fires ten times as much
# and reaches 88.9 +- 0.7 % (5 folds, stand-alone; symmetric 98.7 %, DFA 98.2 % from there).
ROWS: dict[str, Credit | None] = {"frozen": None, "symmetric": Symmetric(), "dfa": DFA(scale=0.2)}
HIDDEN = {"eta": 0.007, "width": 0.7, "rate_cost": 0.001, "rate_target": 2.0}
READOUT = {"eta": 0.01}
NET: dict[str, Any] = {"w_in": (0.0, 0.8), "low": 0.05, "period": 7 * ms, "duration": 26 * ms, "jitter": 11 * ms}
EPOCHS, MLP_ETA = 60, 0.05
# Every network, the MLP too, sees each training image a little shifted, turned and zoomed, anew in each pass.
VARY = partial(warp, shift=0.3, turn=0.15, zoom=0.1)


def spiking(name: str, seed: int) -> LatencyClassifier:
    """An untrained network for one row of the table."""
    credit = ROWS[name]
    hidden_rule = None if credit is None else ThreeFactor(**HIDDEN)
    return LatencyClassifier(SIZES, hidden_rule, Delta(**READOUT), credit, seed=seed, **NET)


def train_spiking(job: tuple[str, int, int]) -> dict[str, Any]:
    """Train and test one network; what one row is averaged from."""
    name, seed, epochs = job
    task = digits()
    began = time.perf_counter()
    net = spiking(name, seed)
    passes = net.fit(task.train_x, task.train_y, epochs, vary=VARY)
    seconds = time.perf_counter() - began
    ledger = sum((p.ledger for p in passes[1:]), passes[0].ledger)
    ledger.held_bytes = max(p.ledger.held_bytes for p in passes)
    n = epochs * len(task.train_y)
    return {
        "accuracy": net.show(task.test_x, task.test_y).accuracy,
        "spikes": sum(sum(p.spikes.values()) for p in passes) / n,
        "events": sum(p.synaptic_events for p in passes) / n,
        "ledger": ledger,
        "seconds": seconds,
        "net": net,
    }


def train_mlp(job: tuple[str, int, int]) -> dict[str, Any]:
    """The same for the MLP; the flavour only changes what is counted."""
    flavour, seed, epochs = job
    task = digits()
    began = time.perf_counter()
    mlp = MLP(SIZES, eta=MLP_ETA, seed=seed).fit(task.train_x, task.train_y, epochs, vary=VARY)
    return {
        "accuracy": float(np.mean(mlp.predict(task.test_x) == task.test_y)),
        "spikes": 0.0,
        "events": 0.0,
        "ledger": mlp.ledger(flavour),
        "seconds": time.perf_counter() - began,
    }


def row(rule: str, credit: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean over seeds, priced."""
    accuracy = [r["accuracy"] for r in runs]
    bills = [r["ledger"].price("horowitz45-fp32") for r in runs]

    def mean(values: list[float]) -> float:
        return float(np.mean(values))

    ledger: Ledger = runs[0]["ledger"]
    return {
        "rule": rule,
        "credit": credit,
        "hidden": SIZES[1],
        "accuracy_mean": mean(accuracy),
        "accuracy_sd": float(np.std(accuracy, ddof=1)) if len(accuracy) > 1 else 0.0,
        "accuracies": accuracy,
        "spikes_per_sample": mean([r["spikes"] for r in runs]),
        "synaptic_events_per_sample": mean([r["events"] for r in runs]),
        "weight_updates_per_sample": mean([r["ledger"].updates / r["ledger"].samples for r in runs]),
        "pj_per_update": mean([b.pj_per_update for b in bills]),
        "nj_per_sample": mean([b.nj_per_sample() for b in bills]),
        "nj_per_sample_register": mean([r["ledger"].price(accumulators="register").nj_per_sample() for r in runs]),
        "nj_forward": mean([b.nj_per_sample("forward") for b in bills]),
        "nj_credit": mean([b.nj_per_sample("credit") + b.nj_per_sample("error") for b in bills]),
        "nj_update": mean([b.nj_per_sample("update") for b in bills]),
        "nj_trace": mean([b.nj_per_sample("trace") for b in bills]),
        "weight_transport": "W" in ledger.transport,
        "held_bytes": int(mean([r["ledger"].held_bytes for r in runs])),
        "unpriced": sorted({op for _, _, op, _ in bills[0].unpriced}),
        "seconds": mean([r["seconds"] for r in runs]),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows for people."""
    head = (
        f"{'rule':22} {'accuracy %':>12} {'spikes':>7} {'syn.ev.':>8} {'updates':>8} {'pJ/upd':>7} {'nJ/sample':>10} "
        f"{'forward':>8} {'credit':>7} {'update':>8} {'trace':>7} {'W^T':>4} {'held B':>7} {'s':>6}"
    )
    lines = [head, "-" * len(head)]
    for r in rows:
        name = r["rule"] if r["credit"] in ("none", "backprop") else f"{r['rule']} + {r['credit']}"
        lines.append(
            f"{name:22} {100 * r['accuracy_mean']:6.2f} ±{100 * r['accuracy_sd']:4.2f} {r['spikes_per_sample']:7.1f} "
            f"{r['synaptic_events_per_sample']:8.0f} {r['weight_updates_per_sample']:8.0f} {r['pj_per_update']:7.1f} "
            f"{r['nj_per_sample']:10.1f} {r['nj_forward']:8.1f} {r['nj_credit']:7.1f} {r['nj_update']:8.1f} "
            f"{r['nj_trace']:7.1f} {'yes' if r['weight_transport'] else 'no':>4} {r['held_bytes']:7d} "
            f"{r['seconds']:6.1f}"
        )
    return "\n".join(lines)


def show_one(net: LatencyClassifier, path: Path) -> Any:
    """Run the trained network freely on one test digit, recording everything, into the HDF5 file."""
    x_test = digits().test_x
    copy = Network(net.seed)
    assert net.code is not None
    inputs = copy.population("input", net.code.at_mean(), SIZES[0], init={"x": x_test[0]})
    hidden = copy.population("hidden", net.hidden[0].model, SIZES[1])
    readout = copy.population("readout", net.readout.model, SIZES[2])
    w_in = net.sim.weights(net.projections[0]).reshape(SIZES[:2])
    w_out = net.sim.weights(net.projections[1]).reshape(SIZES[1:])
    a = copy.connect(inputs, hidden, all_to_all(), weight=w_in)
    b = copy.connect(hidden, readout, all_to_all(), weight=w_out)
    record = [
        Spikes(inputs),
        Spikes(hidden),
        State(hidden, "v", every=0.1 * ms, ids=[0, 1, 2]),
        State(readout, "v", every=0.1 * ms),
        Weights(a, every=10 * ms),
        Weights(b, every=10 * ms),
    ]
    result = Simulator(copy, record=record).run(net.duration, progress=False)
    result.ledger = net.show(x_test, learn=False).ledger
    result.save(path, overwrite=True)
    return result


def pictures(rows: list[dict[str, Any]], result: Any, net: LatencyClassifier, folder: Path) -> list[Path]:
    """Accuracy against energy; what the network does with one digit; what the hidden neurons have learned."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    paths = [folder / "demo_energy.png", folder / "demo_activity.png", folder / "demo_weights.png"]
    fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for ax, key, label in (
        (axes[0], "pj_per_update", "energy per weight update (pJ)"),
        (axes[1], "nj_per_sample", "energy per training sample (nJ)"),
    ):
        for k, r in enumerate(rows):
            name = r["rule"] if r["credit"] in ("none", "backprop") else f"{r['rule']} + {r['credit']}"
            ax.errorbar(
                r[key], 100 * r["accuracy_mean"], 100 * r["accuracy_sd"], fmt="os^Dv"[k % 5], capsize=3, label=name
            )
        ax.set_xscale("log")
        ax.set_xlabel(label)
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("test accuracy (%)")
    axes[1].legend(fontsize=8, loc="lower right")
    fig.suptitle("Digits 64-30-10: accuracy against the ledger's price (45 nm, fp32)")
    fig.savefig(paths[0], dpi=130)

    fig, axes = plt.subplots(3, 1, figsize=(8, 7), sharex=True, layout="constrained")
    top = 0
    for name in ("input", "hidden"):
        spikes = result.spikes[name]
        axes[0].plot(spikes.times / ms, spikes.ids + top, "|", ms=5, label=name)
        top += spikes.size
    axes[0].set_ylabel("neuron")
    axes[0].legend(fontsize=8, loc="upper right")
    for ax, name in ((axes[1], "hidden"), (axes[2], "readout")):
        trace = result.states[name, "v"]
        for column, neuron in enumerate(trace.ids):
            ax.plot(trace.times / ms, trace.values[:, column], lw=1, label=f"{name} {neuron}")
        ax.set_ylabel(f"v of {name}")
        ax.legend(fontsize=6, ncol=5, loc="upper left")
    axes[1].axhline(1.0, color="0.5", lw=0.8, ls="--")
    axes[2].set_xlabel("time (ms)")
    fig.suptitle("One test digit, after training")
    fig.savefig(paths[1], dpi=130)

    w = net.sim.weights(net.projections[0]).reshape(SIZES[:2])
    fig, axes = plt.subplots(3, 10, figsize=(10, 3.4), layout="constrained")
    limit = np.abs(w).max()
    for j, ax in enumerate(axes.flat):
        image = ax.imshow(w[:, j].reshape(8, 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
        ax.set_xticks([])
        ax.set_yticks([])
    fig.colorbar(image, ax=axes, shrink=0.8, label="weight (thresholds)")
    fig.suptitle("Input weights of the 30 hidden neurons")
    fig.savefig(paths[2], dpi=130)
    plt.close("all")
    return paths


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="networks per row (default 5)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"passes over the training set (default {EPOCHS})")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for the results (default results)")
    args = parser.parse_args()
    for name in ("seeds", "epochs"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} is {getattr(args, name)}; give 1 or more")
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    print("digits 64-30-10, split 80/20 stratified (seed 0), seeds " + ", ".join(map(str, range(args.seeds))))
    print("compiling kernels once ...", end=" ", flush=True)
    for name in ROWS:
        train_spiking((name, 99, 1))
    print(f"{time.perf_counter() - began:.1f} s")

    jobs = [(name, seed, args.epochs) for name in ROWS for seed in range(args.seeds)]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ROWS}
    with progress(len(jobs), "training", unit="networks") as meter, ThreadPoolExecutor(2) as pool:
        for k, (job, run) in enumerate(zip(jobs, pool.map(train_spiking, jobs), strict=True)):
            runs[job[0]].append(run)
            meter.update(k + 1)
    rows = [
        row("frozen", "none", runs["frozen"]),
        row("three-factor", "symmetric", runs["symmetric"]),
        row("three-factor", "DFA", runs["dfa"]),
    ]
    for flavour in ("dense", "sparse"):
        runs[flavour] = [train_mlp((flavour, seed, args.epochs)) for seed in range(args.seeds)]
        rows.append(row(f"MLP {flavour}", "backprop", runs[flavour]))
    best = runs["dfa"][0]["net"]
    result = show_one(best, args.out / "demo.h5")
    paths = pictures(rows, result, best, args.out)
    (args.out / "demo.json").write_text(json.dumps(rows, indent=1))
    print(table(rows))
    print(
        "\nsyn.ev.: synaptic events. nJ at 45 nm, fp32 (horowitz45-fp32): arithmetic and memory traffic, arrays "
        "placed by size.\nW^T: whether the credit path carries forward weights backwards. "
        "held B: bytes kept only for a pending update."
        f"\nNot priced, only counted: {', '.join(rows[1]['unpriced'])}."
    )
    print(
        "Accumulators (membranes, traces, sums, deltas) in memory; in registers instead, nJ/sample: "
        + ", ".join(f"{r['rule']} {r['credit']} {r['nj_per_sample_register']:.1f}" for r in rows)
        + "."
    )
    a, b = runs["dfa"][0]["ledger"].price(), runs["sparse"][0]["ledger"].price()
    print(
        f"Under the prices' bands DFA costs less per sample than sparsity-aware backprop in "
        f"{100 * a.odds_below(b):.0f} % of 1000 draws."
    )
    print(f"\n{args.out / 'demo.json'}  the table")
    print(f"{args.out / 'demo.h5'}    spikes, weights, ledger, provenance: snn.load(path)")
    for path in paths:
        print(path)
    print(f"took {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
