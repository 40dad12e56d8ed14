"""What a simulator was made of, to tell where declarations have changed since and the run would not follow."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

import numpy as np

from .errors import NetworkError
from .network import Network
from .plugin import Source


def declarations(network: Network) -> dict[str, dict[str, Any]]:
    """Every declaration by name, with the parameters of models as they are now."""
    # Copies: an array may also be changed in place.
    found = {f"population {n!r}": copy.deepcopy(p.model.params()) for n, p in network.populations.items()}
    found |= {f"projection {name!r}": {} for name in network.projections}
    found |= {f"current {k} into {i.population.name!r}": {} for k, i in enumerate(network.currents)}
    found |= {f"credit {link.name!r}": {} for link in network.credits}
    return found


def follow(network: Network, before: dict[str, dict[str, Any]], drawn: Collection[str]) -> bool:
    """Take note of changes that act (of sources, which are asked anew for every spike); whether there were any.

    Parameters
    ----------
    network : Network
    before : dict
        Its declarations when the simulator was made, or when they were last looked at.
    drawn : names of populations
        Sources whose spikes are drawn as numbers of arrivals; these cannot follow.

    Raises
    ------
    NetworkError
        For every other change.
    """
    now, changed = declarations(network), False
    if now.keys() != before.keys():
        raise NetworkError(
            f"The network has changed since the simulator was made: {', '.join(sorted(now.keys() ^ before.keys()))}. "
            "Make a new Simulator, which starts anew."
        )
    for name, population in network.populations.items():
        was, is_source = before[f"population {name!r}"], isinstance(population.model, Source)
        for parameter, value in now[f"population {name!r}"].items():
            if np.array_equal(value, was[parameter]):
                continue
            if not is_source or name in drawn:
                instead = (
                    f"record=[Spikes({name})], which makes each spike"
                    if is_source
                    else "net.inject(...) with a current that changes with time"
                )
                raise NetworkError(
                    f"{type(population.model).__name__}.{parameter} of population {name!r} has changed from "
                    f"{was[parameter]!r} to {value!r} since the simulator was made, which it would not follow. Make a "
                    f"new Simulator, or use {instead}."
                )
            was[parameter] = value
            changed = True
    return changed
