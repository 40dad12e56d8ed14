"""Ctrl+C at a moment at which everything is whole."""

from __future__ import annotations

import signal
import threading
from typing import Any

STRETCH_SECONDS = 0.2
"""Time (s) that a stretch between two looks at Ctrl+C, and at the progress meter, is not to take."""


class Deferred:
    """Notes Ctrl+C while the block runs, in `asked`; a second one comes through at once.

    The program's own handler is called all the same: what it would raise is what is noted. (Brian2 has one from its
    import on, which raises like Python's own while none of its networks runs.) Nothing is done outside the main thread.
    """

    def __init__(self) -> None:
        self.asked = False
        self._replaced: Any = None

    def __enter__(self) -> Deferred:
        main = threading.current_thread() is threading.main_thread()
        if main and callable(signal.getsignal(signal.SIGINT)):
            self._replaced = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: Any) -> None:
        try:
            self._replaced(number, frame)
        except KeyboardInterrupt:
            if self.asked:
                raise
            self.asked = True

    def __exit__(self, *error: object) -> None:
        if self._replaced is not None:
            signal.signal(signal.SIGINT, self._replaced)
