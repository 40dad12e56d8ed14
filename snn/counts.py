"""What engines count while they run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .build import Built


def _merged(a: dict[str, np.ndarray], b: dict[str, np.ndarray], sign: int) -> dict[str, np.ndarray]:
    """a + sign b; what one of them does not name is 0 there."""
    return {name: np.asarray(a.get(name, 0) + sign * b.get(name, 0)) for name in dict.fromkeys((*a, *b))}


@dataclass
class Counts:
    """Counters of a network, up to a moment or, as the difference of two, between them.

    Attributes
    ----------
    fired : (n_neurons,) int64
        Spikes of each neuron.
    rows : dict of (rows.N_COUNTERS,) int64
        Of each projection.
    links : dict of (3,) int64
        Of each credit link, see :class:`snn.build.Pathway`.
    """

    fired: np.ndarray
    rows: dict[str, np.ndarray]
    links: dict[str, np.ndarray]

    @classmethod
    def of(cls, built: Built) -> Counts:
        """Those of an engine up to now."""
        return cls(
            built.engine.counts.copy(),
            {name: built.groups[p.group].count.copy() for name, p in built.projections.items()},
            {name: pathway.count.copy() for name, pathway in built.pathways.items()},
        )

    def __sub__(self, before: Counts) -> Counts:
        return Counts(
            self.fired - before.fired, _merged(self.rows, before.rows, -1), _merged(self.links, before.links, -1)
        )

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.fired + other.fired, _merged(self.rows, other.rows, 1), _merged(self.links, other.links, 1))

    def spikes(self, built: Built) -> dict[str, int]:
        """Spikes of each population."""
        return {
            name: int(self.fired[o : o + len(built.network.populations[name])].sum())
            for name, o in built.offset.items()
        }
