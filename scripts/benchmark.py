"""Time the engine: nanoseconds per synaptic event, build and compile time, memory.

Each case runs in a process of its own, so that peak memory is the case's own. Times are medians of three stretches
after a first one that compiles; cases follow one another, so compare rows of one run only.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

CASES = ("lif-delta-1", "lif-delta-16", "lif-delta-all", "lif-exp-1", "stdp-dense", "mnist-step", "startup")


def recurrent(case: str) -> Any:
    """10 000 neurons x 100 synapses at about 35 Hz."""
    from models import LIF, LIFExp
    from snn import Network, from_arrays, ms, mV, uniform

    n, k = 10_000, 100
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


def free_run(case: str, bio: float) -> dict[str, Any]:
    """Build, compile, and time three stretches of a network."""
    from snn import Simulator
    from snn.engine import rows

    began = time.perf_counter()
    net = plastic() if case == "stdp-dense" else recurrent(case)
    sim = Simulator(net, record=[])
    build_s = time.perf_counter() - began

    def events() -> int:
        return int(sum(g.count[rows.N_EVENTS] for g in sim.built.groups))

    began = time.perf_counter()
    sim.run(0.05, progress=False)
    compile_s = time.perf_counter() - began
    seconds, counts = [], []
    for _ in range(3):
        before, began = events(), time.perf_counter()
        sim.run(bio, progress=False)
        seconds.append(time.perf_counter() - began)
        counts.append(events() - before)
    middle = int(np.argsort(seconds)[1])
    return {
        "case": case,
        "engine": "exact",
        "threads": 1,
        "neurons": sum(len(p) for p in net.populations.values()),
        "synapses": sum(p.n_synapses for p in sim.built.projections.values()),
        "bio_seconds": bio,
        "synaptic_events": counts[middle],
        "build_s": build_s,
        "compile_s": compile_s,
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
from models import LIF
from snn import Network, Simulator, fixed_probability, ms
net = Network(1)
cells = net.population("cells", LIF(drive=1.2), 100)
net.connect(cells, cells, fixed_probability(0.1), weight=0.01, delay=1.5 * ms)
assert len(Simulator(net).run(0.1, progress=False).spikes["cells"])
"""


def startup() -> dict[str, Any]:
    """A fresh process from its start to the first spikes of 100 neurons: with an empty cache, then with a full one."""
    import os

    took = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", STARTUP], check=True, env={**os.environ, "NUMBA_CACHE_DIR": folder})
            took.append(time.perf_counter() - began)
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


def one(case: str) -> dict[str, Any]:
    """Measure one case in this process."""
    if case == "startup":
        return startup()
    if case == "mnist-step":
        return mnist_step()
    return free_run(case, 0.2 if case == "lif-delta-all" else 0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--json", type=Path, help="file for the rows")
    parser.add_argument("--one", choices=CASES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.one)))
        return 0
    import numba

    print(
        f"{platform.machine()}, Python {platform.python_version()}, numba {numba.__version__}, numpy {np.__version__}"
    )
    print(f"{'case':14} {'events':>11} {'build s':>8} {'compile s':>9} {'run s':>8} {'ns/event':>9} {'peak MB':>8}")
    found = []
    for case in args.cases:
        done = subprocess.run([sys.executable, __file__, "--one", case], check=True, capture_output=True, text=True)
        r = json.loads(done.stdout.splitlines()[-1])
        found.append(r)
        print(
            f"{case:14} {r['synaptic_events']:11d} {r['build_s']:8.2f} {r['compile_s']:9.2f} {r['run_s']:8.3f} "
            f"{r['ns_per_event']:9.2f} {r['peak_mb']:8.0f}",
            flush=True,
        )
    print("startup: compile s is a fresh process with an empty cache, run s one with a full cache")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
