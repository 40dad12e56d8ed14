"""The same declarations in Brian2: each model and rule states its Brian2 form, and these functions run it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import PluginError
from .plugin import BRIAN2_UNITS, Model, Rule


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
    cells = b2.NeuronGroup(
        n,
        form["model"],
        threshold=form["threshold"],
        reset=form["reset"],
        refractory=form["refractory"],
        method=form["method"],
        namespace=_namespace(b2, form, weight_unit),
        clock=clock,
    )
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
    """What a population did in Brian2.

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


def on_the_grid(
    model: Model,
    inputs: dict[str, tuple[np.ndarray, np.ndarray, float]],
    n: int,
    n_ticks: int,
    dt: float,
    seed: int | None = None,
) -> Run:
    """One population of n cells in Brian2, each driven by spikes of its own on one or more ports.

    Parameters
    ----------
    model : Model
        Must state its Brian2 form, with the integration method.
    inputs : dict of port to (ids, ticks, weight)
        Cell `ids[k]` gets an arrival in the tick `ticks[k]`, at most one in each tick and port.
    n, n_ticks : int
    dt : float, s
    seed : int, optional
        Of Brian2's random numbers, for models that fire by chance.
    """
    b2 = _brian2()
    b2.start_scope()
    if seed is not None:
        b2.seed(seed)
    form = model.brian2()
    weight_unit = getattr(b2, form["weight_unit"])
    clock = b2.Clock(dt=dt * b2.second)
    cells = b2.NeuronGroup(
        n,
        form["model"],
        threshold=form["threshold"],
        reset=form["reset"],
        refractory=form["refractory"],
        method=form["method"],
        namespace=_namespace(b2, form, weight_unit),
        clock=clock,
    )
    declared = model.states("cell")
    for name, st in declared.items():
        unit = {"namespace": {name: (st.init, BRIAN2_UNITS[st.unit])}}
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
    b2.Network(*parts, spikes, traces).run(n_ticks * dt * b2.second)
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
