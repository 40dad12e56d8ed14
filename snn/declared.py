"""What a simulator was made of, to tell where declarations have changed since and the run would not follow."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from .errors import NetworkError
from .network import Network, Population
from .plugin import Source

# What synapses are drawn from.
_DRAWN = ("name", "source", "target", "connector", "weight", "delay", "port", "dtype", "rule", "teaches")

Declared = dict[tuple[str, str], dict[str, Any]]


def declarations(network: Network) -> Declared:
    """Every declaration by kind and name, with what it is made of as it is now, for :func:`follow`.

    Arrays of parameters and start values are copies, as they may also be changed in place; those that synapses are
    drawn from cannot be.
    """
    return {what: {key: _kept(value) for key, value in parts.items()} for what, parts in _declared(network).items()}


def _declared(network: Network) -> Declared:
    found: Declared = {("network", ""): {"seed": network.seed}}
    for name, p in network.populations.items():
        own = {"name": p.name, "size": p.size, "model": p.model} | p.model.params()
        found["population", name] = own | {f"init[{key!r}]": value for key, value in p.init.items()}
    for name, q in network.projections.items():
        rule = {} if q.rule is None else {f"rule.{key}": value for key, value in q.rule.params().items()}
        found["projection", name] = {key: getattr(q, key) for key in _DRAWN} | rule
    for k, injection in enumerate(network.currents):
        found["current", f"{k} into {injection.population.name}"] = injection.current.params()
    # The pathway of a credit link may change: it is asked anew for every signal.
    return found | {("credit", link.name): {} for link in network.credits}


def _kept(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) and value.flags.writeable else value


def _is_same(now: Any, was: Any) -> bool:
    number = (bool, int, float, str, np.ndarray)
    return now is was or (isinstance(now, number) and isinstance(was, number) and np.array_equal(now, was))


def follow(network: Network, before: Declared, drawn: Collection[str]) -> list[str]:
    """Take note of changes that act, of parameters of sources.

    Parameters
    ----------
    network : Network
    before : dict
        Its declarations when the simulator was made, or when they were last looked at.
    drawn : names of populations
        Sources whose spikes are drawn as numbers of arrivals; these cannot follow.

    Returns
    -------
    list of str
        Names of the populations whose sources have changed.

    Raises
    ------
    NetworkError
        For every other change.
    """
    now = _declared(network)
    if now.keys() != before.keys():
        names = sorted(f"{kind} {name!r}" for kind, name in now.keys() ^ before.keys())
        raise NetworkError(
            f"The network has changed since the simulator was made: {', '.join(names)}. Make a new Simulator, which "
            "starts anew."
        )
    changed = []
    for (kind, name), parts in now.items():
        known = before[kind, name]
        for key in [*known, *(key for key in parts if key not in known)]:
            value, was = parts.get(key), known.get(key)
            if _is_same(value, was):
                continue
            population = network.populations.get(name) if kind == "population" else None
            if population is None or name in drawn or not _is_asked(population, key):
                where = f"{kind} {name!r}" if name else "the network"
                raise NetworkError(
                    f"{_what(population, key)} of {where} has changed from {was!r} to {value!r} since the simulator "
                    f"was made, which it would not follow. Make a new Simulator"
                    f"{_instead(kind, population, key, name in drawn)}."
                )
            _check_shape(population, key, value, was)
            known[key] = _kept(value)
            changed.append(name)
    return changed


def _is_asked(population: Population, key: str) -> bool:
    """Whether a change acts, as sources are asked anew for every spike."""
    return isinstance(population.model, Source) and key in population.model.params_declared


def _what(population: Population | None, key: str) -> str:
    is_parameter = population is not None and key in population.model.params_declared
    return f"{type(population.model).__name__}.{key}" if population is not None and is_parameter else key


def _check_shape(population: Population, key: str, value: Any, was: Any) -> None:
    """Refuse an array in the place of a number, or of another shape: kernels were made for what was there."""
    now, then = np.shape(value), np.shape(was)
    if population.model.params_declared[key].series:
        # Any number of steps, of one rate or of one for each neuron.
        now, then = (len(now), *now[1:]), (len(then), *then[1:])
    if now != then:
        raise NetworkError(
            f"{_what(population, key)} of population {population.name!r} had the shape {np.shape(was)} when the "
            f"simulator was made, and has {np.shape(value)} now. Give the same shape, or make a new Simulator."
        )


def _instead(kind: str, population: Population | None, key: str, is_drawn: bool) -> str:
    """What else can be done, as the end of a sentence."""
    if population is not None and is_drawn:
        return f", or use record=[Spikes({population.name})], which makes each spike"
    if population is not None and key in population.model.params_declared:
        return ", or use net.inject(...) with a current that changes with time"
    if kind == "projection" and key == "weight":
        return ", or use sim.set_weights(...)"
    if key.startswith("rule."):
        return f", or use sim.set_rule(..., {key.removeprefix('rule.')}=...)"
    return ""


__all__ = ["declarations", "follow"]
