"""Spiking Heidelberg Digits: spoken digits as spikes of a model cochlea, from the user's own HDF5 files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from snn.errors import ExportError
from snn.events import Events

from .files import find
from .task import Task, check_whole

CHANNELS = 700
FILES = ["shd_train.h5", "shd_test.h5"]


def read_shd(path: Any, pool: int = 1) -> tuple[Events, np.ndarray]:
    """Spikes and labels of one file: `spikes/times` (s), `spikes/units` and `labels`; `pool` joins neighbours.

    Raises
    ------
    ExportError
        If the file is none of this kind.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            units, times, labels = file["spikes/units"], file["spikes/times"], file["labels"][:]
            # Times are kept as float16.
            samples = [
                (np.asarray(units[k], np.int64) // pool, np.asarray(times[k], np.float64)) for k in range(len(labels))
            ]
    except (OSError, KeyError) as error:
        raise ExportError(f"{Path(path)} is no SHD file with spikes/times, spikes/units and labels: {error}") from error
    return Events.from_lists(samples, -(-CHANNELS // pool)), np.asarray(labels, np.int64)


def shd(data: Any = None, pool: int = 5) -> Task:
    """20 classes, 700 channels; `pool` joins neighbouring channels (5: 140 inputs).

    The files are not downloaded: get them from https://zenkelab.org/datasets and give their folder.

    References
    ----------
    Cramer, Stradmann, Schemmel & Zenke (2022) IEEE Trans. Neural Netw. Learn. Syst. 33, 2744.
    """
    check_whole("shd", 1, pool=pool)
    paths = find("shd", FILES, data, "; they are at https://zenkelab.org/datasets, gzipped")
    (x, y), (x_test, y_test) = (read_shd(path, pool) for path in paths)
    longest = max(e.times.max(initial=0.0) for e in (x, x_test))
    return Task("shd", x, y, x_test, y_test, duration=float(np.ceil(10.0 * longest) / 10.0))
