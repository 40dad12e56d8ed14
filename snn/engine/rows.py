"""Synapses inside the engines: rows, and groups of them.

A row is one axon branch: the synapses of one projection that share a source and a delay. A group is a struct with the
rows of one projection. What rows do is in :mod:`snn.engine.deliver`, :mod:`snn.engine.plasticity` and
:mod:`snn.engine.signals`; :mod:`snn.engine.group` is what an engine calls.
"""

from __future__ import annotations

from .dispatch import Kind
from .jit import kernel

DENSE, SPARSE = Kind("dense"), Kind("sparse")
# In the place of a block of neurons: what a rule keeps of them.
TEACHING, TEACHING_GRID = Kind("teaching"), Kind("teaching_grid")
# How weights are kept: one for the projection, one for each row, one for each synapse.
ALIKE, BY_ROW, BY_SYNAPSE = range(3)

# What a group can be asked to do.
RUN, ARRIVE, LEARN, POST, SETTLE, SIGNAL, FINISH, CLEAR, GAIN = range(9)
# Counters of a group.
N_ARRIVALS, N_EVENTS, N_ON_POST, N_POST_SPIKES, N_SIGNAL, N_SIGNAL_ROWS = range(6)
# Rows at which a first spike of a presentation has arrived, and their synapses.
N_USED_ROWS, N_USED = range(6, 8)
N_COUNTERS = 8


@kernel
def row_begin(g, lr):
    """Number of the first synapse of a row, or of the part of it whose targets are this engine's."""
    return g.ptr[lr * g.n_parts + g.part]


@kernel
def row_end(g, lr):
    """One more than the number of the last one."""
    return g.ptr[lr * g.n_parts + g.part + 1]


@kernel
def row_weight(g, lr):
    """Weight of every synapse of a row, where they are all alike."""
    return float(g.w[lr if g.w_kind == BY_ROW else 0])


@kernel
def synapse_weight(g, lr, k):
    """Weight of synapse k, which belongs to row lr."""
    return float(g.w[k]) if g.w_kind == BY_SYNAPSE else row_weight(g, lr)
