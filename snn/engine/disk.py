"""Machine code on disk: a file for each entry and types of its arguments, found by a fingerprint of both.

Numba's own cache keeps an index beside the code. Two processes that compile the same entry for other types at the same
time can there give one name to two pieces of code, and its index knows of no edit but of the file that the entry is in.
Here every name says what the file holds: for which types, compiled from which sources, by which version.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import llvmlite
import numba
from numba.core.caching import FunctionCache, NullCache
from numba.core.serialize import dumps

from .beside import settle
from .digest import engine_digest


def _spare_scipy() -> None:
    """Let Numba begin to compile without importing scipy.linalg.

    It does so only to learn whether BLAS is there for compiled np.dot and the like, which our kernels do not use; SciPy
    is one of our requirements, so the answer is yes (measured: 0.13 s).
    """
    from numba.np import linalg

    if "numba.np.arraymath" in sys.modules:
        return
    real = linalg.ensure_blas
    linalg.ensure_blas = lambda: None
    try:
        from numba.np import arraymath

        arraymath.ensure_blas = real
    finally:
        linalg.ensure_blas = real


def _compiled_from(module: ModuleType, seen: set[str]) -> Iterator[ModuleType]:
    """A module and, of those that its compiled functions come from, all that are not yet seen."""
    if module.__name__ not in seen:
        seen.add(module.__name__)
        yield module
        for value in list(vars(module).values()):
            if hasattr(value, "py_func") and value.__module__ in sys.modules:
                yield from _compiled_from(sys.modules[value.__module__], seen)


@functools.cache
def _stamp(module: str) -> str:
    """Fingerprint of the sources that entries of a module are compiled from, and of what compiles them."""
    h = hashlib.sha256(f"{engine_digest()} {numba.__version__} {llvmlite.__version__}".encode())
    for reached in _compiled_from(sys.modules[module], set()):
        path = Path(reached.__file__ or "")
        if path.is_file():
            h.update(path.read_bytes())
    return h.hexdigest()[:12]


class _Files:
    """The files of one entry, in place of Numba's index and data."""

    def __init__(self, folder: str, base: str, module: str) -> None:
        self.folder, self.base, self.module = Path(folder), base, module

    def path(self, key: Any) -> Path:
        fingerprint = hashlib.sha256(repr(key).encode()).hexdigest()[:24]
        return self.folder / f"{self.base}.{_stamp(self.module)}.{fingerprint}.nbc"

    def load(self, key: Any) -> Any:
        # A file that is not there, or that somebody has cut short, is one more to be compiled; so is one with functions
        # of a module that cannot be imported here, such as one that was made while the program ran.
        with suppress(OSError, EOFError, pickle.UnpicklingError, ImportError):
            found, data = pickle.loads(self.path(key).read_bytes())
            return data if found == key else None
        return None

    def save(self, key: Any, data: Any) -> None:
        path = self.path(key)
        unfinished = path.with_suffix(f".{uuid4().hex[:12]}.tmp")
        try:
            unfinished.write_bytes(dumps((key, data)))
            unfinished.replace(path)
            for old in self.folder.glob(f"{self.base}.*.nbc"):
                if not old.name.startswith(f"{self.base}.{_stamp(self.module)}."):
                    old.unlink(missing_ok=True)
        except OSError as error:
            warn_unkept(str(error))
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def flush(self) -> None:
        for path in self.folder.glob(f"{self.base}.*.nbc"):
            path.unlink(missing_ok=True)


@functools.cache
def warn_unkept(why: str) -> None:
    """Say, once for each reason, that machine code is not kept."""
    warnings.warn(
        f"Compiled kernels are not kept on disk, and each process compiles them anew ({why}). Set NUMBA_CACHE_DIR to a "
        "folder that can be written to.",
        stacklevel=3,
    )


def _settle_constants(data: Any) -> None:
    """Let what is merged into an entry find its constants (the text of a print) as it does in one that is loaded."""
    for environment in data._find_referenced_environments():
        data.codegen.set_env(environment.env_name, environment)


class Unkept(NullCache):
    """In place of :class:`Kept` where there is no folder for machine code."""

    def load_overload(self, sig: Any, target_context: Any) -> None:
        _spare_scipy()

    def save_overload(self, sig: Any, data: Any) -> None:
        _settle_constants(data)


class Kept(FunctionCache):
    """Machine code on disk that is loaded without Numba's compiler.

    Numba would first import all that it can compile and tell its type inference of it, which code that is compiled
    already does not need (measured: 0.2 s of a warm start of 0.9 s).
    """

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._cache_file: Any = _Files(self._cache_path, self._impl.filename_base, function.__module__)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        settle(self._py_func, sig)
        with self._guard_against_spurious_io_errors():
            found = self._load_overload(sig, target_context)
        if found is None:
            _spare_scipy()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        _settle_constants(data)
        super().save_overload(sig, data)

    def holds(self, sig: Any, target_context: Any) -> bool:
        """Whether there is machine code for these types."""
        return bool(self._cache_file.path(self._index_key(sig, target_context.codegen())).is_file())


def keep(function: Any, cache: type[FunctionCache] = Kept) -> FunctionCache | Unkept:
    """What keeps the machine code of a function: on disk, if there is a folder for it."""
    try:
        return cache(function)
    except RuntimeError:
        warn_unkept("Numba finds no folder for them")
        return Unkept()


__all__ = ["keep"]
