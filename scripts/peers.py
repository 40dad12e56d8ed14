"""The networks of ``benchmark.py`` in other simulators: a description of a network in, times and rates out, as JSON.

``python scripts/peers.py brian2 FOLDER < description.json``. It is run in a process of its own, and imports nothing of
ours, so that a simulator is charged for its own work only. All run in steps of 0.1 ms, on as many threads as it says:

- brian2: C++ standalone in FOLDER; exact integration, exponential Euler for conductances. Cells are one group;
  projections that share weight and delay, or that have drawn ones, are one `Synapses`, sorted by source, which is the
  order in which Brian2 reads them fastest.
- nest: iaf_psc_delta, iaf_psc_exp or iaf_cond_exp, populations and projections as described; a delay of 0 becomes its
  least, 0.1 ms, which is the step in which Brian2 and we deliver it too.

With "trains" in the description, spikes (cell, time in s, warm-up included) are saved in that file by Brian2.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np

DT = 1e-4


def spread(value: Any, n: int, rng: np.random.Generator) -> Any:
    """Start values: one number, or ["uniform", low, high], or ["normal", mean, sd]."""
    if isinstance(value, float):
        return value
    return getattr(rng, value[0])(*value[1:], n)


def threads_of(net: dict[str, Any]) -> str:
    return "1 thread" if net["threads"] == 1 else f"{net['threads']} threads"


# By model: Brian2's equations (dimensionless but for time), the variable of each port, the method.
BRIAN2 = {
    "LIFCond": (
        """dv/dt = (g_leak * (v_rest - v) + g_exc * (e_exc - v) + g_inh * (e_inh - v) + i_drive)
                   / c_m / second : 1 (unless refractory)
           dg_exc/dt = -g_exc / tau_exc : 1
           dg_inh/dt = -g_inh / tau_inh : 1""",
        {"exc": "g_exc", "inh": "g_inh"},
        "exponential_euler",
    ),
    "LIF": (
        """dv/dt = (v_rest + drive - v) / tau_m : 1 (unless refractory)
           drive : 1 (constant)""",
        {"exc": "v", "inh": "v"},
        "exact",
    ),
    "LIFExp": (
        """dv/dt = (v_rest + drive - v + i_exc + i_inh) / tau_m : 1 (unless refractory)
           di_exc/dt = -i_exc / tau_exc : 1
           di_inh/dt = -i_inh / tau_inh : 1
           drive : 1 (constant)""",
        {"exc": "i_exc", "inh": "i_inh"},
        "exact",
    ),
}


class OneGroup:
    """Where the populations of a description are among all cells.

    Attributes
    ----------
    n : int
        All cells.
    first, size, number : dict
        First cell of each population by name, its size, and which one it is.
    pop : (n,) int
        Number of each cell's population.
    """

    def __init__(self, cells: list[dict[str, Any]]) -> None:
        names, sizes = [c["name"] for c in cells], np.array([c["size"] for c in cells])
        self.n = int(sizes.sum())
        self.first = dict(zip(names, np.r_[0, np.cumsum(sizes)[:-1]], strict=True))
        self.size = dict(zip(names, sizes, strict=True))
        self.number = dict(zip(names, range(len(cells)), strict=True))
        self.pop = np.repeat(np.arange(len(cells)), sizes)

    def pairs(self, projections: list[dict[str, Any]], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Sources and targets of the synapses of some projections, sorted."""
        found = []
        for p in projections:
            n_source, n_target, k = self.size[p["source"]], self.size[p["target"]], p["k"]
            by_target = p["connector"] == "in"
            total = k * n_target if by_target else k
            post = np.repeat(np.arange(n_target), k) if by_target else rng.integers(0, n_target, total)
            pre = rng.integers(0, n_source, total)
            found.append((self.first[p["source"]] + pre) * self.n + self.first[p["target"]] + post)
        both = np.sort(np.concatenate(found))
        return both // self.n, both % self.n

    def drawn(self, what: str, projections: list[dict[str, Any]], i: Any, j: Any, rng: np.random.Generator) -> Any:
        """Weights or delays of synapses from i to j, from the normal distribution of each one's projection."""
        mean, sd = np.zeros((2, len(self.size), len(self.size)))
        for p in projections:
            at = self.number[p["source"]], self.number[p["target"]]
            mean[at], sd[at] = p[what][1:3]
        return rng.normal(mean[self.pop[i], self.pop[j]], sd[self.pop[i], self.pop[j]])


def in_seconds(values: dict[str, float], second: Any) -> dict[str, Any]:
    """Parameters with the unit of times; others are numbers."""
    return {k: v * (second if k.startswith("t") else 1) for k, v in values.items()}


def brian2_cells(b: Any, net: dict[str, Any], place: OneGroup, rng: np.random.Generator) -> Any:
    """All cells as one group, at their start."""
    cells = net["cells"]
    p = cells[0]["params"]
    equations, _, method = BRIAN2[net["model"]]
    group = b.NeuronGroup(
        place.n,
        equations,
        threshold="v >= v_thresh",
        reset="v = v_reset",
        refractory="t_ref",
        method=method,
        namespace=in_seconds({k: v for k, v in p.items() if k != "drive"}, b.second),
    )
    for state in cells[0]["init"]:
        values = [np.broadcast_to(spread(c["init"][state], c["size"], rng), c["size"]) for c in cells]
        setattr(group, state, np.concatenate(values))
    if "drive" in p:
        group.drive = np.array([c["params"]["drive"] for c in cells])[place.pop]
    return group


def brian2_synapses(b: Any, net: dict[str, Any], group: Any, place: OneGroup, rng: np.random.Generator) -> list[Any]:
    """All projections, those together that one `Synapses` can be."""
    shared: dict[Any, list[dict[str, Any]]] = {}
    for p in net["projections"]:
        own = ("drawn",) if isinstance(p["weight"], list) else (p["weight"], p["delay"])
        shared.setdefault((p["port"], bool(p["rule"]), *own), []).append(p)
    made = []
    for (port, plastic, *_), projections in shared.items():
        i, j = place.pairs(projections, rng)
        one, target = projections[0], BRIAN2[net["model"]][1][port]
        if plastic:
            syn = b.Synapses(
                group,
                group,
                """w : 1
                   dx/dt = -x / tau_plus : 1 (event-driven)
                   dy/dt = -y / tau_minus : 1 (event-driven)""",
                on_pre=f"{target}_post += w; w = clip(w - a_minus * y, w_min, w_max); x += 1",
                on_post="w = clip(w + a_plus * x, w_min, w_max); y += 1",
                delay={"pre": one["delay"] * b.second},
                namespace=in_seconds(one["rule"], b.second),
            )
            syn.connect(i=i, j=j)
            syn.w = one["weight"]
        elif isinstance(one["weight"], list):
            syn = b.Synapses(group, group, "w : 1 (constant)", on_pre=f"{target}_post += w")
            syn.connect(i=i, j=j)
            weight, delay = (place.drawn(what, projections, i, j, rng) for what in ("weight", "delay"))
            # A normal weight beyond ten s.d. does not occur; delays below one step are few, and set to it.
            syn.w = weight
            syn.delay = np.maximum(delay, DT) * b.second
        else:
            syn = b.Synapses(group, group, on_pre=f"{target}_post += {one['weight']!r}", delay=one["delay"] * b.second)
            syn.connect(i=i, j=j)
        made.append(syn)
    return made


def brian2_background(b: Any, net: dict[str, Any], group: Any, place: OneGroup) -> list[Any]:
    """Poisson inputs. 1000 stand for any number: PoissonInput adds a binomial number of them."""
    alike: dict[Any, list[dict[str, Any]]] = {}
    for source in net["background"]:
        alike.setdefault((source["rate"], source["weight"]), []).append(source)
    made = []
    for (rate, weight), sources in alike.items():
        onto = [group]
        if len(sources) < len(net["cells"]):
            onto = [group[(i := place.first[s["target"]]) : i + place.size[s["target"]]] for s in sources]
        port = BRIAN2[net["model"]][1]["exc"]
        made += [b.PoissonInput(part, port, 1000, rate / 1000 * b.Hz, weight=weight) for part in onto]
    return made


def brian2_run(net: dict[str, Any], folder: str) -> dict[str, Any]:
    """Run in C++ standalone mode; a folder that holds the same project already is not compiled again."""
    import brian2 as b

    b.set_device("cpp_standalone", directory=folder, build_on_run=False)
    # One compiler for each core; Brian2 would start all its files at once.
    b.prefs.devices.cpp_standalone.extra_make_args_unix = [f"-j{os.cpu_count() or 1}"]
    b.prefs.devices.cpp_standalone.openmp_threads = net["threads"] if net["threads"] > 1 else 0
    b.defaultclock.dt = DT * b.second
    b.seed(net["seed"])
    rng, place = np.random.default_rng(net["seed"]), OneGroup(net["cells"])
    group = brian2_cells(b, net, place, rng)
    synapses = brian2_synapses(b, net, group, place, rng)
    monitor = b.SpikeMonitor(group)
    network = b.Network(group, *synapses, *brian2_background(b, net, group, place), monitor)
    network.run(net["before"] * b.second)
    network.run(net["seconds"] * b.second)
    b.device.build(directory=folder, compile=True, run=True)
    times = np.asarray(monitor.t / b.second)
    spikes = int((times >= net["before"] - 0.5 * DT).sum())
    if "trains" in net:
        np.savez(net["trains"], ids=np.asarray(monitor.i), times=times)
    mode = f"C++ standalone, {threads_of(net)}"
    return {"peer_mode": mode, "run_s": float(b.device._last_run_time), "spikes": spikes, "version": b.__version__}


def nest_run(net: dict[str, Any], folder: str) -> dict[str, Any]:
    """Run in NEST; the first stretch warms up."""
    import time

    import nest

    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.set(resolution=DT * 1e3, local_num_threads=net["threads"], rng_seed=net["seed"])
    rng = np.random.default_rng(net["seed"])
    name = {"LIF": "iaf_psc_delta", "LIFExp": "iaf_psc_exp", "LIFCond": "iaf_cond_exp"}[net["model"]]
    conductances = net["model"] == "LIFCond"
    # Of a weight: nS, or mV. Inhibitory conductances are those with negative weights.
    unit = {"exc": 1e9 if conductances else 1e3, "inh": -1e9 if conductances else 1e3}
    pops = {}
    for c in net["cells"]:
        p = {k: v * 1e3 for k, v in c["params"].items()}  # ms, mV
        # With C_m = tau_m (in pF and ms) a current of 1 pA is a drive of 1 mV.
        params = {"E_L": p["v_rest"], "V_th": p["v_thresh"], "V_reset": p["v_reset"], "t_ref": p["t_ref"]}
        if conductances:
            # From thousandths to pF, nS and pA.
            params |= {"C_m": p["c_m"] * 1e9, "g_L": p["g_leak"] * 1e6, "I_e": p["i_drive"] * 1e9}
            params |= {"E_ex": p["e_exc"], "E_in": p["e_inh"]}
        else:
            params |= {"C_m": p["tau_m"], "tau_m": p["tau_m"], "I_e": p["drive"]}
        if net["model"] != "LIF":
            params |= {"tau_syn_ex": p["tau_exc"], "tau_syn_in": p["tau_inh"]}
        pop = nest.Create(name, c["size"], params=params)
        for state, (theirs, scale) in {"v": ("V_m", 1e3), "g_exc": ("g_ex", 1e9), "g_inh": ("g_in", 1e9)}.items():
            if state in c["init"]:
                setattr(pop, theirs, np.broadcast_to(spread(c["init"][state], c["size"], rng) * scale, c["size"]))
        pops[c["name"]] = pop
    for source in net["background"]:
        generator = nest.Create("poisson_generator", params={"rate": source["rate"]})
        nest.Connect(generator, pops[source["target"]], syn_spec={"weight": source["weight"] * 1e3, "delay": 1.5})
    for proj in net["projections"]:
        degree = {"rule": "fixed_indegree", "indegree": proj["k"]}
        total = {"rule": "fixed_total_number", "N": proj["k"]}
        syn: dict[str, Any] = {"synapse_model": "static_synapse"}
        if isinstance(proj["weight"], list):
            (_, w, w_sd), (_, d, d_sd) = proj["weight"], proj["delay"]  # of currents
            low, high = (0.0, np.inf) if w > 0 else (-np.inf, 0.0)
            syn["weight"] = nest.math.redraw(nest.random.normal(w * 1e3, w_sd * 1e3), min=low, max=high)
            syn["delay"] = nest.math.redraw(nest.random.normal(d * 1e3, d_sd * 1e3), min=DT * 1e3, max=np.inf)
        else:
            syn["weight"], syn["delay"] = proj["weight"] * unit[proj["port"]], max(proj["delay"], DT) * 1e3
        if proj["rule"]:
            r = proj["rule"]
            w_max = r["w_max"]
            model = f"stdp_{proj['source']}_{proj['target']}"
            lam = r["a_plus"] / w_max
            nest.CopyModel(
                "stdp_synapse_hom", model,
                {"tau_plus": r["tau_plus"] * 1e3, "lambda": lam, "alpha": r["a_minus"] / r["a_plus"],
                 "mu_plus": 0.0, "mu_minus": 0.0, "Wmax": w_max * 1e3},
            )  # fmt: skip
            pops[proj["target"]].tau_minus = r["tau_minus"] * 1e3
            syn["synapse_model"] = model
        nest.Connect(pops[proj["source"]], pops[proj["target"]], degree if proj["connector"] == "in" else total, syn)
    recorder = nest.Create("spike_recorder")
    for pop in pops.values():
        nest.Connect(pop, recorder)
    nest.Simulate(net["before"] * 1e3)
    before = recorder.n_events
    began = time.perf_counter()
    nest.Simulate(net["seconds"] * 1e3)
    run_s = time.perf_counter() - began
    return {
        "peer_mode": threads_of(net), "run_s": run_s, "spikes": int(recorder.n_events - before),
        "version": nest.__version__,
    }  # fmt: skip


PEERS = {"brian2": brian2_run, "nest": nest_run}


if __name__ == "__main__":
    found = PEERS[sys.argv[1]](json.load(sys.stdin), sys.argv[2])
    print("\n" + json.dumps(found))
