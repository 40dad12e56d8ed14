"""Ctrl+C at a moment at which everything is whole."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Deferred:
    """Notes Ctrl+C while the block runs, in `asked`; a second one comes through at once.

    Does nothing outside the main thread, and where the program has a handler of its own.
    """

    def __init__(self) -> None:
        self.asked = False
        self._replaced: Any = None

    def __enter__(self) -> Deferred:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._replaced = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *error: object) -> None:
        if self._replaced is not None:
            signal.signal(signal.SIGINT, self._replaced)
