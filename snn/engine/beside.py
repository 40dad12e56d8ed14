"""Compile kernels in two processes at once: this one, and another that takes from the same list.

They meet on disk, where compiled kernels are kept anyway. An entry is offered as soon as the types of its arguments are
known; whichever process is free first compiles it (measured, where before only the driver was compiled by the other
process: the first run of `coba` from 7.2 to 6.0 s, medians of five).
Nothing depends on the other process: whatever it has not left on disk is compiled here.
"""

from __future__ import annotations

import importlib
import os
import pickle
import pkgutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba import config, types

from ..collector import uncollected

_LONGEST = 120.0  # s, for which the other process is waited for
_IDLE = 5.0  # s without anything to compile, after which it is ended
_ROOT = Path(__file__).parents[2]
_OURS = ("snn", "rules", "models")
# The path first: what follows it may be found there only.
_CODE = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from snn.engine.beside import serve
serve()
"""
Key = tuple[Any, tuple[Any, ...]]  # a function, and the types of its arguments


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Helper:
    """The other process, and what is yet to be compiled by either."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.changed = threading.Condition()
        self.waiting: dict[Key, Any] = {}
        self.current: Key | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def offer(self, function: Any, signature: tuple[Any, ...]) -> None:
        with self.changed:
            self.waiting.setdefault((function.py_func, signature), function)
            if self.process is None:
                with suppress(OSError):  # no process to be had
                    self.process = _start()
                    threading.Thread(target=self._feed, args=[self.process], daemon=True).start()
            self.changed.notify_all()

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        """Give the process one entry after the other, until there has been none for a while or it has gone."""
        try:
            with suppress(OSError), process:
                assert process.stdin is not None and process.stdout is not None
                process.stdin.write(pickle.dumps(sys.path))
                while key := self._take(process):
                    function, signature = key
                    names = function.__module__, function.__name__, list(_plugins(signature))
                    process.stdin.write(pickle.dumps(names) + pickle.dumps(signature))
                    process.stdin.flush()
                    if not process.stdout.read(1):
                        break
                process.kill()
        finally:
            with self.changed:
                if self.process is process:
                    self.process, self.current = None, None
                    self.changed.notify_all()

    def _take(self, process: subprocess.Popen[bytes]) -> Key | None:
        """The next entry for the process, which is done with the last one; None where there is nothing left to do."""
        with self.changed:
            if self.process is not process:
                return None
            self.current = None
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.waiting or self.process is not process, _IDLE)
            if not self.waiting or self.process is not process:
                return None
            self.current = next(iter(self.waiting))
            del self.waiting[self.current]
            return self.current

    def settle(self, key: Key) -> None:
        """Take an entry off the list; where the other process has begun it, compile others until it is done."""
        ends = time.monotonic() + _LONGEST
        while True:
            with self.changed:
                self.waiting.pop(key, None)
                if self.current != key:
                    return
                if not self.waiting:
                    self.changed.wait(ends - time.monotonic())
                    if time.monotonic() < ends:
                        continue
                    if self.process is not None:
                        self.process.kill()
                    self.process, self.current = None, None
                    return
                (_, signature), function = self.waiting.popitem()
            function.compile(signature)


def _start() -> subprocess.Popen[bytes]:
    environment = {**os.environ, **({"NUMBA_CACHE_DIR": config.CACHE_DIR} if config.CACHE_DIR else {})}
    return subprocess.Popen(
        [sys.executable, "-c", _CODE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


_helper = _Helper()


def _own() -> _Helper:
    """This process's helper: a fork has none at first."""
    global _helper
    if _helper.owner != os.getpid():
        _helper = _Helper()
    return _helper


def _plugins(signature: Any) -> Iterator[str]:
    """Names of the classes of plugins in types of arguments."""
    for typ in signature:
        if hasattr(typ, "qualname"):
            yield typ.qualname
        elif hasattr(typ, "members"):
            yield from _plugins(member for _, member in typ.members)
        elif isinstance(typ, types.BaseTuple):
            yield from _plugins(typ)


def _is_ours(plugin: str) -> bool:
    """Whether a class belongs to this library: importing anything else could run somebody's script once more."""
    module = sys.modules.get(plugin.rpartition(".")[0])
    path = getattr(module, "__file__", None)
    return plugin.split(".")[0] in _OURS and path is not None and Path(path).is_relative_to(_ROOT)


def offer(function: Any, signature: tuple[Any, ...]) -> None:
    """Let whichever process is free first compile an entry for these types; it will be needed soon.

    Nothing is done where it has been compiled before, where there is no core to spare or no machine code on disk, and
    for somebody else's plugins.
    """
    if config.DISABLE_JIT or not sys.executable or cores() < 2 or signature in function.overloads:
        return
    if function._cache.cache_path is None:  # nowhere to meet
        return
    if all(map(_is_ours, _plugins(signature))) and not function._cache.holds(signature, function.targetctx):
        _own().offer(function, signature)


def settle(function: Callable[..., Any], signature: tuple[Any, ...]) -> None:
    """Before an entry is looked for on disk: wait for it if the other process is compiling it, however that ends."""
    _own().settle((function, signature))


@uncollected()
def serve() -> None:
    """The other process: compile what is asked for and say when it is done."""
    from .types import known

    while True:
        try:
            module, name, plugins = pickle.load(sys.stdin.buffer)
            signature = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        with suppress(Exception):  # it will fail where it is needed, and say so there
            for plugin in plugins:
                known(pkgutil.resolve_name(plugin))
            getattr(importlib.import_module(module), name).compile(signature)
        sys.stdout.buffer.write(b".")
        sys.stdout.buffer.flush()


__all__ = ["cores", "offer", "serve", "settle"]
