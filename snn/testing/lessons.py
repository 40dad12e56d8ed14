"""The plain form of what credit links do around presentations, for the twin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def softmax(v: Any) -> np.ndarray:
    """exp(v) / sum exp(v)."""
    e = np.exp(np.asarray(v, float) - np.max(v))
    return e / e.sum()


def normal_at(key: int, counter: int) -> float:
    """Number `counter` of the stream `key` of standard normal numbers (Box & Muller 1958)."""
    from ..random import uniform_at

    u, v = (uniform_at(key % 2**64, 2 * counter + k) for k in (0, 1))
    return math.sqrt(-2.0 * math.log(1.0 - u)) * math.cos(2.0 * math.pi * v)


class Lessons:
    """Credit links of a twin: what they keep between presentations, and how signals come about.

    Parameters
    ----------
    twin : Twin
    """

    def __init__(self, twin: Any) -> None:
        self.twin = twin
        self.links = list(twin.network.credits)
        self.feedback = [
            x.pathway.draw(twin._streams.generator("credit", x.to.name, x.error.name), x.to.size, x.error.size)
            for x in self.links
        ]
        self.expected = [math.nan] * len(self.links)
        self.xi: list[np.ndarray] = [np.zeros(x.to.size) for x in self.links]

    def _noise(self, link: Any, shown: int) -> np.ndarray:
        """Standard normal numbers of a link for one presentation, one for each neuron."""
        key = self.twin._streams.key("nudge", link.to.name, link.error.name)
        return np.array([normal_at(key + j, shown) for j in range(link.to.size)])

    def begin(self, shown: int) -> None:
        """Nudge the neurons of links that do so; nothing has happened yet in this presentation."""
        for k, link in enumerate(self.links):
            if link.pathway.overrides("perturb"):
                self.xi[k] = self._noise(link, shown)
                for cell, xi in zip(self.twin._of(link.to.name), self.xi[k], strict=True):
                    cell.plugin.receive(cell.record, 0, link.pathway.perturb(float(xi)))

    def signals(self, readout: str, error: np.ndarray, label: int, reward: float, shown: int) -> dict[str, np.ndarray]:
        """The learning signal of every population at the end of a presentation; feedback weights learn as well."""
        known = {readout: error}
        waiting = list(range(len(self.links)))
        while waiting:
            ready = [
                k
                for k in waiting
                if self.links[k].error.name == readout
                or not any(self.links[m].to is self.links[k].error for m in waiting)
            ]
            for k in ready:
                link, to = self.links[k], self.links[k].to.name
                heard = self._hear(k, known, label, reward)
                known[to] = known.get(to, np.zeros(link.to.size)) + self.carry(k, heard)
                self.learn(k, heard)
                self.mirror(k, shown)
            waiting = [k for k in waiting if k not in ready]
        return known

    def _activity(self, link: Any) -> np.ndarray:
        """Spikes of each neuron in this presentation."""
        return np.array([self.twin.fired.get((link.to.name, j), 0) for j in range(link.to.size)])

    def _hear(self, k: int, known: dict[str, np.ndarray], label: int, reward: float) -> np.ndarray:
        link = self.links[k]
        hears, n = link.pathway.hears, link.error.size
        target = np.arange(n) == label
        if hears == "label":
            return -target.astype(float)
        if hears == "own":
            return softmax(self.guess(k)) - target
        if hears == "reward":
            mean = reward if math.isnan(self.expected[k]) else self.expected[k]
            self.expected[k] = link.pathway.expect(mean, reward)
            return np.array([mean - reward])
        if any(x.to is link.error for x in self.links):
            return self.gain(link.error.name, known[link.error.name])
        return known[link.error.name]

    def guess(self, k: int) -> np.ndarray:
        """What the neurons' spike counts add up to in the link's own readout."""
        link, out = self.links[k], np.zeros(self.links[k].error.size)
        for j, x in enumerate(self._activity(link)):
            if x > 0:
                out += [link.pathway.feedback(math.nan, float(b)) * x for b in self.feedback[k][j]]
        return out

    def gain(self, population: str, signal: np.ndarray) -> np.ndarray:
        """Signals of a hidden population times the gains of its rules."""
        out = np.zeros(signal.size)
        for path in self.twin._plastic[population]:
            if path.rule.overrides("gain"):
                out += [path.rule.gain(path.post[j].at(self.twin.t), self.twin.t) * s for j, s in enumerate(signal)]
        return out

    def _forward(self, link: Any) -> np.ndarray:
        w = np.full((link.to.size, link.error.size), math.nan)
        for path in self.twin._paths:
            if path.source == link.to.name and path.target == link.error.name:
                for k, row in enumerate(path.row_of):
                    w[row.source, path.targets[k]] = path.syn[k].w
        return w

    def carry(self, k: int, heard: np.ndarray) -> np.ndarray:
        """sum_k feedback(w_jk, b_jk) e_k."""
        link, w = self.links[k], self._forward(self.links[k])
        b = self.xi[k][:, None] if link.pathway.hears == "reward" else self.feedback[k]
        return np.array(
            [
                sum(link.pathway.feedback(float(w[j, m]), float(b[j, m])) * float(heard[m]) for m in range(heard.size))
                for j in range(link.to.size)
            ]
        )

    def learn(self, k: int, heard: np.ndarray) -> None:
        """Feedback weights of neurons that have fired learn."""
        link = self.links[k]
        if link.pathway.overrides("learn"):
            for j, x in enumerate(self._activity(link)):
                if x > 0:
                    for m in range(heard.size):
                        self.feedback[k][j, m] = link.pathway.learn(
                            float(self.feedback[k][j, m]), float(x), float(heard[m])
                        )

    def mirror(self, k: int, shown: int) -> None:
        """Feedback weights learn from a moment of noise."""
        link = self.links[k]
        if link.pathway.overrides("mirror"):
            x, w = self._noise(link, shown), self._forward(link)
            y = x @ w
            for j in range(x.size):
                for m in range(y.size):
                    self.feedback[k][j, m] = link.pathway.mirror(
                        float(self.feedback[k][j, m]), float(x[j]), float(y[m])
                    )
