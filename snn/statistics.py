"""Statistics of spike trains: rates, irregularity, correlation.

    spikes = result.spikes["exc"]
    print(rates(spikes, 0.2, 2.0).mean(), np.nanmean(cv_isi(spikes, 0.2, 2.0)), correlation(spikes, 0.2, 2.0))

All look at the neurons that were recorded, and at the spikes in [start, stop).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .errors import ParameterError
from .record import SpikeData


def _within(spikes: SpikeData, start: float, stop: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Times, numbers among the recorded neurons, and how many were recorded."""
    if not start < stop:
        raise ParameterError(f"start is {start:g} s and stop {stop:g} s; give a stop after the start, in seconds.")
    inside = (spikes.times >= start) & (spikes.times < stop)
    ids = spikes.ids[inside]
    if spikes.recorded is not None:
        number = np.full(spikes.size, -1)
        number[spikes.recorded] = np.arange(spikes.recorded.size)
        ids = number[ids]
    return spikes.times[inside], ids, spikes.n_recorded


def pooled(spikes: Sequence[SpikeData], name: str = "all") -> SpikeData:
    """Several populations as one, numbered in the order given."""
    first = np.cumsum([0, *(s.size for s in spikes)])
    times = np.concatenate([s.times for s in spikes])
    ids = np.concatenate([s.ids + f for s, f in zip(spikes, first, strict=False)])
    every = [np.arange(s.size) if s.recorded is None else s.recorded for s in spikes]
    recorded = np.concatenate([r + f for r, f in zip(every, first, strict=False)])
    order = np.lexsort((ids, times))
    return SpikeData(name, int(first[-1]), times[order], ids[order], recorded if recorded.size < first[-1] else None)


def rates(spikes: SpikeData, start: float, stop: float) -> np.ndarray:
    """Spikes of each recorded neuron per second, (n,) Hz."""
    _, ids, n = _within(spikes, start, stop)
    return np.bincount(ids, minlength=n) / (stop - start)


def cv_isi(spikes: SpikeData, start: float, stop: float, least: int = 2) -> np.ndarray:
    """Coefficient of variation of each neuron's intervals between spikes, (n,): 0 for a clock, 1 for a Poisson train.

    The standard deviation (of the intervals as they are, n in the denominator) over the mean.

    Parameters
    ----------
    least : int
        Neurons with fewer intervals have nan: few intervals are too regular on average.
    """
    times, ids, n = _within(spikes, start, stop)
    order = np.lexsort((times, ids))
    times, ids = times[order], ids[order]
    same = ids[1:] == ids[:-1]
    gaps, of = np.diff(times)[same], ids[1:][same]
    count = np.bincount(of, minlength=n)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(of, gaps, n) / count
        variance = np.bincount(of, (gaps - mean[of]) ** 2, n) / count
        return np.where(count >= least, np.sqrt(variance) / mean, np.nan)


def correlation(
    spikes: SpikeData, start: float, stop: float, bin: float = 5e-3, neurons: Sequence[int] | None = None
) -> float:
    """Pearson correlation of spike counts in bins, averaged over all pairs of neurons that fire.

    The sum of all standardised counts holds it: the mean over pairs is (|sum_j z_j|^2 - n) / (n (n - 1)), which needs
    no matrix of pairs.

    Parameters
    ----------
    bin : float, s
        The last bin may be cut by `stop`, and is left out then.
    neurons : (n,) int, optional
        Numbers among the recorded neurons. Default: all.
    """
    times, ids, n = _within(spikes, start, stop)
    n_bins = int((stop - start) / bin * (1 + 1e-12)) if bin > 0 else 0
    if n_bins < 2:
        raise ParameterError(f"bin is {bin:g} s; give one that fits into the {stop - start:g} s at least twice.")
    k = np.floor((times - start) / bin * (1 + 1e-12)).astype(int)
    counts = np.zeros((n, n_bins))
    np.add.at(counts, (ids[k < n_bins], k[k < n_bins]), 1.0)
    if neurons is not None:
        chosen = np.asarray(neurons)
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < n:
            raise ParameterError(f"neurons go from {chosen.min()} to {chosen.max()}; {n} were recorded, 0 to {n - 1}.")
        counts = counts[chosen]
    deviations = counts - counts.mean(axis=1, keepdims=True)
    size = np.linalg.norm(deviations, axis=1)
    z = deviations[size > 0] / size[size > 0, None]
    m = z.shape[0]
    if m < 2:
        return float("nan")
    return float((np.sum(z.sum(axis=0) ** 2) - m) / (m * (m - 1)))


__all__ = ["correlation", "cv_isi", "pooled", "rates"]
