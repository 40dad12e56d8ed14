"""HDF5 files: opening and replacing them, and datasets that grow in a file which a full disk and a kill leave whole."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ExportError, RecordingError

if TYPE_CHECKING:
    import h5py

PathLike = str | os.PathLike[str]

_CHUNK = 2**16  # bytes; smaller chunks make appending slow
_WIDEST = 2**17  # values of one row in a chunk
_SLACK = 2**18  # bytes for the metadata that one flush may add


class Column:
    """A dataset that grows along its first axis; blocks wait in memory until they are written.

    Rows may be left out: they read as `fill`, and chunks of nothing else take no room in the file.

    It is not compressed: a compressed chunk moves or changes its size when rows are added to it, and a kill between
    that and the update of the index would lose the chunk. SONATA's readers may lack the filters, too.

    Parameters
    ----------
    path : str
        Inside the file.
    dtype : dtype
    width : int or None
        Values in a row; None for a one-dimensional dataset.
    units : str, optional
    fill : float

    Attributes
    ----------
    end : int
        Rows so far, those that wait included.
    """

    def __init__(
        self, path: str, dtype: Any, width: int | None = None, units: str | None = None, fill: float = 0.0
    ) -> None:
        self.path, self.dtype, self.units, self.fill = path, np.dtype(dtype), units, fill
        self.row_shape: tuple[int, ...] = () if width is None else (width,)
        # A row may be empty (a projection without synapses), a chunk may not.
        columns = tuple(max(1, min(n, _WIDEST)) for n in self.row_shape)
        rows = max(1, _CHUNK // (self.dtype.itemsize * int(np.prod(columns))))
        self.chunks = (rows, *columns)
        self.length = self.end = 0
        # Stretches of rows without a gap: the first row of each, and its blocks.
        self.pending: list[tuple[int, list[np.ndarray]]] = []
        self._dataset: h5py.Dataset | None = None

    def append(self, block: Any, skipped: int = 0) -> int:
        """Keep a copy of the rows, after some that are left out, for the next :meth:`write`; return its bytes."""
        rows = np.array(block, dtype=self.dtype)
        if len(rows):
            if skipped or not self.pending:
                self.end += skipped
                self.pending.append((self.end, []))
            self.pending[-1][1].append(rows)
            self.end += len(rows)
        return rows.nbytes

    def need(self) -> int:
        """Upper bound (bytes) of what :meth:`write` adds to the file."""
        if not self.pending and self._dataset is not None:
            return 0
        # The first and the last chunk of a stretch are allocated whole.
        chunk = int(np.prod(self.chunks)) * self.dtype.itemsize
        wide = -(-(self.row_shape or (1,))[0] // self.chunks[-1]) if self.row_shape else 1
        waiting = sum(rows.nbytes for _, blocks in self.pending for rows in blocks)
        return 4096 + 2 * chunk * wide * max(1, len(self.pending)) + waiting

    def write(self, file: h5py.File) -> None:
        """Append what waits. May be called again after an interrupt: the same rows then go to the same place."""
        if self._dataset is None:
            if self.path in file:
                del file[self.path]
            self._dataset = file.create_dataset(
                self.path,
                shape=(0, *self.row_shape),
                maxshape=(None, *(n or None for n in self.row_shape)),
                dtype=self.dtype,
                chunks=self.chunks,
                fillvalue=self.fill,
            )
            if self.units is not None:
                self._dataset.attrs["units"] = self.units
        if self.end == self.length:
            return
        self._dataset.resize(self.end, axis=0)
        for first, blocks in self.pending:
            rows = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
            if rows.size:
                self._dataset[first : first + len(rows)] = rows
        self.length, self.pending = self.end, []


def reason(error: Exception, folder: Path) -> str:
    """What an error of the system or of HDF5 means, and what to do."""
    code, text = getattr(error, "errno", None), str(error)
    # HDF5 gives the system's error only as part of its message.
    if code in (errno.ENOSPC, errno.EDQUOT) or "errno = 28" in text:
        return f"the disk is full. Free space in {folder}, or give a path on another disk."
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"writing in {folder} is not allowed. Change the permissions or give another path."
    return f"{text}. Give another path."


@contextmanager
def opened(path: PathLike) -> Iterator[h5py.File]:
    """A file to read.

    Raises
    ------
    ExportError
        If there is none, or it cannot be read, or what the block looks for is not in it.
    """
    import h5py

    partial = Path(f"{os.fspath(path)}.partial")
    if not Path(path).exists():
        rest = f" {partial} exists: the run has not finished. Load that." if partial.exists() else ""
        raise ExportError(f"{path} does not exist.{rest or ' Check the path.'}")
    if Path(path).is_dir():
        raise ExportError(f"{path} is a folder. Give the path of a file.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (ExportError, RecordingError):
        raise
    except BlockingIOError as error:
        raise ExportError(f"{path} is being written. Wait until the run has ended.") from error
    except PermissionError as error:
        raise ExportError(f"{path} cannot be read: no permission. Change the permissions.") from error
    except (OSError, RuntimeError, KeyError) as error:
        raise ExportError(f"{path} cannot be read: it is no HDF5 file of this kind, or damaged ({error}).") from error


@contextmanager
def replacing(path: PathLike, overwrite: bool) -> Iterator[h5py.File]:
    """A new file, which has its name when the block has ended well, and is removed when it could not be written.

    Raises
    ------
    ExportError
        If the file exists or cannot be written.
    """
    import h5py

    final, own = Path(path), Path(f"{os.fspath(path)}.{uuid.uuid4().hex}.tmp")
    if final.exists() and not overwrite:
        raise ExportError(f"{final} exists. Give overwrite=True to replace it, or another path.")
    try:
        with h5py.File(own, "w") as file:
            yield file
        os.replace(own, final)
    except (OSError, RuntimeError) as error:
        raise ExportError(f"{final} cannot be written: {reason(error, final.parent)}") from error
    finally:
        own.unlink(missing_ok=True)


def reserve(descriptor: int, path: Path, offset: int, size: int) -> None:
    """Take disk space, or raise OSError ENOSPC before anything is written."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, offset, size)
            return
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
    if shutil.disk_usage(path.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def is_locked(path: Path) -> bool:
    """Whether some process, or another writer of this one, has the file open in HDF5."""
    try:
        import fcntl
    except ImportError:
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def sync(path: Path) -> None:
    # Without this, a power failure just after the renaming could leave an empty file under the final name.
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def create(path: Path, size: int) -> h5py.File:
    """Make a new file that changes on disk in :func:`commit` only.

    Parameters
    ----------
    path : Path
        Of no file yet.
    size : int
        Bytes that the first commit will need.
    """
    import h5py

    # HDF5 cannot recover from a full disk, so the space is tried before HDF5 gets to the file.
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR)
    try:
        reserve(descriptor, path, 0, size + 2 * _SLACK)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)
    # Newer layouts of the file are faster, but SONATA's readers do not know them.
    file = h5py.File(path, "w", libver=("earliest", "v108"))
    config = file.id.get_mdc_config()
    config.incr_mode = config.decr_mode = config.flash_incr_mode = 0
    config.evictions_enabled = False
    file.id.set_mdc_config(config)
    return file


def commit(file: h5py.File, path: Path, size: int, write: Callable[[h5py.File], None]) -> None:
    """Call `write(file)` and flush, or raise OSError before the file is touched if the disk has no room.

    Parameters
    ----------
    file : h5py.File
    path : Path
    size : int
        Upper bound of the bytes that `write` adds.
    write : callable
    """
    end = file.id.get_filesize()
    descriptor = os.open(path, os.O_RDWR)
    try:
        reserve(descriptor, path, end, size + _SLACK)
        write(file)
        file.flush()
    finally:
        os.ftruncate(descriptor, max(end, file.id.get_filesize()))
        os.close(descriptor)
