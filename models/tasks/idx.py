"""MNIST and Fashion-MNIST from their gzipped IDX files."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from snn.errors import ExportError, ParameterError
from snn.plugin import is_whole

from .files import download as fetch
from .files import find
from .task import Task

FILES = {
    "train_x": "train-images-idx3-ubyte.gz",
    "train_y": "train-labels-idx1-ubyte.gz",
    "test_x": "t10k-images-idx3-ubyte.gz",
    "test_y": "t10k-labels-idx1-ubyte.gz",
}
ADDRESS = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion-mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
}
SHA256 = {
    "mnist": {
        "train_x": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train_y": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "test_x": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "test_y": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    "fashion-mnist": {
        "train_x": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train_y": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "test_x": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "test_y": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
}


def read_idx(path: Any) -> np.ndarray:
    """The array of a gzipped IDX file of unsigned bytes.

    Raises
    ------
    ExportError
        If the file is something else, or cut short.
    """
    try:
        raw = gzip.decompress(Path(path).read_bytes())
    except (OSError, EOFError) as error:
        raise ExportError(f"{path} cannot be read as a gzipped IDX file ({error}). Get it again.") from error
    # Two zeros, the type (8: unsigned byte), the number of axes; then the length of each axis, big-endian.
    n_axes = raw[3] if len(raw) > 3 else 0
    head = 4 + 4 * n_axes
    if raw[:3] != b"\0\0\x08" or n_axes == 0 or len(raw) < head:
        raise ExportError(f"{path} is no IDX file of unsigned bytes: it begins with {raw[:4].hex()}. Get it again.")
    shape = [int.from_bytes(raw[k : k + 4], "big") for k in range(4, head, 4)]
    values = np.frombuffer(raw, np.uint8, offset=head)
    if values.size != np.prod(shape):
        raise ExportError(f"{path} holds {values.size} values, but its head says {shape}. Get it again.")
    return values.reshape(shape)


def idx_task(name: str, data: Any = None, download: bool = False, samples: int | None = None) -> Task:
    """60 000 training and 10 000 test images of 28 x 28 pixels, 0 to 1, float32.

    Parameters
    ----------
    name : {"mnist", "fashion-mnist"}
    data : path, optional
        Folder of the four files, or of a folder `name` with them.
    download : bool
        Fetch them into the cache where they are not found.
    samples : int, optional
        Train on the first so many images; by default on all.

    Raises
    ------
    ExportError
        Where files are missing or unreadable.
    ParameterError
        For fewer than one sample, or more than there are.
    """
    try:
        paths = find(name, list(FILES.values()), data, ", or download=True (--download)")
    except ExportError:
        if not download:
            raise
        paths = fetch(name, {file: (ADDRESS[name] + file, SHA256[name][part]) for part, file in FILES.items()})
    x, y, x_test, y_test = (read_idx(path) for path in paths)
    for images, labels in ((x, y), (x_test, y_test)):
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise ExportError(f"Task {name!r}: images {images.shape} and labels {labels.shape} do not fit together.")
    if samples is not None and not (is_whole(samples, 1) and samples <= len(x)):
        raise ParameterError(f"Task {name!r}: samples is {samples!r}; give a whole number from 1 to {len(x)}.")

    def flat(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1).astype(np.float32) / np.float32(255.0)

    x, y = x[:samples], y[:samples]
    return Task(name, flat(x), y.astype(np.int64), flat(x_test), y_test.astype(np.int64))


def mnist(data: Any = None, download: bool = False, samples: int | None = None) -> Task:
    """Handwritten digits (LeCun, Bottou, Bengio & Haffner 1998); see :func:`idx_task`."""
    return idx_task("mnist", data, download, samples)


def fashion_mnist(data: Any = None, download: bool = False, samples: int | None = None) -> Task:
    """Articles of clothing (Xiao, Rasul & Vollgraf 2017); see :func:`idx_task`."""
    return idx_task("fashion-mnist", data, download, samples)
