"""N-MNIST: MNIST digits as an event camera saw them, from `.bs2` or `.bin` files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from snn.errors import ExportError
from snn.events import Events

from .files import find
from .task import Task, check_whole

WIDTH = 34
ARCHIVE = "nmnist_small.zip"
LISTS = ("train1K.txt", "test100.txt")


def decode(raw: bytes, where: str, pool: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(ids, times in s) of the events of one recording.

    Five bytes an event, big-endian: x (8 bits), y (8), polarity (1), time in us (23). Neuron
    (polarity * width + y) * width + x, with width = ceil(34 / pool) and x, y in steps of `pool` pixels.

    Raises
    ------
    ExportError
        If the bytes cannot be such events.
    """
    if len(raw) % 5:
        raise ExportError(f"{where} has {len(raw)} bytes; events take 5 bytes each. Get it again.")
    b = np.frombuffer(raw, np.uint8).reshape(-1, 5).astype(np.int64)
    x, y, polarity = b[:, 0], b[:, 1], b[:, 2] >> 7
    if b.size and max(x.max(), y.max()) >= WIDTH:
        raise ExportError(f"{where} names pixel ({x.max()}, {y.max()}); N-MNIST has {WIDTH} x {WIDTH}.")
    width = -(-WIDTH // pool)
    ids = (polarity * width + y // pool) * width + x // pool
    return ids, 1e-6 * (((b[:, 2] & 0x7F) << 16) | (b[:, 3] << 8) | b[:, 4])


def read_events(path: Any, pool: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(ids, times in s) of a `.bs2` or `.bin` file; see :func:`decode`."""
    try:
        return decode(Path(path).read_bytes(), str(path), pool)
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error}") from error


def _part(listing: str, read: Callable[[str], bytes], where: str, pool: int) -> tuple[Events, np.ndarray]:
    """Recordings and labels that a list of lines `sample class` names."""
    rows = [line.split() for line in listing.splitlines() if line.strip() and not line.startswith("#")]
    width = -(-WIDTH // pool)
    events = Events.from_lists(
        (decode(read(f"{name}.bs2"), f"{name}.bs2 of {where}", pool) for name, _ in rows), 2 * width**2
    )
    return events, np.array([int(label) for _, label in rows])


def nmnist_small(data: Any = None, pool: int = 2) -> Task:
    """1000 training and 100 test recordings of 0.34 s; `pool` joins squares of pixels (2: 578 inputs in place of 2312).

    References
    ----------
    Orchard, Jayawant, Cohen & Thakor (2015) Front. Neurosci. 9, 437.
    """
    check_whole("nmnist-small", 1, pool=pool)
    (path,) = find("nmnist-small", [ARCHIVE], data)
    try:
        with zipfile.ZipFile(path) as archive:
            (x, y), (x_test, y_test) = (_part(archive.read(n).decode(), archive.read, str(path), pool) for n in LISTS)
    except ExportError:
        raise
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ExportError(f"{path} is no archive of {' and '.join(LISTS)} and their recordings: {error}") from error
    return Task("nmnist-small", x, y, x_test, y_test, duration=0.34)
