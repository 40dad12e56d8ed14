"""Evidence accumulation: which side showed more cues? The answer is asked for after a delay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from snn.arguments import duration_of
from snn.errors import ExportError, ParameterError
from snn.events import Events
from snn.values import is_real

from .files import find
from .task import Task, check_whole

GROUP = 10  # neurons in each of: cues on the left, cues on the right, recall, noise
INPUTS = 4 * GROUP
N_CUES, CUE, GAP, RECALL = 7, 0.1, 0.05, 0.15
RATE, NOISE = 40.0, 10.0


def trial(rng: np.random.Generator, left: np.ndarray, delay: float) -> tuple[np.ndarray, np.ndarray]:
    """(ids, times in s): cue n on the left where left[n]; then silence of `delay`, then recall; noise throughout."""
    asked = N_CUES * (GAP + CUE) + delay
    spans = [(0 if is_left else 1, GAP + n * (GAP + CUE), CUE, RATE) for n, is_left in enumerate(left)]
    spans += [(2, asked, RECALL, RATE), (3, 0.0, asked + RECALL, NOISE)]
    ids, times = [], []
    for group, start, length, rate in spans:
        for i in range(group * GROUP, (group + 1) * GROUP):
            t = start + length * rng.random(rng.poisson(rate * length))
            ids.append(np.full(t.size, i))
            times.append(t)
    return np.concatenate(ids), np.concatenate(times)


def evidence_accumulation(trials: int = 400, delay: float = 1.05, seed: int = 0, p: float = 0.7) -> Task:
    """40 inputs: 10 for cues on the left, 10 on the right, 10 that ask for the answer, 10 of noise.

    Seven cues of 100 ms at 40 Hz, each after a pause of 50 ms; a cue is on the trial's main side with probability `p`,
    and the label is the side with more cues (0: left). After `delay` the recall inputs fire for 150 ms. Half as many
    trials again are drawn for testing. With p = 0.7, as in the code that e-prop was published with, one cue decides a
    third of the trials; the nearer to 1, the easier the task.

    Parameters
    ----------
    trials : int
        For training, 2 or more.
    delay : float, s
    seed : int
    p : float, 0.5 to 1

    References
    ----------
    Morcos & Harvey (2016) Nat. Neurosci. 19, 1672; Bellec et al. (2020) Nat. Commun. 11, 3625.
    """
    check_whole("evidence", 2, trials=trials)
    check_whole("evidence", 0, seed=seed)
    delay = duration_of("Task 'evidence': delay", delay)
    if not (is_real(p) and 0.5 <= p <= 1.0):
        raise ParameterError(f"Task 'evidence': p is {p!r}; give a probability, 0.5 to 1.")
    rng = np.random.Generator(np.random.Philox(seed))

    def draw(n: int) -> tuple[Events, np.ndarray]:
        main = rng.integers(0, 2, n)
        left = rng.random((n, N_CUES)) < np.where(main == 0, p, 1.0 - p)[:, None]
        events = Events.from_lists((trial(rng, row, delay) for row in left), INPUTS)
        return events, (left.sum(axis=1) <= N_CUES // 2).astype(np.int64)

    x, y = draw(trials)
    x_test, y_test = draw(max(1, trials // 2))
    return Task("evidence", x, y, x_test, y_test, duration=N_CUES * (GAP + CUE) + delay + RECALL)


def read_trials(path: Any) -> tuple[Events, np.ndarray]:
    """Trials of a text file of the ReckOn chip's task: `neuron, time in ms`; `-2, label` and `-1, end` close a trial.

    The first line is the number of trials.

    Raises
    ------
    ExportError
        If the file does not have that form.
    """
    samples: list[tuple[list[int], list[float]]] = []
    labels: list[int] = []
    ids: list[int] = []
    times: list[float] = []
    try:
        first, *lines = Path(path).read_text().split("\n")
        for line in filter(None, map(str.strip, lines)):
            a, b = (int(number) for number in line.split(","))
            if a == -2:
                labels.append(b)
            elif a == -1:
                samples.append((ids, times))
                ids, times = [], []
            else:
                ids.append(a)
                times.append(1e-3 * b)
        expected = int(first)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise ExportError(f"{path} is no list of trials ({error}).") from error
    if not len(samples) == len(labels) == expected:
        raise ExportError(f"{path} holds {len(samples)} trials and {len(labels)} labels; its first line says {first}.")
    return Events.from_lists([(np.asarray(i), t) for i, t in samples], INPUTS), np.array(labels)


def cue_accumulation(data: Any = None) -> Task:
    """50 training and 50 test trials of 2.25 s, as the ReckOn chip's repository has them (Frenkel & Indiveri 2022)."""
    paths = find("cue-accumulation", ["dataset_cueAcc_train.dat", "dataset_cueAcc_test.dat"], data)
    (x, y), (x_test, y_test) = (read_trials(path) for path in paths)
    return Task("cue-accumulation", x, y, x_test, y_test, duration=2.25)
