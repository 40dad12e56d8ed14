"""Checks of what a simulator is called with: each returns the value as it is needed, or says what to give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import NetworkError, ParameterError
from .events import Events
from .network import Network, Population
from .plugin import GivenSpikes, Rule, Source, check_unit
from .values import in_si, is_real

if TYPE_CHECKING:
    from .schedule import Schedule


def duration_of(where: str, value: Any, plausible: float | None = None, positive: bool = False) -> float:
    """A finite time of at least 0 s; with `positive`, above 0 s."""
    value = in_si(where, value, "s")
    if not is_real(value):
        raise ParameterError(f"{where} is {value!r}; give one number, a time in seconds such as 100 * ms.")
    seconds = float(value)
    if not math.isfinite(seconds) or seconds < 0 or (positive and seconds == 0):
        least = "above 0, such as 0.1 * ms" if positive else "0 or more"
        raise ParameterError(f"{where} is {seconds}; give a finite time in seconds, {least}.")
    check_unit(where, seconds, "s", plausible)
    return seconds


def population_of(where: str, network: Network, given: Any) -> Population:
    """A population of the network, also by its name."""
    name = getattr(given, "name", given)
    known = network.populations.get(name) if isinstance(name, str) else None
    if known is None or (known is not given and not isinstance(given, str)):
        raise NetworkError(
            f"{where} is {given!r}, which is no population of this network. "
            f"There are: {', '.join(network.populations)}."
        )
    return known


def _numbers(where: str, given: Any, dtype: Any) -> np.ndarray:
    try:
        return np.ascontiguousarray(in_si(where, given), dtype=dtype)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{where} are no array of numbers ({error}); give equal rows of numbers.") from error


def _whole(where: str, given: Any) -> np.ndarray:
    found = np.asarray(given)
    if found.size and found.dtype.kind not in "iu":
        example = found.ravel()[0]
        raise ParameterError(f"{where} holds {example!r} ({found.dtype}); give whole numbers.")
    return np.ascontiguousarray(found, dtype=np.int64)


def samples_of(given: Any, into: Population) -> np.ndarray:
    """Samples as (n, size of `into`) float32, from 0 to 1; (n, 0) where they are spikes."""
    if isinstance(given, Events) != plays_samples(into):
        what = "snn.events.Events" if plays_samples(into) else "an array, or a population with the model Playback"
        raise ParameterError(
            f"present: samples are {type(given).__name__}, but population {into.name!r} has model {into.model!r}; "
            f"give {what}."
        )
    if isinstance(given, Events):
        if given.size != len(into):
            raise ParameterError(
                f"present: samples are spikes of {given.size} neurons; population {into.name!r} has {len(into)}."
            )
        return np.zeros((len(given), 0), np.float32)
    x = _numbers("present: samples", given, np.float32)
    if x.ndim != 2 or x.shape[1] != len(into):
        raise ParameterError(f"present: samples has shape {x.shape}; population {into.name!r} needs (n, {len(into)}).")
    if not np.isfinite(x).all():
        k, i = np.argwhere(~np.isfinite(x))[0]
        raise ParameterError(f"present: samples[{k}, {i}] is {x[k, i]}; give finite values, 0 to 1.")
    if x.size and (x.min() < 0 or x.max() > 1):
        k, i = np.argwhere((x < 0) | (x > 1))[0]
        hint = "" if x.min() < 0 else f" Did you mean samples / {x.max():g}?"
        raise ParameterError(f"present: samples[{k}, {i}] is {x[k, i]:g}; encoders take values from 0 to 1.{hint}")
    return x


def labels_of(given: Any, n: int, readout: Population) -> np.ndarray:
    """One label for each of `n` samples, (n,) int64; (0,) where there are none."""
    if given is None:
        return np.empty(0, np.int64)
    y = _whole("present: labels", given)
    if y.shape != (n,):
        raise ParameterError(f"present: labels has shape {y.shape}, expected ({n},), one per sample.")
    if y.size and (y.min() < 0 or y.max() >= len(readout)):
        k = int(np.flatnonzero((y < 0) | (y >= len(readout)))[0])
        raise ParameterError(
            f"present: labels[{k}] is {y[k]}; readout {readout.name!r} has {len(readout)} neurons, so give 0 to "
            f"{len(readout) - 1}."
        )
    return y


def targets_of(given: Any, n: int, readout: Population, plan: Schedule) -> np.ndarray:
    """What the outputs of `n` samples should be at each error, (n, steps * n_readout); (0, .) where nothing is said.

    Parameters
    ----------
    given : array_like or Events or None
        A spike at k every, also by rounding a little before, is in what follows that error, as the readout's are.
    plan : Schedule
    """
    size = len(readout)
    if given is None:
        return np.zeros((0, plan.steps * size))
    if isinstance(given, Events):
        if plan.steps < 2 or not getattr(readout.model, "threshold", False):
            raise ParameterError(
                "present: targets are spike times; give every, the bins of their trace, and a readout that fires."
            )
        if (len(given), given.size) != (n, size):
            raise ParameterError(
                f"present: targets are {len(given)} samples of {given.size} neurons; give {n} of {size}, as many as "
                f"readout {readout.name!r} has."
            )
        at = np.repeat(np.arange(n), np.diff(given.ptr))
        bins = np.floor(given.times / plan.every + 1e-9).astype(np.int64)
        counts = np.zeros((n, plan.steps, size))
        inside = bins < plan.steps
        np.add.at(counts, (at[inside], bins[inside], given.ids[inside]), 1.0)
        fade = math.exp(-plan.every / plan.tau)
        for k in range(1, plan.steps):
            counts[:, k] += fade * counts[:, k - 1]
        return counts.reshape(n, -1)
    aims = _numbers("present: targets", given, np.float64)
    shape = (n, plan.steps, size) if plan.steps > 1 else (n, size)
    if aims.shape != shape and not (size == 1 and aims.shape == shape[:-1]):
        raise ParameterError(
            f"present: targets has shape {aims.shape}; expected {shape}, one value for each sample, "
            f"{'error ' if plan.steps > 1 else ''}and neuron of readout {readout.name!r}."
        )
    if np.isinf(aims).any():
        raise ParameterError("present: targets holds infinite values; give finite ones, or nan where none is wanted.")
    return np.ascontiguousarray(aims.reshape(n, -1))


def order_of(given: Any, n: int) -> np.ndarray:
    """Which of `n` samples are shown, (m,) int64."""
    if given is None:
        return np.arange(n)
    order = _whole("present: order", given)
    if order.ndim != 1:
        raise ParameterError(f"present: order has shape {order.shape}; give a list of sample numbers.")
    if order.size and (order.min() < 0 or order.max() >= n):
        k = int(np.flatnonzero((order < 0) | (order >= n))[0])
        raise ParameterError(f"present: order[{k}] is {order[k]}; there are {n} samples, 0 to {n - 1}.")
    return order


def weights_of(projection: str, given: Any, n: int, dtype: Any) -> np.ndarray:
    """Weights (n,) float64 that are finite also in the precision that the projection keeps."""
    where = f"weights of projection {projection!r}"
    w = _numbers(where, given, np.float64)
    if w.shape != (n,):
        raise ParameterError(f"{where}: got shape {w.shape}, expected ({n},), in the order of weights().")
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(w.astype(dtype))
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        raise ParameterError(f"{where}: number {k} is {w[k]}; give finite numbers that {np.dtype(dtype)} can hold.")
    return w


def rule_values(rule: Rule, projection: str, given: dict[str, Any]) -> dict[str, Any]:
    """New parameters of a rule in a running network, all of them checked before any is used."""
    where = f"set_rule: {type(rule).__name__} of projection {projection!r}"
    fixed = {st.decay: name for name, st in rule.states_declared.items() if st.decay is not None}
    checked = {}
    for name, value in given.items():
        if name not in rule.params_declared:
            has = f"it has: {', '.join(rule.params_declared)}." if rule.params_declared else "it has none."
            raise ParameterError(f"{where} has no parameter {name!r}; {has}")
        if name in fixed:
            raise ParameterError(
                f"{where}: {name} is the time constant of {fixed[name]!r}, which is fixed when the simulator is made. "
                f"Give it to the rule before Simulator(...)."
            )
        if value is None or np.ndim(value):
            raise ParameterError(f"{where}: {name} is {value!r}; give one number.")
        checked[name] = rule.params_declared[name].check(f"{where}: {name}", value)
    return checked


def plays_samples(population: Population) -> bool:
    """Whether a population plays samples that are spikes."""
    return isinstance(population.model, GivenSpikes) and population.model.plays_samples


def encoder_of(population: Population) -> None:
    """Refuse a population that cannot encode samples."""
    if not isinstance(population.model, Source) or "x" not in population.model.states("cell"):
        raise NetworkError(
            f"present: population {population.name!r} has model {population.model!r}; give one with an encoder, "
            "such as Latency or Rate."
        )
