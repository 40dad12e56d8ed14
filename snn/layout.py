"""How the synapses of a projection lie in memory: rows of one source and one delay, and the group that holds them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .engine import rows
from .engine.struct import Struct
from .engine.types import Fields
from .errors import ParameterError
from .grid import Grid
from .network import Projection
from .plugin import Rule
from .synapses import Synapses


class NoRule(Rule):
    """Stands for "no plasticity": it has no hooks, so the engine compiles none."""


@dataclass
class BuiltProjection:
    """Where a projection's synapses are: its group, and the order in which the user sees them."""

    projection: Projection
    rule: Rule
    group: int
    row_source: np.ndarray
    ptr: np.ndarray
    target: np.ndarray
    """Of every synapse in the engine's order; empty where dense."""
    weight: np.ndarray
    """One for the projection, one for each row or one for each synapse: as `w_kind` says."""
    w_kind: int
    order: np.ndarray | None
    """weights()[order] is the engine's order; None where both agree."""
    dense: bool
    ticks: np.ndarray | None = None
    """Delay of every synapse in ticks, where they are delivered through a ring; a row then is all of a source's."""

    @property
    def end(self) -> tuple[str, int]:
        """Where the synapses lead: name of the population and number of the port."""
        projection = self.projection
        return projection.target.name, projection.target.model.ports.index(projection.port)  # type: ignore[union-attr]

    @property
    def n_synapses(self) -> int:
        return int(self.ptr[-1])

    def _as_declared(self, values: np.ndarray) -> np.ndarray:
        if self.order is None:
            return values
        out = np.empty_like(values)
        out[self.order] = values
        return out

    def sources_targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Source and target of every synapse in the user's order, sorted by (source, target)."""
        if self.dense:
            n_pre, n_post = len(self.projection.source), len(self.projection.target)
            return np.repeat(np.arange(n_pre), n_post), np.tile(np.arange(n_post), n_pre)
        source = np.repeat(self.row_source, np.diff(self.ptr))
        return self._as_declared(source), self._as_declared(self.target.astype(np.int64))

    def delays(self, row_delay: np.ndarray) -> np.ndarray:
        """The delay of every synapse in the user's order, of those of the rows: in seconds, or in ticks of the grid."""
        delay = np.repeat(row_delay, np.diff(self.ptr)) if self.ticks is None else self.ticks.astype(float)
        return self._as_declared(delay)

    def by_synapse(self) -> np.ndarray:
        """The weight of every synapse in the engine's order; a view where that is how they are kept."""
        if self.w_kind == rows.BY_SYNAPSE:
            return self.weight
        if self.w_kind == rows.BY_ROW:
            return np.repeat(self.weight, np.diff(self.ptr))
        return np.full(self.n_synapses, self.weight[0])

    def weights(self) -> np.ndarray:
        """A copy of the weights in the user's order, float64 (n_synapses,)."""
        return self._as_declared(self.by_synapse().astype(float))


def group_struct(built: BuiltProjection, block: Struct, r0: int, log: int = 4096) -> Struct:
    projection, rule = built.projection, built.rule
    n_rows, n_post, n_syn = built.ptr.size - 1, len(projection.target), built.n_synapses
    dtype = np.dtype(projection.dtype)
    plastic = not isinstance(rule, NoRule)
    reads_v = "post.v" in rule.reads

    def decaying(kind: str) -> tuple[Fields, tuple[float, ...], np.ndarray]:
        fields: list[tuple[str, int]] = []
        taus: list[float] = []
        every: list[float] = []
        for name, st in rule.states(kind).items():
            tau = float(getattr(rule, st.decay)) if st.decay else math.inf
            fields.append((name, len(taus) if st.decay else -1))
            taus += [tau] if st.decay else []
            every.append(tau)
        return Fields(*fields, apart=apart), tuple(taus), np.array(every, float)

    apart = tuple(dict.fromkeys(("w", "v", *(name for kind in ("syn", "pre", "post") for name in rule.states(kind)))))
    f_pre, taus_pre, every_pre = decaying("pre")
    f_post, taus_post, every_post = decaying("post")
    # Potentials of the targets, and the stack on which a row sorts the log: at most one entry for each logged spike.
    v = np.zeros(max(n_post, log + 1) if plastic else 1)
    if reads_v:
        f_post = Fields(*f_post.fields, ("v", -1), apart=apart)
        every_post = np.append(every_post, math.inf)
    syn, pre, post = rule.states("syn"), rule.states("pre"), rule.states("post")
    size = (n_rows, n_post, n_syn) if plastic else (0, 0, 0)
    n_log = log if plastic else 1
    return Struct(
        kind=rows.DENSE if built.dense else rows.SPARSE,
        rule=rule,
        block=block,
        port=built.end[1],
        r0=r0,
        r1=r0 + n_rows,
        part=0,
        n_parts=1,
        first=0,
        ptr=built.ptr,
        tgt=built.target,
        w=built.weight,
        w_kind=built.w_kind,
        f_syn=Fields(("w", -1), *((name, -1) for name in syn), apart=apart),
        syn=(built.weight, *(np.full(size[2], st.init, dtype) for st in syn.values())),
        f_pre=f_pre,
        pre=tuple(np.full(size[0], st.init) for st in pre.values()),
        f_post=f_post,
        post=(*(np.full(size[1], st.init) for st in post.values()), *((v,) if reads_v else ())),
        taus_pre=taus_pre,
        taus_post=taus_post,
        every_pre=every_pre,
        every_post=every_post,
        init_pre=np.array([st.init for st in pre.values()]),
        init_post=np.array([st.init for st in post.values()] + [0.0] * reads_v),
        step=30.0 * min([math.inf, *taus_pre, *taus_post]),
        t0=0.0,
        reads_v=reads_v,
        v=v,
        log_n=0,
        log_t=np.zeros(n_log),
        log_j=np.zeros(n_log, np.int32),
        log_prev=np.zeros(n_log, np.int32),
        log_g=np.zeros((n_log, max(1, len(taus_pre)))),
        log_post=tuple(np.zeros(log) for _ in post),
        f_log=Fields(*((name, -1) for name in post), apart=apart),
        last=np.full(size[1], -1, np.int32),
        cursor=np.zeros(size[0], np.int32),
        active=np.zeros(size[0], np.uint8),
        active_rows=np.zeros(size[0], np.int32),
        n_active=0,
        count=np.zeros(rows.N_COUNTERS, np.int64),
        signal=np.zeros(n_post if rule.needs_signal else 0),
        delta=np.zeros(0),
    )


def kept(weight: float | np.ndarray, ptr: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """Weights that never change, once for the projection or for each row where that says it all; and which it is."""
    if not isinstance(weight, np.ndarray):
        return np.array([weight], dtype), rows.ALIKE
    weight = np.ascontiguousarray(weight, dtype)
    changes = weight[1:] != weight[:-1]
    n_changes = np.count_nonzero(changes)
    if n_changes == 0 and weight.size:
        return weight[:1].copy(), rows.ALIKE
    if weight.size >= 4 * ptr.size and n_changes < ptr.size and np.isin(np.flatnonzero(changes) + 1, ptr).all():
        return np.append(weight, weight[:1])[ptr[:-1]], rows.BY_ROW
    return weight, rows.BY_SYNAPSE


def narrow(target: np.ndarray, n_post: int) -> np.ndarray:
    """Targets in two bytes each where that is enough."""
    if n_post <= 65536:
        return target.astype(np.uint16)
    return np.ascontiguousarray(target).view(np.uint32)


def cut_rows(
    projection: Projection, synapses: Synapses, rule: Rule, grid: Grid | None
) -> tuple[BuiltProjection, np.ndarray, np.ndarray]:
    """Cut a projection into rows; returns it with each row's delay and the number of the first row of each source.

    Delays are in seconds, or in ticks of the grid.
    """
    if grid is not None:
        ticks = grid.ticks(f"The delay of projection {projection.name!r}", synapses.delay)
        synapses.delay = float(ticks) if isinstance(synapses.delay, float) else ticks
    n_pre, n_post = len(projection.source), len(projection.target)
    dtype = np.dtype(projection.dtype)
    order = None
    dense = synapses.dense and isinstance(synapses.delay, float)
    n_syn = n_pre * n_post if synapses.dense else synapses.target.size
    plastic = not isinstance(rule, NoRule)
    weight = synapses.weight
    if dtype == np.float32:
        largest = max(np.max(weight, initial=0.0), -np.min(weight, initial=0.0))
        if largest > np.finfo(dtype).max:
            raise ParameterError(
                f"weights of projection {projection.name!r} go up to {largest:g}, which {dtype} cannot hold. Give "
                "smaller ones, or connect with dtype='float64'."
            )
    if plastic and not isinstance(weight, np.ndarray):
        weight = np.full(n_syn, weight, dtype)
    if dense:
        ptr = np.arange(n_pre + 1, dtype=np.int64) * n_post
        delay = np.full(n_pre, synapses.delay)
        row_source = np.arange(n_pre)
        target = np.zeros(0, np.uint32)
    else:
        if synapses.dense or synapses.ptr is None:
            fan_out = np.full(n_pre, n_post) if synapses.dense else np.bincount(synapses.source, minlength=n_pre)
        else:
            fan_out = np.diff(synapses.ptr)
        target = np.tile(np.arange(n_post, dtype=np.uint32), n_pre) if synapses.dense else synapses.target
        if isinstance(synapses.delay, float):
            # Sources without synapses have no row: their spikes have nowhere to arrive.
            row_source = np.flatnonzero(fan_out)
            ptr = np.r_[0, np.cumsum(fan_out[row_source])]
            delay = np.full(row_source.size, synapses.delay)
        else:
            source = np.repeat(np.arange(n_pre, dtype=np.int32), fan_out)
            order = np.lexsort((target, synapses.delay, source))
            target, delays = target[order], synapses.delay[order]
            starts = np.r_[True, (np.diff(source) != 0) | (np.diff(delays) != 0)] if n_syn else np.zeros(0, bool)
            new = np.flatnonzero(starts)
            ptr = np.r_[new, n_syn].astype(np.int64)
            delay, row_source = delays[new], source[new].astype(np.int64)
            if isinstance(weight, np.ndarray):
                weight = weight[order]
        target = narrow(target, n_post)
    if isinstance(weight, np.ndarray) and (plastic or dense):
        weight, w_kind = np.ascontiguousarray(weight, dtype), rows.BY_SYNAPSE
    else:
        weight, w_kind = kept(weight, ptr, dtype)
    built = BuiltProjection(projection, rule, -1, row_source, ptr, target, weight, w_kind, order, dense)
    first = np.searchsorted(row_source, np.arange(n_pre + 1)).astype(np.int64)
    return built, delay, first
