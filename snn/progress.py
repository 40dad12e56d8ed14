"""Progress meters: objects that are told how far a run is, and that decide what to do with it.

with progress(10.0, "simulate") as meter:
    meter.update(2.5)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

INTERVAL = 1.0  # s of real time between two reports

Callback = Callable[[float, str], object]


class Progress(Protocol):
    """What a run needs of a progress meter. Closing twice is allowed; updating after closing is not."""

    def update(self, done: float) -> None:
        """Tell that `done` of the total has been reached."""

    def close(self) -> None:
        """Show the last state and give the terminal back."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class NoProgress:
    """Says nothing."""

    def update(self, done: float) -> None:
        pass

    def close(self) -> None:
        pass

    def __enter__(self) -> NoProgress:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Throttled:
    """Passes on the first update and then one a second, so that a run may report after each of its short windows."""

    def __init__(self, total: float, description: str) -> None:
        self.total, self.description = float(total), description
        self.done = 0.0
        self._start = time.monotonic()
        self._shown = -float("inf")
        self._closed = False

    def update(self, done: float) -> None:
        self.done = min(max(float(done), 0.0), self.total)
        now = time.monotonic()
        if now - self._shown >= INTERVAL:
            self._shown = now
            self.show(now - self._start)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.show(time.monotonic() - self._start)

    def show(self, elapsed: float) -> None:
        raise NotImplementedError

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _form(unit: str) -> str:
    """Seconds are shown to four digits, what is counted in full."""
    return ".4g" if unit == "s" else ".0f"


class BarProgress(_Throttled):
    """A bar on stderr: part done, simulated time, real time and remaining time.

    Parameters
    ----------
    total : float, s or samples
    description : str
    unit : str
        Unit of `total`.
    """

    def __init__(self, total: float, description: str, unit: str = "s") -> None:
        from tqdm import tqdm

        super().__init__(total, description)
        form = _form(unit)
        self._bar = tqdm(
            total=self.total,
            desc=description,
            file=sys.stderr,
            mininterval=0.0,  # how often is decided in update()
            dynamic_ncols=True,
            bar_format=f"{{desc}} {{percentage:3.0f}}%|{{bar}}| {{n:{form}}}/{{total:{form}}} {unit} "
            "[{elapsed}<{remaining}]",
        )

    def show(self, elapsed: float) -> None:
        self._bar.n = self.done
        self._bar.refresh()

    def close(self) -> None:
        super().close()
        self._bar.close()


class CallbackProgress(_Throttled):
    """Calls `callback(fraction, text)`, with the fraction of the total from 0 to 1 and a line for people.

    The first and the last state are always passed on, those between at most once a second. An exception that the
    callback raises stops the run.
    """

    def __init__(self, total: float, description: str, callback: Callback, unit: str = "s") -> None:
        super().__init__(total, description)
        self._callback, self._unit = callback, unit

    def show(self, elapsed: float) -> None:
        fraction = self.done / self.total if self.total > 0 else 1.0
        remaining = elapsed * (1 - fraction) / fraction if fraction > 0 else float("nan")
        done, total = (format(n, _form(self._unit)) for n in (self.done, self.total))
        text = f"{self.description} {fraction:.0%}: {done} of {total} {self._unit} in {elapsed:.1f} s"
        self._callback(fraction, f"{text}, {remaining:.1f} s remaining" if fraction > 0 else text)


def progress(
    total: float, description: str, enabled: bool | Callback | None = None, *, unit: str = "s"
) -> NoProgress | BarProgress | CallbackProgress:
    """Choose a progress meter.

    Parameters
    ----------
    total : float
        What will have been done at the end, in `unit`.
    description : str
        Shown in front.
    enabled : bool or callable, optional
        None: a bar if stderr is a terminal. True: a bar in any case (notebooks). False: nothing.
        A callable is called with the fraction done (0 to 1) and a line of text.
    unit : str
        ``"s"`` of simulated time, or what else is counted.
    """
    if enabled is None:
        enabled = sys.stderr is not None and sys.stderr.isatty()
    if callable(enabled):
        return CallbackProgress(total, description, enabled, unit)
    return BarProgress(total, description, unit) if enabled else NoProgress()
