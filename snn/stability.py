"""Whether a model's own integrator bears a time step, and what to say where the engine has not."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from .engine import stepped
from .errors import ParameterError, SimulationError
from .layout import NoRule
from .network import Population
from .plugin import Model, Rule, Source
from .random import Distribution

if TYPE_CHECKING:
    from .build import Built

# Growth in a step that is neither rounding nor the error of differences.
_GROWTH = 1e-3
# A small deviation of a state that is 0, by its unit.
_TINY = {"V": 1e-9, "A": 1e-16, "S": 1e-14}


class _Cell:
    """A record of state whose numbers are attributes."""

    def __init__(self, names: list[str], values: np.ndarray) -> None:
        self.__dict__.update(zip(names, values.tolist(), strict=True))


def growth(model: Any, start: dict[str, float], dt: float, n: int = 1) -> float:
    """Factor by which the most unstable small deviation from a state grows while time moves by dt in n steps.

    The spectral radius of the Jacobian of the model's `step`, by central differences; inf where the numbers overflow.
    """
    names = list(start)
    y = np.array(list(start.values()))
    h = np.array([_TINY.get(model.states_declared[s].unit, 1e-8) for s in names])
    h = np.maximum(h, 1e-6 * np.abs(y))

    def moved(values: np.ndarray) -> np.ndarray:
        cell = _Cell(names, values)
        for _ in range(n):
            model.step(cell, dt / n)
        return np.array([getattr(cell, name) for name in names])

    try:
        with np.errstate(over="ignore", invalid="ignore"):
            columns = [(moved(y + d) - moved(y - d)) / 2.0 for d in np.diag(h)]
    except (OverflowError, ZeroDivisionError):
        return math.inf
    # In units of h, which makes states of all sizes comparable and leaves eigenvalues alone.
    jacobian = np.array(columns).T / h[:, None]
    return float(np.abs(np.linalg.eigvals(jacobian)).max()) if np.isfinite(jacobian).all() else math.inf


def _truth(model: Any, start: dict[str, float], dt: float) -> float:
    """The same for the model's equations: the limit of shorter and shorter steps."""
    last, n = math.nan, 8
    while n <= 1024:
        found = growth(model, start, dt, n)
        if abs(found - last) <= 0.1 * found < math.inf:
            break
        last, n = found, 2 * n
    return found


def check_step(population: Population, dt: float) -> None:
    """Refuse a step at which a model's own integrator is unstable; warn of one that is longer than a time constant.

    Raises
    ------
    ParameterError
        Where a small deviation from the start state grows in a step of dt, but not in the same time in short steps.
    """
    model = population.model
    if not isinstance(model, Model):
        return
    what = f"{type(model).__name__} of population {population.name!r}"
    for name, value in model.params().items():
        if name.startswith("tau") and model.params_declared[name].unit == "s" and np.min(value) < dt * (1 - 1e-9):
            warnings.warn(
                f"{name} of {what} is {np.min(value):g} s, shorter than the time step of {dt:g} s: what decays within "
                f"a step is seen at its end only. Choose dt <= {np.min(value):g} s.",
                stacklevel=5,
            )
    if not hasattr(model, "step"):
        return
    arrays = model.per_neuron().values()
    for j in sorted({0} | {int(f(a)) for a in arrays for f in (np.argmin, np.argmax)}):
        own = model.of_neuron(j)
        start = {name: st.init for name, st in own.states("cell").items()}
        for name, value in population.init.items():
            if not isinstance(value, Distribution):
                start[name] = float(np.broadcast_to(value, (len(population),))[j])
        if growth(own, start, dt) <= 1 + _GROWTH or _truth(own, start, dt) > 1 + _GROWTH:
            continue
        shorter = dt
        while growth(own, start, shorter) > 1 + _GROWTH:
            shorter /= 2
        raise ParameterError(
            f"A time step of {dt:g} s is unstable for {what}: a small deviation from its start state grows in each "
            f"step, though it decays in truth. Choose dt <= {shorter:g} s."
        )


def check_sources(built: Built) -> None:
    """Refuse to go on where sources on the grid wait with spikes for which a time step had no room.

    Raises
    ------
    SimulationError
    """
    for part in built.parts:
        for name, block in zip(built.network.populations, part.blocks, strict=False):
            if block.kind is not stepped.GRID_SOURCE:
                continue
            late = block.next_t[block.lo : block.hi]
            assert built.grid is not None
            if late.size and late.min() < part.engine.now - 2 * stepped.SLACK * built.grid.dt:
                raise SimulationError(
                    f"Neuron {block.lo + int(late.argmin())} of population {name!r} has a spike due at "
                    f"{late.min():g} s, for which a time step had no room: more than {part.engine.room} spikes, of "
                    f"{part.engine.counts.size} neurons, are too many for {built.grid.dt:g} s. Choose a shorter dt, or "
                    "a lower rate."
                )


def _place(built: Built) -> tuple[int, float, str]:
    """Neuron of which an engine has said that something is wrong, the time (s), and its population's name."""
    engines = [part.engine for part in built.parts]
    gid, t = min(((e.bad, e.now) for e in engines if e.bad >= 0), key=lambda found: found[::-1])
    name = next(n for n, o in reversed(built.offset.items()) if o <= gid)
    return gid - built.offset[name], t, name


def check_bounds(name: str, rule: Rule, weights: np.ndarray) -> None:
    """Warn of weights beyond a rule's bounds, to which their first change would make them jump.

    Raises
    ------
    ParameterError
        If all are.
    """
    if rule.bounds is None or weights.size == 0:
        return
    low, high = (float(getattr(rule, bound)) for bound in rule.bounds)
    # As single precision may round them.
    slack = 1e-6 * max(abs(low), abs(high))
    least, most = float(weights.min()), float(weights.max())
    if low - slack <= least and most <= high + slack:
        return
    beyond = int(np.count_nonzero((weights < low - slack) | (weights > high + slack)))
    text = (
        f"{beyond} of {weights.size} weights of projection {name!r}, which go from {least:g} to {most:g}, are not "
        f"between {' and '.join(rule.bounds)} of {type(rule).__name__}, {low:g} and {high:g}: their first change makes "
        f"them jump there. Give other weights, or {type(rule).__name__}({rule.bounds[0]}=..., {rule.bounds[1]}=...)."
    )
    if beyond == weights.size:
        raise ParameterError(text)
    warnings.warn(text, stacklevel=3)


def check_weights(built: Built) -> None:
    """Refuse to go on with weights that are no finite numbers; they would silence neurons without a word.

    Raises
    ------
    SimulationError
    """
    for name, p in built.projections.items():
        if isinstance(p.rule, NoRule) or np.isfinite(p.weight).all():
            continue
        w = p.weights()
        k = int(np.flatnonzero(~np.isfinite(w))[0])
        source, target = (int(ids[k]) for ids in p.sources_targets())
        raise SimulationError(
            f"{int((~np.isfinite(w)).sum())} of {w.size} weights of projection {name!r} are not finite numbers, the "
            f"first from neuron {source} to {target}: {w[k]:g}. Look for divisions by zero and runaway growth in "
            f"{type(p.rule).__name__}, or lower its learning rate."
        )


def stuck(built: Built, shown: str = "") -> SimulationError:
    """What to say of a neuron or source that fires without end; `shown` is what is presented."""
    j, t, name = _place(built)
    for part in built.parts:
        # The next presentation begins anew.
        part.engine.bad = -1
    model = built.network.populations[name].model
    what = f"Neuron {j} of population {name!r} ({type(model).__name__}) fires without end at t = {t:g} s{shown}: "
    if isinstance(model, Source):
        return SimulationError(f"{what}its next_spike({t:g}, u) is not after {t:g}; return a time, not an interval.")
    start = {key: getattr(model, key) for key in ("v_reset", "v_thresh") if hasattr(model, key)}
    at = ", ".join(f"{key} = {np.atleast_1d(value)[min(j, np.size(value) - 1)]:g} V" for key, value in start.items())
    return SimulationError(
        f"{what}it is at its threshold again as soon as it has fired{f' ({at})' if at else ''}. Let it be reset to "
        "below its threshold, lower the weights, or give it a refractory time."
    )


def not_finite(built: Built, shown: str = "") -> SimulationError:
    """What to say of a potential that is no finite number; `shown` is what is presented."""
    built.settle()
    try:
        check_weights(built)
    except SimulationError as error:
        return error
    j, t, name = _place(built)
    model = built.network.populations[name].model
    variable = getattr(model, "potential", "v")
    return SimulationError(
        f"State {variable!r} of neuron {j} of population {name!r} ({type(model).__name__}) is "
        f"not a finite number from t = {t:g} s{shown} on. The time step ({built.grid.dt if built.grid else 0:g} s) may "
        "be too long for the model: try a shorter dt."
    )
