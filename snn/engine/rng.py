"""The counter-based random stream of the kernels; :func:`snn.random.uniform_at` is its plain twin."""

from __future__ import annotations

import numpy as np

from .jit import kernel


@kernel
def uniform_u64(key, counter):
    """Number `counter` (>= 0) of stream `key`, uniform in [0, 1): SplitMix64 (Steele, Lea & Flood 2014)."""
    z = np.uint64(key) + np.uint64(counter + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * 1.1102230246251565e-16
