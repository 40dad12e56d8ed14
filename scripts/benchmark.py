"""Time the engines: nanoseconds per synaptic event, build and compile time, memory; beside other simulators.

Each case runs in a process of its own, so that peak memory is the case's own. Times are medians of three stretches
after a first one that compiles; cases follow one another, so compare rows of one run only.

The reference networks (cuba, coba, brunel, microcircuit) run on the grid engine, each stretch in a process of its
own. With ``--peers`` we and the others take turns (ours, peer, peer, ours, ...), `--rounds` times; run times are
medians over rounds. The first round is cold for all: our cache and Brian2's project folder are empty, and the whole
process of that round, from its start to the result, is the total. A ratio is peer / ours: above 1 we are faster.
``--threads`` is for all of them, and for the exact engine's cases but `mnist-step` and `startup`. ``--speedup`` runs
each network with one thread and with `--threads` in turns, in one process: how many times as fast is it?

``--plot FILE`` draws how run time grows with neurons, synapses and rate, for one and two threads.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmark_scaling import WARM_UP, in_turns, plot_scaling, scaling

OWN = ("lif-delta-1", "lif-delta-16", "lif-delta-all", "lif-exp-1", "stdp-dense", "mnist-step", "startup")
REFERENCE = {
    # Seconds of simulated time: enough for a run of a tenth of a second, and a minute at most for the slowest.
    "cuba-4000": 1.0,
    "cuba-20000": 1.0,
    "cuba-100000": 0.5,
    "cuba-100000-1ms": 0.5,  # delays of 1 ms in place of none
    "coba-4000": 1.0,
    "brunel-12500": 0.2,
    "brunel-stdp-12500": 0.2,
    "microcircuit-0.1": 0.5,
    "microcircuit-1.0": 0.2,
}
# What a machine of this kind cannot hold: 68 bytes a synapse.
TOO_LARGE = {("microcircuit-1.0", "brian2"): "about 20 GB"}
# As lif-delta-1, with enough neurons for several threads.
LARGE = {"lif-50000": 50_000}
CASES = (*OWN, *LARGE, *REFERENCE)
# Stretches that are timed for a ratio of threads, and the length of each over a case's own.
PAIRS, PAIR = 12, 0.5
# From here on a peer is slow enough for one round to say what there is to say (s).
LONG = 20.0


def recurrent(case: str) -> Any:
    """10 000 neurons, or as many as the case says, x 100 synapses at about 35 Hz."""
    from models import LIF, LIFExp
    from snn import Network, from_arrays, ms, mV, uniform

    n, k = LARGE.get(case, 10_000), 100
    rng = np.random.default_rng(1)
    source, target = np.repeat(np.arange(n), k), rng.integers(0, n, n * k)
    net = Network(1)
    common = {"tau_m": 20 * ms, "v_thresh": 20 * mV, "v_reset": 10 * mV, "t_ref": 2 * ms, "drive": 24 * mV}
    model = LIFExp(tau_exc=5 * ms, tau_inh=10 * ms, **common) if case == "lif-exp-1" else LIF(**common)
    cells = net.population("cells", model, n, init={"v": uniform(0, 20 * mV)})
    delay: Any = 1.5 * ms
    if case == "lif-delta-16":
        delay = rng.choice(np.linspace(1.5 * ms, 3 * ms, 16), n * k)
    elif case == "lif-delta-all":
        delay = rng.uniform(1.5 * ms, 3 * ms, n * k)
    excitatory = source < 0.8 * n
    if case == "lif-exp-1":
        for name, chosen, weight in (("exc", excitatory, 0.3 * mV), ("inh", ~excitatory, -0.8 * mV)):
            net.connect(
                cells, cells, from_arrays(source[chosen], target[chosen]), weight=weight, delay=delay, port=name
            )
    else:
        weight = np.where(excitatory, 0.1 * mV, -0.45 * mV)
        net.connect(cells, cells, from_arrays(source, target), weight=weight, delay=delay)
    return net


def plastic() -> Any:
    """1000 Poisson inputs, each joined to 1000 cells by plastic synapses."""
    from models import LIF, Poisson
    from rules import PairSTDP
    from snn import Hz, Network, all_to_all, ms, uniform

    net = Network(1)
    inputs = net.population("inputs", Poisson(rate=20 * Hz), 1000)
    cells = net.population("cells", LIF(drive=1.2, t_ref=2 * ms), 1000)
    rule = PairSTDP(a_plus=1e-5, a_minus=1.05e-5, w_max=1e-3)
    net.connect(inputs, cells, all_to_all(), weight=uniform(0, 1e-3), delay=1 * ms, rule=rule, dtype="float32")
    return net


def peak_mb() -> float:
    """Largest resident memory of this process so far (MB)."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def seconds_of(case: str) -> float:
    """How long a stretch of a case is (s)."""
    return REFERENCE.get(case, 0.2 if case == "lif-delta-all" or case in LARGE else 0.5)


def simulator(case: str, threads: int, recorded: bool = False) -> Any:
    """Build the network of a case; with `recorded`, its neurons' spikes are."""
    from snn import Simulator, Spikes

    if case in REFERENCE:
        net, how = reference(case), options(case)
    else:
        net, how = plastic() if case == "stdp-dense" else recurrent(case), {}
    cells = [p for name, p in net.populations.items() if recorded and not name.startswith("background")]
    return Simulator(net, record=[Spikes(p) for p in cells], **how, threads=threads)


def events(sim: Any) -> int:
    """Synaptic events up to now."""
    from snn.engine import rows

    return int(sum(g.count[rows.N_EVENTS] for g in sim.built.groups))


def free_run(case: str, threads: int) -> dict[str, Any]:
    """Build, compile, and time three stretches of a network."""
    bio, began = seconds_of(case), time.perf_counter()
    sim = simulator(case, threads)
    build_s = time.perf_counter() - began - sim.built.compile_s

    sim.run(WARM_UP, progress=False)
    seconds, counts = [], []
    for _ in range(3):
        before, began = events(sim), time.perf_counter()
        sim.run(bio, progress=False)
        seconds.append(time.perf_counter() - began)
        counts.append(events(sim) - before)
    middle = int(np.argsort(seconds)[1])
    return {
        "case": case,
        "engine": "exact",
        "threads": threads,
        "neurons": sum(len(p) for p in sim.network.populations.values()),
        "synapses": sum(p.n_synapses for p in sim.built.projections.values()),
        "bio_seconds": bio,
        "synaptic_events": counts[middle],
        "build_s": build_s,
        "compile_s": sim.built.compile_s,
        "run_s": seconds[middle],
        "ns_per_event": 1e9 * seconds[middle] / max(1, counts[middle]),
        "peak_mb": peak_mb(),
    }


def mnist_step(samples: int = 500) -> dict[str, Any]:
    """Training steps of 784-500-10 on images with MNIST's density; events are deliveries and updates."""
    from models.classifier import LatencyClassifier
    from rules import DFA, Delta, ThreeFactor

    rng = np.random.default_rng(1)
    x = np.where(rng.random((samples, 784)) < 131 / 784, rng.uniform(0.2, 1.0, (samples, 784)), 0.0)
    y = rng.integers(0, 10, samples)
    began = time.perf_counter()
    net = LatencyClassifier((784, 500, 10), ThreeFactor(eta=1e-4), Delta(eta=1e-4), DFA(scale=0.1))
    build_s = time.perf_counter() - began
    began = time.perf_counter()
    net.show(x[:2], y[:2], learn=True)
    compile_s = time.perf_counter() - began
    shown = sorted((net.show(x, y, learn=True) for _ in range(3)), key=lambda p: p.seconds)[1]
    events = shown.synaptic_events + shown.weight_updates
    return {
        "case": "mnist-step",
        "engine": "exact",
        "threads": 1,
        "neurons": 1294,
        "synapses": 784 * 500 + 5000,
        "bio_seconds": samples * net.duration,
        "synaptic_events": events,
        "build_s": build_s,
        "compile_s": compile_s,
        "run_s": shown.seconds,
        "ns_per_event": 1e9 * shown.seconds / events,
        "peak_mb": peak_mb(),
    }


STARTUP = """
import time
from models import LIF
from snn import Network, Simulator, fixed_probability, ms
net = Network(1)
cells = net.population("cells", LIF(drive=1.2), 100)
net.connect(cells, cells, fixed_probability(0.1), weight=0.01, delay=1.5 * ms)
assert len(Simulator(net).run(0.1, progress=False).spikes["cells"])
print(time.time())
"""


def startup() -> dict[str, Any]:
    """A fresh process from its start to the first spikes of 100 neurons: with an empty cache, then with a full one."""
    took = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(3):
            began = time.time()
            child = subprocess.run(
                [sys.executable, "-c", STARTUP],
                check=True,
                capture_output=True,
                env={**os.environ, "NUMBA_CACHE_DIR": folder},
            )
            took.append(float(child.stdout) - began)
    return {
        "case": "startup",
        "engine": "exact",
        "threads": 1,
        "neurons": 100,
        "synapses": 1000,
        "bio_seconds": 0.1,
        "synaptic_events": 0,
        "build_s": min(took[1:]),
        "compile_s": took[0],
        "run_s": min(took[1:]),
        "ns_per_event": float("nan"),
        "peak_mb": float("nan"),
    }


def reference(case: str, seed: int = 1) -> Any:
    """The network of a case."""
    from models import networks
    from snn import ms

    name, _, size = case.removesuffix("-1ms").rpartition("-")
    if name in ("cuba", "coba"):
        delay = {"delay": 1 * ms} if case.endswith("-1ms") else {}
        return getattr(networks, name)(int(size) / 4000, seed=seed, **delay)
    if name == "microcircuit":
        return networks.microcircuit(float(size), float(size), seed=seed)
    return {"brunel": networks.brunel, "brunel-stdp": networks.brunel_stdp}[name](int(size) // 5, seed=seed)


def options(case: str) -> dict[str, Any]:
    """How the simulator has to be told to run it."""
    rounded = {"round_delays": True} if case.startswith("microcircuit") else {}
    return {"engine": "grid", "dt": 1e-4, **rounded}


def description(net: Any, seconds: float, threads: int = 1, before: float = WARM_UP) -> dict[str, Any]:
    """What other simulators need to know of a network, in plain numbers (s, V, A, S, F)."""
    from models import Poisson
    from snn.connectors import FixedInDegree

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return value
        kind = type(value).__name__.lower()
        return [kind, *((value.low, value.high) if kind == "uniform" else (value.mean, value.sd))]

    sources = {name for name, p in net.populations.items() if isinstance(p.model, Poisson)}
    cells = [p for name, p in net.populations.items() if name not in sources]
    return {
        "seed": net.seed,
        "before": before,
        "seconds": seconds,
        "threads": threads,
        "model": type(cells[0].model).__name__,
        "cells": [
            {
                "name": p.name,
                "size": len(p),
                "init": {name: plain(value) for name, value in p.init.items()},
                "params": {k: v for k, v in p.model.params().items() if k not in ("soft_reset", "r_m")},
            }
            for p in cells
        ],
        "background": [
            {"target": p.target.name, "rate": p.source.model.rate, "weight": p.weight}
            for p in net.projections.values()
            if p.source.name in sources
        ],
        "projections": [
            {
                "source": p.source.name,
                "target": p.target.name,
                "connector": "in" if isinstance(p.connector, FixedInDegree) else "total",
                "k": p.connector.k if isinstance(p.connector, FixedInDegree) else p.connector.n,
                "weight": plain(p.weight),
                "delay": plain(p.delay),
                "port": p.port,
                "rule": p.rule and p.rule.params(),
            }
            for p in net.projections.values()
            if p.source.name not in sources
        ],
    }


def grid_run(case: str, threads: int) -> dict[str, Any]:
    """Build, compile, and time one stretch of a reference network on the grid, its spikes recorded."""
    bio, imported = seconds_of(case), peak_mb()
    began = time.perf_counter()
    sim = simulator(case, threads, recorded=True)
    build_s = time.perf_counter() - began - sim.built.compile_s
    sim.run(WARM_UP, progress=False)
    before, began = events(sim), time.perf_counter()
    spikes = sim.run(bio, progress=False).spikes
    run_s, n_events = time.perf_counter() - began, events(sim) - before
    neurons = sum(len(sim.network.populations[name]) for name in spikes)
    synapses = sum(p.n_synapses for p in sim.built.projections.values())
    return {
        "case": case,
        "engine": "grid",
        "threads": threads,
        "neurons": neurons,
        "synapses": synapses,
        "bio_seconds": bio,
        "synaptic_events": n_events,
        "build_s": build_s,
        "compile_s": sim.built.compile_s,
        "run_s": run_s,
        "ns_per_event": 1e9 * run_s / max(1, n_events),
        "peak_mb": peak_mb(),
        "bytes_per_synapse": (peak_mb() - imported) * 2**20 / synapses,
        "mean_rate_hz": sum(s.times.size for s in spikes.values()) / neurons / bio,
    }


def process(command: list[str], **how: Any) -> dict[str, Any]:
    """Run a script; what it prints last, and how long the whole of it took. What went wrong, where it fails."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, **how)
    total = time.perf_counter() - began
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return {**json.loads(done.stdout.splitlines()[-1]), "total_s": total}


def compare(case: str, peers: list[str], rounds: int, threads: int = 1) -> list[dict[str, Any]]:
    """Rows of one case: ours, and one for each peer with our own of the same rounds."""
    one = [__file__, "--one", case, "--threads", str(threads)]
    if not peers:
        # As the other cases: with the kernels that are on disk, and no total.
        return [median([process(one) for _ in range(rounds)])]
    told = json.dumps(description(reference(case), REFERENCE[case], threads))
    ours: list[dict[str, Any]] = []
    theirs: dict[str, list[dict[str, Any]]] = {peer: [] for peer in peers}
    with tempfile.TemporaryDirectory() as folder:
        cold = {**os.environ, "NUMBA_CACHE_DIR": f"{folder}/numba"}
        for _ in range(rounds):
            ours.append(process(one, env=cold))
            for peer, rows_ in theirs.items():
                if (case, peer) in TOO_LARGE:
                    rows_.append({"failed": f"it would take {TOO_LARGE[case, peer]}"})
                if rows_ and ("failed" in rows_[0] or rows_[0]["run_s"] > LONG):
                    continue
                script = str(Path(__file__).with_name("peers.py"))
                rows_.append(process([script, peer, f"{folder}/{peer}"], input=told))
    own = median(ours)
    if "failed" in own:
        return [own]
    out = []
    for peer, rows_ in theirs.items():
        got = median(rows_)
        row = {**own, "peer": peer, "peer_mode": got.get("failed") or got["peer_mode"]}
        if "failed" not in got:
            row |= {
                "peer_version": got["version"],
                "peer_run_s": got["run_s"],
                "peer_total_s": got["total_s"],
                "ratio_run": got["run_s"] / own["run_s"],
                "ratio_total": got["total_s"] / own["total_s"],
                "peer_mean_rate_hz": got["spikes"] / own["neurons"] / own["bio_seconds"],
                "peer_rounds": got["rounds"],
                "peer_run_s_all": got["run_s_all"],
                "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
            }
        out.append(row)
    return out


def median(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The round with the middle run time; what is built and compiled when warm (the least), and cold (the first)."""
    failed = [r for r in rounds if "failed" in r]
    if failed:
        return failed[0]
    row = {**sorted(rounds, key=lambda r: r["run_s"])[(len(rounds) - 1) // 2]}
    for part in ("build_s", "compile_s"):
        if part in row:
            row |= {part: min(r[part] for r in rounds), f"cold_{part}": rounds[0][part]}
    return {**row, "total_s": rounds[0]["total_s"], "rounds": len(rounds), "run_s_all": [r["run_s"] for r in rounds]}


def print_peer(r: dict[str, Any]) -> None:
    """One line: we and a peer."""
    if "peer_run_s" not in r:
        print(f"  {r['peer']:8} did not run: {r['peer_mode']}", flush=True)
        return
    print(
        f"  {r['peer']:8} run {r['peer_run_s']:.3f} s, ours {r['run_s']:.3f} s, ratio {r['ratio_run']:.2f}; "
        f"cold total {r['peer_total_s']:.1f} s, ours {r['total_s']:.1f} s, ratio {r['ratio_total']:.2f}; "
        f"rate {r['peer_mean_rate_hz']:.2f} Hz, ours {r['mean_rate_hz']:.2f} Hz; "
        f"rounds {r['rounds']} and {r['peer_rounds']}; {r['peer_mode']}",
        flush=True,
    )


def speedup(case: str, threads: int) -> dict[str, Any]:
    """Stretches of a network with one thread and with several, in turns; the median ratio of pairs."""
    seconds, _ = in_turns({n: simulator(case, n) for n in (1, threads)}, PAIR * seconds_of(case), PAIRS)
    ratios = np.divide(seconds[1], seconds[threads])
    return {
        "case": case,
        "threads": threads,
        "one_thread_s": float(np.median(seconds[1])),
        "run_s": float(np.median(seconds[threads])),
        "speedup": float(np.median(ratios)),
        "speedup_quartiles": np.quantile(ratios, (0.25, 0.75)).tolist(),
    }


def print_speedup(r: dict[str, Any]) -> None:
    """One line: several threads and one."""
    low, high = r["speedup_quartiles"]
    print(
        f"{r['case']:17} 1 thread {r['one_thread_s']:.3f} s, {r['threads']} threads {r['run_s']:.3f} s: "
        f"{r['speedup']:.2f} times as fast (half of {PAIRS} pairs: {low:.2f} to {high:.2f})",
        flush=True,
    )


def one(case: str, threads: int) -> dict[str, Any]:
    """Measure one case in this process."""
    if case == "startup":
        return startup()
    if case == "mnist-step":
        return mnist_step()
    # Importing is no part of building, nor of a network's memory.
    importlib.import_module("snn.simulator")
    if case in REFERENCE:
        return grid_run(case, threads)
    return free_run(case, threads)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cases", nargs="+", choices=CASES, metavar="CASE",
        help=f"of {', '.join(CASES)}; by default the first {len(OWN)}, or none with --plot",
    )  # fmt: skip
    parser.add_argument(
        "--peers", nargs="+", choices=("brian2", "nest"), default=[], help="simulators to run beside us"
    )
    parser.add_argument("--rounds", type=int, default=3, help="processes for each reference network (default 3)")
    parser.add_argument("--threads", type=int, default=1, help="threads of every case that has them (default 1)")
    parser.add_argument("--json", type=Path, help="file for the rows")
    parser.add_argument("--plot", type=Path, help="file for a figure of how run time grows")
    parser.add_argument("--speedup", action="store_true", help="compare --threads (2 or more) with one")
    parser.add_argument("--one", choices=CASES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(speedup(args.one, args.threads) if args.speedup else one(args.one, args.threads)))
        return 0
    for name in ("rounds", "threads"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} is {getattr(args, name)}; give 1 or more")
    if args.speedup and (args.threads < 2 or args.peers or {"startup", "mnist-step"} & set(args.cases or OWN)):
        parser.error("--speedup needs --threads 2 or more and --cases that are networks, and has no --peers")
    for path in (args.json, args.plot):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    cases = args.cases or (() if args.plot else OWN)
    import numba

    print(
        f"{platform.machine()}, Python {platform.python_version()}, numba {numba.__version__}, numpy {np.__version__}"
    )
    if args.speedup:
        found = []
        for case in args.cases:
            found.append(process([__file__, "--one", case, "--threads", str(args.threads), "--speedup"]))
            if "failed" in found[-1]:
                raise SystemExit(f"{case}: {found[-1]['failed']}")
            print_speedup(found[-1])
        if args.json:
            args.json.write_text(json.dumps(found, indent=1))
        return 0
    print(f"{'case':17} {'events':>11} {'build s':>8} {'compile s':>9} {'run s':>8} {'ns/event':>9} {'peak MB':>8}")
    found = []
    for case in cases:
        known = case in REFERENCE
        command = [__file__, "--one", case, "--threads", str(args.threads)]
        made = compare(case, args.peers, args.rounds, args.threads) if known else [process(command)]
        r = made[0]
        if "failed" in r:
            raise SystemExit(f"{case}: {r['failed']}")
        found += made
        print(
            f"{case:17} {r['synaptic_events']:11d} {r['build_s']:8.2f} {r['compile_s']:9.2f} {r['run_s']:8.3f} "
            f"{r['ns_per_event']:9.2f} {r['peak_mb']:8.0f}",
            flush=True,
        )
        for row in made if known and args.peers else ():
            print_peer(row)
        if args.json:
            # After each case: a long run that is stopped keeps what it has.
            args.json.write_text(json.dumps(found, indent=1))
    if "startup" in cases:
        print("startup: compile s is a fresh process with an empty cache, run s one with a full cache")
    if args.plot:
        grown = scaling()
        plot_scaling(grown, args.plot)
        if args.json:
            args.json.write_text(json.dumps(found + grown, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
