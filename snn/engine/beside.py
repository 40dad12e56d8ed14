"""Compile the driver in a process of its own, while this one compiles the kernels that it calls.

They know nothing of each other's types and meet on disk, where compiled kernels are kept anyway (measured: 2.6 s of a
first start of 9.4 s). Nothing depends on it: whatever that process has not left there is compiled as ever.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from typing import Any

from numba import config

_LONGEST = 120.0  # s, for which the other process is waited for
# The path first: what follows it may be found there only.
_CODE = """
import importlib, pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
module, name, signature = pickle.load(sys.stdin.buffer)
getattr(importlib.import_module(module), name).compile(signature)
"""
_running: dict[tuple[str, Any], subprocess.Popen[bytes]] = {}


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compile_beside(function: Any, signature: tuple[Any, ...]) -> None:
    """Begin to compile an entry for these types in another process, unless it is on disk or there is no core to spare.

    The types must be made of this package's own and Numba's: the other process knows nothing of the script that runs.
    """
    if config.DISABLE_JIT or not sys.executable or cores() < 2 or signature in function.overloads:
        return
    key = function.py_func.__qualname__, signature
    if key in _running or function._cache.holds(signature, function.targetctx):
        return
    environment = {**os.environ, **({"NUMBA_CACHE_DIR": config.CACHE_DIR} if config.CACHE_DIR else {})}
    with suppress(OSError):  # no process to be had, or gone at once
        process = subprocess.Popen(
            [sys.executable, "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        _running[key] = process
        assert process.stdin is not None
        with process.stdin as pipe:
            pipe.write(pickle.dumps(sys.path))
            pipe.write(pickle.dumps((function.py_func.__module__, function.py_func.__name__, signature)))


def wait_beside(name: str, signature: tuple[Any, ...]) -> None:
    """Wait until another process that compiles the entry of this name has ended, however it ends."""
    process = _running.pop((name, signature), None)
    if process is not None:
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LONGEST)
        finally:
            process.kill()
            process.wait()
