"""Which projections of the grid are delivered through a ring, and what the ring needs (see :mod:`snn.engine.ring`)."""

from __future__ import annotations

import numpy as np

from .engine import ring, rows
from .engine.struct import Struct
from .grid import Grid, sums_up
from .layout import BuiltProjection, NoRule, kept, narrow
from .network import Network, Projection
from .plugin import Model, Rule
from .synapses import Synapses

_SHORT = 256
"""Rows of fewer synapses for each source and delay are not worth their queueing (measured: 290 ns for each row), nor
the sorting and the order that is kept."""
_ROW_BYTES = 16
"""What a row takes beside its synapses; a ring must not take more than rows of one synapse each."""
_CHUNK = 2**20


def expected_synapses(network: Network) -> dict[tuple[str, str], float]:
    """How many synapses that could share a ring lead to each port (population, port) of a network."""
    found: dict[tuple[str, str], float] = {}
    for p in network.projections.values():
        if p.rule is None and not isinstance(p.delay, float):
            n = p.connector.count(len(p.source), len(p.target), p.source is p.target)
            found[p.target.name, p.port] = found.get((p.target.name, p.port), 0.0) + n
    return found


def ring_rows(
    projection: Projection, synapses: Synapses, rule: Rule, grid: Grid | None, expected: dict[tuple[str, str], float]
) -> BuiltProjection | None:
    """One row for each source, with the delay of each synapse in ticks; None where rows of one delay are better."""
    n_pre, n_post = len(projection.source), len(projection.target)
    delays = synapses.delay
    model = projection.target.model
    if grid is None or not isinstance(rule, NoRule) or isinstance(delays, float) or not isinstance(model, Model):
        return None
    if projection.teaches is not None:
        return None
    where = f"The delay of projection {projection.name!r}"
    most = int(grid.ticks(where, delays.max(initial=0.0)))
    if most > 65535:
        return None
    ticks = np.empty(delays.size, np.uint8 if most < 256 else np.uint16)
    for k in range(0, ticks.size, _CHUNK):
        ticks[k : k + _CHUNK] = grid.ticks(where, delays[k : k + _CHUNK])
    # Every source is taken to reach every delay: at least so many synapses has a row on average.
    different = int(np.count_nonzero(np.bincount(ticks, minlength=1)))
    short = different > 1 and ticks.size < _SHORT * n_pre * different
    if not short or 8 * (most + 1) * n_post > _ROW_BYTES * expected[projection.target.name, projection.port]:
        return None
    if not sums_up(model, model.ports.index(projection.port)):
        return None
    ptr = np.arange(n_pre + 1, dtype=np.int64) * n_post if synapses.dense else synapses.ptr
    target = np.tile(np.arange(n_post, dtype=np.int32), n_pre) if synapses.dense else synapses.target
    assert ptr is not None
    weight, w_kind = kept(synapses.weight, ptr, np.dtype(projection.dtype))
    return BuiltProjection(
        projection, rule, -1, np.arange(n_pre), ptr, narrow(target, n_post), weight, w_kind, None, False, ticks
    )


def make_rings(built: list[BuiltProjection], blocks: dict[str, Struct]) -> dict[tuple[str, int], Struct]:
    """The rings of all ports that need one, by name of the population and number of the port."""
    longest: dict[tuple[str, int], int] = {}
    exact: dict[tuple[str, int], np.dtype] = {}
    for p in built:
        if p.ticks is not None:
            longest[p.end] = max(longest.get(p.end, 0), int(p.ticks.max()))
            # Sums are no more exact than what they add up.
            exact[p.end] = np.promote_types(exact.get(p.end, p.weight.dtype), p.weight.dtype)
    return {
        (name, port): Struct(
            kind=ring.RING,
            g0=blocks[name].g1,
            g1=blocks[name].g1,
            target=blocks[name],
            port=port,
            size=blocks[name].g1 - blocks[name].g0,
            n_slots=most + 1,
            sums=np.zeros((most + 1) * (blocks[name].g1 - blocks[name].g0), exact[name, port]),
        )
        for (name, port), most in longest.items()
    }


def ring_group(built: BuiltProjection, ring_: Struct, r0: int) -> Struct:
    """The struct of a projection's synapses; it has no rows in the engine's queue."""
    return Struct(
        kind=ring.RING,
        r0=r0,
        r1=r0,
        part=0,
        n_parts=1,
        ptr=built.ptr,
        tgt=built.target,
        ticks=built.ticks,
        w=built.weight,
        w_kind=built.w_kind,
        syn=(built.weight,),
        size=ring_.size,
        n_slots=ring_.n_slots,
        sums=ring_.sums,
        count=np.zeros(rows.N_COUNTERS, np.int64),
    )
