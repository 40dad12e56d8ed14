"""What a task is: samples to learn from, samples to choose by, samples to be judged by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from snn.errors import ParameterError
from snn.plugin import is_whole


def check_whole(task: str, least: int, **options: Any) -> None:
    """Refuse options of a task that are no whole numbers of at least `least`; what follows a name may be text."""
    for name, value in options.items():
        if not is_whole(value, least):
            raise ParameterError(f"Task {task!r}: {name} is {value!r}; give a whole number, {least} or more.")


@dataclass(frozen=True)
class Task:
    """A classification task.

    Parameters
    ----------
    name : str
    train_x, test_x : (n, n_in) float array, 0 to 1, or snn.events.Events
    train_y, test_y : (n,) int array, 0 to n_classes - 1
    valid_x, valid_y : the same, optional
        Samples to choose settings by, where the task was published with some.
    feedback_delay : float, s
        Time between the end of a sample and the error.
    duration : float, s, optional
        How long a sample of spikes lasts.
    """

    name: str
    train_x: Any
    train_y: np.ndarray
    test_x: Any
    test_y: np.ndarray
    valid_x: Any = None
    valid_y: np.ndarray | None = None
    feedback_delay: float = 0.0
    duration: float | None = None

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return int(self.train_x.shape[1] if isinstance(self.train_x, np.ndarray) else self.train_x.size)

    @property
    def n_classes(self) -> int:
        return int(max(self.train_y.max(), self.test_y.max())) + 1

    def hold_out(self, fraction: float, seed: int = 0) -> Task:
        """The task with validation samples: its own where it has some, else a share of each class's training samples.

        Parameters
        ----------
        fraction : float, 0 to 1
            Share of the training samples; they are no longer trained on.
        seed : int
            Of the choice.
        """
        if not 0.0 < fraction < 1.0:
            raise ParameterError(f"Task.hold_out: fraction is {fraction}; give a number between 0 and 1, such as 0.1.")
        if self.valid_y is not None:
            return self
        held = np.zeros(self.train_y.size, bool)
        for members in self._by_class(seed):
            held[members[: round(fraction * members.size)]] = True
        return self._holding(held)

    def fold(self, k: int, n: int, seed: int = 0) -> Task:
        """The task with the k-th of n equal shares of its training samples for validation samples, class by class.

        Parameters
        ----------
        k : int
            0 to n - 1.
        n : int
            Shares, 2 or more.
        seed : int
            Of the division.
        """
        if not 0 <= k < n or n < 2:
            raise ParameterError(f"Task.fold: k is {k} of n = {n}; give n of 2 or more, and k from 0 to n - 1.")
        held = np.zeros(self.train_y.size, bool)
        # All classes one after the other, so that no share gets the odd samples of each class.
        held[np.concatenate(self._by_class(seed))[k::n]] = True
        return self._holding(held)

    def _by_class(self, seed: int) -> list[np.ndarray]:
        """Training samples of each class, in random order."""
        rng = np.random.Generator(np.random.Philox(seed))
        return [rng.permutation(np.flatnonzero(self.train_y == c)) for c in range(self.n_classes)]

    def _holding(self, held: np.ndarray) -> Task:
        return replace(
            self,
            train_x=self.train_x[~held],
            train_y=self.train_y[~held],
            valid_x=self.train_x[held],
            valid_y=self.train_y[held],
        )

    def __repr__(self) -> str:
        valid = 0 if self.valid_y is None else self.valid_y.size
        return (
            f"<task {self.name}: {self.n_in} inputs, {self.n_classes} classes, {self.train_y.size} training, "
            f"{valid} validation and {self.test_y.size} test samples>"
        )
