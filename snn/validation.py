"""The same declarations in Brian2: each model and rule states its Brian2 form, and these functions run it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .connect import from_arrays
from .errors import PluginError
from .network import Network
from .plugin import GivenSpikes, Model, Rule
from .record import Spikes, State
from .simulator import Simulator
from .values import BRIAN2_UNITS


def _brian2() -> Any:
    try:
        import brian2
    except ImportError as error:
        raise PluginError("Comparing with Brian2 needs it: pip install 'localspike[brian2]'.") from error
    brian2.prefs.codegen.target = "numpy"
    return brian2


def _namespace(b2: Any, form: dict[str, Any], weight: Any) -> dict[str, Any]:
    units = {"1": 1.0, "weight": weight, "volt / second": b2.volt / b2.second, "siemens / volt": b2.siemens / b2.volt}
    units |= {name: getattr(b2, name) for name in ("second", "hertz", "volt", "amp", "ohm", "siemens", "farad")}
    return {name: value * units[unit] for name, (value, unit) in form["namespace"].items()}


def _cells(b2: Any, form: dict[str, Any], n: int, clock: Any) -> Any:
    return b2.NeuronGroup(
        n,
        form["model"],
        threshold=form["threshold"],
        reset=form["reset"],
        refractory=form["refractory"],
        method=form["method"],
        namespace=_namespace(b2, form, getattr(b2, form["weight_unit"])),
        clock=clock,
    )


def driven_by_spikes(
    model: Model, ids: np.ndarray, times: np.ndarray, weight: float, port: str, n: int, duration: float, dt: float
) -> tuple[np.ndarray, np.ndarray]:
    """Spikes (ids, times in s) of n cells in Brian2, each driven by the given spikes of its own input.

    Parameters
    ----------
    model : Model
        Must state its Brian2 form.
    ids, times : (n_spikes,) int and float, s
        Rounded to Brian2's grid by Brian2.
    weight : float
        In the model's unit of weights.
    dt : float, s
    """
    b2 = _brian2()
    b2.start_scope()
    form = model.brian2()
    weight_unit = getattr(b2, form["weight_unit"])
    clock = b2.Clock(dt=dt * b2.second)
    cells = _cells(b2, form, n, clock)
    cells.v = model.params()["v_rest"] * b2.volt
    source = b2.SpikeGeneratorGroup(n, ids, times * b2.second, clock=clock)
    synapses = b2.Synapses(
        source, cells, on_pre=form["on_pre"][port], namespace={"w": weight * weight_unit}, clock=clock
    )
    synapses.connect(j="i")
    monitor = b2.SpikeMonitor(cells)
    b2.Network(cells, source, synapses, monitor).run(duration * b2.second)
    order = np.lexsort((monitor.i, monitor.t / b2.second))
    return np.asarray(monitor.i)[order].astype(np.int64), np.asarray(monitor.t / b2.second)[order]


@dataclass
class Run:
    """What a population did, here or in Brian2.

    Parameters
    ----------
    ids, ticks : (n_spikes,) int64
        Spikes, sorted by tick, then id.
    states : dict of str to (n_ticks, n) float64
        Every declared state at the beginning of each tick.
    """

    ids: np.ndarray
    ticks: np.ndarray
    states: dict[str, np.ndarray]


Inputs = dict[str, tuple[np.ndarray, np.ndarray, float]]


def random_inputs(weights: dict[str, float], n: int, n_ticks: int, each: int, seed: int) -> Inputs:
    """For each port its weight, with `each` arrivals at every cell, in ticks drawn without repetition."""
    rng = np.random.default_rng(seed)

    def ticks() -> np.ndarray:
        return np.concatenate([np.sort(rng.choice(np.arange(1, n_ticks), each, replace=False)) for _ in range(n)])

    return {port: (np.repeat(np.arange(n), each), ticks(), weight) for port, weight in weights.items()}


def run_on_grid(model: Model, inputs: Inputs, n: int, n_ticks: int, dt: float, seed: int = 1) -> Run:
    """One population of n cells on the grid engine, each driven by spikes of its own on one or more ports.

    Parameters
    ----------
    model : Model
    inputs : dict of port to (ids, ticks, weight)
        Cell `ids[k]` gets an arrival in the tick `ticks[k]`, at most one in each tick and port.
    n, n_ticks : int
    dt : float, s
    seed : int
        Of the network, for models that fire by chance.
    """
    net = Network(seed)
    cells = net.population("cells", model, n)
    for port, (ids, ticks, weight) in inputs.items():
        order = np.lexsort((ids, ticks))
        given = GivenSpikes()
        given._ids, given._times = ids[order].astype(np.int32), ticks[order] * dt
        source = net.population(f"to {port}", given, n)
        net.connect(source, cells, from_arrays(range(n), range(n)), weight=weight, delay=0.0, port=port)
    names = list(model.states("cell"))
    recorded = [Spikes(cells), *(State(cells, name, every=dt) for name in names)]
    result = Simulator(net, engine="grid", dt=dt, record=recorded).run(n_ticks * dt, progress=False)
    spikes = result.spikes["cells"]
    ticks = np.rint(spikes.times / dt).astype(np.int64)
    order = np.lexsort((spikes.ids, ticks))
    traces = {name: result.states["cells", name].values[:n_ticks] for name in names}
    return Run(spikes.ids[order].astype(np.int64), ticks[order], traces)


def run_in_brian2(model: Model, inputs: Inputs, n: int, n_ticks: int, dt: float, seed: int | None = None) -> Run:
    """The same run in Brian2, by the integration method that the model's Brian2 form names.

    Within a tick Brian2 moves the cells, tests thresholds, delivers arrivals and resets; its monitors of states see
    the beginning of the tick, which is also what the grid engine records.
    """
    b2 = _brian2()
    b2.start_scope()
    if seed is not None:
        b2.seed(seed)
    form = model.brian2()
    weight_unit = getattr(b2, form["weight_unit"])
    clock = b2.Clock(dt=dt * b2.second)
    cells = _cells(b2, form, n, clock)
    declared = model.states("cell")
    for name, st in declared.items():
        unit = {"namespace": {name: (model.at_rest().get(name, st.init), BRIAN2_UNITS[st.unit])}}
        setattr(cells, name, _namespace(b2, unit, weight_unit)[name])
    parts: list[Any] = [cells]
    for port, (ids, ticks, weight) in inputs.items():
        source = b2.SpikeGeneratorGroup(n, ids, ticks * dt * b2.second, clock=clock)
        synapses = b2.Synapses(
            source, cells, on_pre=form["on_pre"][port], namespace={"w": weight * weight_unit}, clock=clock
        )
        synapses.connect(j="i")
        parts += [source, synapses]
    spikes = b2.SpikeMonitor(cells)
    traces = b2.StateMonitor(cells, list(declared), record=True, clock=clock)
    # The names that formulas use are all in the groups: nothing is taken from this function's variables.
    b2.Network(*parts, spikes, traces).run(n_ticks * dt * b2.second, namespace={})
    ids, ticks = np.asarray(spikes.i, np.int64), np.rint(np.asarray(spikes.t / b2.second) / dt).astype(np.int64)
    order = np.lexsort((ids, ticks))
    return Run(ids[order], ticks[order], {name: np.asarray(getattr(traces, name)).T for name in declared})


def plastic_weights(
    rule: Rule,
    pre: tuple[np.ndarray, np.ndarray],
    post: tuple[np.ndarray, np.ndarray],
    n: int,
    weight: float,
    dt: float,
) -> np.ndarray:
    """Final weights in Brian2 of n synapses i -> i whose neurons fire at given (ids, times) on Brian2's grid.

    Pre before post where both fire at once.
    """
    b2 = _brian2()
    b2.start_scope()
    form = rule.brian2()
    clock = b2.Clock(dt=dt * b2.second)
    source = b2.SpikeGeneratorGroup(n, pre[0], pre[1] * b2.second, clock=clock)
    target = b2.SpikeGeneratorGroup(n, post[0], post[1] * b2.second, clock=clock)
    synapses = b2.Synapses(
        source,
        target,
        form["model"].format(weight_unit="1"),
        on_pre=form["on_pre"],
        on_post=form["on_post"],
        namespace=_namespace(b2, form, 1.0),
        clock=clock,
    )
    synapses.connect(j="i")
    synapses.w = weight
    synapses.pre.order, synapses.post.order = 0, 1
    end = max(pre[1].max(), post[1].max()) + 2 * dt
    b2.Network(source, target, synapses).run(end * b2.second)
    return np.asarray(synapses.w)
