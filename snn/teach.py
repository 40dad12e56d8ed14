"""Who forms the learning signal of each projection while samples are presented."""

from __future__ import annotations

import math

import numpy as np

from .build import Built
from .engine import present, rows
from .engine.struct import Links, Struct
from .errors import NetworkError
from .layout import BuiltProjection
from .network import CreditLink, Population
from .random import Streams


def _forward(built: Built, link: CreditLink, readout: Population) -> np.ndarray:
    """Weights from a hidden population to the readout, row by row; one nan where the pathway may not read them."""
    if link.pathway.is_local:
        return np.full(1, math.nan)
    for other in built.projections.values():
        if other.projection.source is link.to and other.projection.target is readout:
            if not other.dense or other.w_kind != rows.BY_SYNAPSE:
                raise NetworkError(
                    f"credit from {readout.name!r} to {link.to.name!r} reads the weights of projection "
                    f"{other.projection.name!r}; connect it with all_to_all() and one weight per synapse."
                )
            return other.weight
    raise NetworkError(
        f"credit pathway {link.pathway!r} carries {link.pathway.carries}, but no projection leads from "
        f"{link.to.name!r} to {readout.name!r}. Connect them, or use DFA."
    )


def _teacher(built: Built, own: BuiltProjection, readout: Population, error: np.ndarray) -> tuple[Struct, object]:
    target = own.projection.target
    signal = built.groups[own.group].signal
    if target is readout:
        return Struct(error=error, signal=signal), present.from_error
    link = next((x for x in built.network.credits if x.error is readout and x.to is target), None)
    if link is None:
        raise NetworkError(
            f"Rule {own.rule!r} of projection {own.projection.name!r} needs a signal, but no credit pathway leads "
            f"from {readout.name!r} to {target.name!r}. Add net.credit(pathway, error={readout.name}, "
            f"to={target.name})."
        )
    rng = Streams(built.network.seed).generator("credit", target.name, readout.name)
    struct = Struct(
        pathway=link.pathway,
        error=error,
        signal=signal,
        fixed=rng.normal(size=len(target) * len(readout)),
        forward=_forward(built, link, readout),
    )
    return struct, present.from_credit


def teachers_of(built: Built, readout: Population, error: np.ndarray) -> Links:
    """A teacher for each projection whose rule waits for a signal; all read the readout's `error`."""
    found = [
        _teacher(built, own, readout, error) for own in built.projections.values() if own.rule.needs_signal
    ]
    return Links([function for _, function in found], [struct for struct, _ in found], built.engine)
