"""How kernels are compiled: serial, without the GIL, without reference counting.

Kernels never allocate, and what they read belongs to Python, which keeps it alive: there is nothing to count.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numba import njit, typeof
from numba.extending import overload


def _spare_scipy() -> None:
    """Let Numba start without importing scipy.linalg.

    It does so only to learn whether BLAS is there for compiled np.dot and the like, which our kernels do not use; SciPy
    is one of our requirements, so the answer is yes (measured: 0.13 s of a warm start of 1.1 s).
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


_spare_scipy()

OPTIONS = {"error_model": "numpy", "nogil": True, "_nrt": False}


def kernel(function: Any) -> Any:
    """Compile a function that only other kernels call: without the wrapper that Python would need."""
    return njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **OPTIONS)(function)


def inlined(function: Any) -> Any:
    """Compile a function so that it becomes part of every kernel that calls it.

    Left to itself, the first process, which has compiled such a function on its own before, calls that version of it
    from its kernels; only later processes, which read the kernels from disk, run the version that was merged into them
    (measured: 14 against 1 ns for a step of LIFExp, whose exponentials then leave the loop over cells).
    """
    return njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True, **OPTIONS)(function)


def callable_kernel(function: Any) -> Any:
    """The same function so that Python can call it too, for tests."""
    return njit(**OPTIONS)(getattr(function, "py_func", function))


def entry(function: Any) -> Any:
    """Compile an outermost kernel, whose machine code is kept on disk."""
    return njit(cache=True, **OPTIONS)(function)


def specialise(function: Any) -> Callable[[Any], Any]:
    """Register the compiled form of a plain Python function, chosen by the types of its arguments."""
    return overload(function, jit_options=OPTIONS)


@contextmanager
def _compiling() -> Iterator[None]:
    """Without the garbage collector: a compiler makes many objects that live, and few cycles (measured: 12 %)."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def bind(function: Any, *arguments: Any) -> Any:
    """The machine code of an entry for arguments of these types, to be called without looking the types up again.

    The types of a network's structs never change, so that they need not be looked up at each of hundreds of calls.
    """
    if not hasattr(function, "overloads"):  # NUMBA_DISABLE_JIT
        return function
    signature = tuple(typeof(a) for a in arguments)
    with _compiling():
        function.compile(signature)
    return function.overloads[signature].entry_point


def entry_address(function: Any, signature: tuple[Any, ...]) -> Any:
    """Address at which an entry for arguments of these types can be called; without Numba the function itself."""
    if not hasattr(function, "overloads"):
        return function
    with _compiling():
        function.compile(signature)
    compiled = function.overloads[signature]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name)
