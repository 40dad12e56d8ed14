"""Samples that are lists of spikes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .errors import ParameterError
from .plugin import check_unit
from .values import numbers


@dataclass(frozen=True)
class Events:
    """n samples, each a list of spikes of `size` input neurons; sample k holds spikes ptr[k] to ptr[k + 1].

    `len` gives n; an index gives (ids, times) of one sample; a slice, a mask or an array of indices gives the samples
    chosen.

    Parameters
    ----------
    size : int
        Number of input neurons.
    ptr : (n + 1,) int64
    ids : (n_spikes,) int32
    times : (n_spikes,) float64, s
        Within the presentation, ascending in each sample.
    """

    size: int
    ptr: np.ndarray
    ids: np.ndarray
    times: np.ndarray

    @classmethod
    def from_lists(cls, samples: Iterable[tuple[ArrayLike, ArrayLike]], size: int) -> Events:
        """Samples given as (ids, times in s), in any order of time.

        Raises
        ------
        ParameterError
            For neurons outside 0 to size - 1 and times that are negative, not finite or look like milliseconds.
        """
        all_ids: list[np.ndarray] = []
        all_times: list[np.ndarray] = []
        for k, (ids, times) in enumerate(samples):
            i, t = np.asarray(ids), numbers(f"Events: times of sample {k}", times, "numbers", "s")
            if i.shape != t.shape or i.ndim != 1:
                raise ParameterError(f"Events: sample {k} has ids of shape {i.shape} and times of shape {t.shape}.")
            if i.size and (i.dtype.kind not in "iu" or i.min() < 0 or i.max() >= size):
                raise ParameterError(
                    f"Events: sample {k} names neurons {i.min()} to {i.max()}; give whole numbers, 0 to {size - 1}."
                )
            if not np.isfinite(t).all() or (t < 0).any():
                bad = t[~(np.isfinite(t) & (t >= 0))][0]
                raise ParameterError(f"Events: sample {k} has a spike at {bad}; give finite times >= 0 in seconds.")
            check_unit(f"Events: times of sample {k}", t, "s")
            order = np.lexsort((i, t))
            all_ids.append(i[order].astype(np.int32))
            all_times.append(t[order])
        ptr = np.cumsum([0, *(t.size for t in all_times)]).astype(np.int64)
        if not all_times:
            return cls(size, ptr, np.zeros(0, np.int32), np.zeros(0))
        return cls(size, ptr, np.concatenate(all_ids), np.concatenate(all_times))

    def __len__(self) -> int:
        return self.ptr.size - 1

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"Events: there is no sample {index}; there are {len(self)}.")
            span = slice(*self.ptr[index % len(self) : index % len(self) + 2])
            return self.ids[span], self.times[span]
        chosen = np.arange(len(self))[index]
        return Events.from_lists((self[int(k)] for k in chosen), self.size)

    def counts(self) -> np.ndarray:
        """Spikes of each neuron in each sample, (n, size) int64."""
        sample = np.repeat(np.arange(len(self)), np.diff(self.ptr))
        return np.bincount(sample * self.size + self.ids, minlength=len(self) * self.size).reshape(-1, self.size)

    def __repr__(self) -> str:
        longest = f"{self.times.max():g} s" if self.times.size else "0 s"
        return f"Events(<{len(self)} samples of {self.size} neurons, {self.times.size} spikes, up to {longest}>)"
