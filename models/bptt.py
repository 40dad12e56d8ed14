"""Backpropagation through time on the spiking network itself: what its local rules are measured against."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from snn.account import count_credit, count_error
from snn.engine.jit import loop
from snn.errors import ParameterError
from snn.events import Events
from snn.ledger import Ledger
from snn.plugin import is_whole
from snn.presentations import Presentations
from snn.units import ms

from .passes import Vary, passes

_CHUNK = 4096  # samples whose jitter is drawn at a time


@loop()
def _encode(x, u, low, t_last, t_first, jitter, period, duration, n_steps, ptr, ids, fill):
    """Input spikes of a sample by step: step t holds ids[ptr[t]:ptr[t + 1]]. Returns how many, or -1 if ids is full.

    The latency code of :class:`models.sources.Latency`.
    """
    per_second = n_steps / duration
    for sweep in range(2):
        if sweep == 0:
            ptr[:] = 0
        else:
            total = 0
            for t in range(n_steps):
                fill[t] = total
                total += ptr[t + 1]
                ptr[t + 1] = total
            if total > ids.size:
                return -1
        for i in range(x.size):
            if x[i] > low:
                t = t_first + (1.0 - x[i]) * t_last + jitter * u[i]
                while t < duration:
                    step = min(int(t * per_second), n_steps - 1)
                    if sweep == 0:
                        ptr[step + 1] += 1
                    else:
                        ids[fill[step]] = i
                        fill[step] += 1
                    t += period
    return ptr[n_steps]


@loop()
def _play(events, times, duration, n_steps, ptr, ids):
    """The same of a sample that is spikes, in order of time; those after its end are left out."""
    ptr[:] = 0
    n = 0
    while n < times.size and times[n] < duration:
        ids[n] = events[n]
        ptr[min(int(times[n] * (n_steps / duration)), n_steps - 1) + 1] += 1
        n += 1
    for t in range(n_steps):
        ptr[t + 1] += ptr[t]
    return n


@loop()
def _forward(ptr, ids, sizes, w, alpha, half, smooth, u, s, out):
    """Potentials u and spikes s of the hidden layers, (steps, all hidden neurons), and the readout's sums `out`."""
    n_layers = sizes.size - 2
    out[:] = 0.0
    for t in range(u.shape[0]):
        base, first = 0, 0
        for layer in range(n_layers):
            n = sizes[layer + 1]
            now = u[t, first : first + n]
            if t == 0:
                now[:] = 0.0
            else:
                before, fired = u[t - 1, first : first + n], s[t - 1, first : first + n]
                for j in range(n):
                    now[j] = alpha * (before[j] - fired[j])
            if layer == 0:
                for k in range(ptr[t], ptr[t + 1]):
                    row = w[ids[k] * n : (ids[k] + 1) * n]
                    for j in range(n):
                        now[j] += row[j]
            else:
                _deliver(s[t, first - sizes[layer] : first], w[base:], now)
            here = s[t, first : first + n]
            for j in range(n):
                if smooth:
                    here[j] = 0.5 + (now[j] - 1.0) * half / (half + abs(now[j] - 1.0))
                else:
                    here[j] = 1.0 if now[j] >= 1.0 else 0.0
            base += sizes[layer] * n
            first += n
        _deliver(s[t, first - sizes[n_layers] : first], w[base:], out)


@loop()
def _deliver(spikes, w, into):
    """Rows of w (one for each source) added to `into`, each times its source's spikes."""
    n = into.size
    for i in range(spikes.size):
        if spikes[i] != 0.0:
            row = w[i * n : (i + 1) * n]
            for j in range(n):
                into[j] += spikes[i] * row[j]


@loop(fastmath={"reassoc"})
def _dot(a, b):
    total = 0.0
    for k in range(a.size):
        total += a[k] * b[k]
    return total


@loop()
def _backward(sizes, w, alpha, half, through_reset, rate_cost, rate_target, u, error, n_fired, d):
    """d = derivative of the loss by each potential, (steps, all hidden neurons), from the last step to the first.

    With lam = alpha du[t + 1]:  ds[t] = W^T du of the layer above (or of the readout) + rate term - lam,
    du[t] = lam + psi(u[t]) ds[t].
    """
    n_layers = sizes.size - 2
    n_steps, total = u.shape
    n_out = error.size
    last = sizes[n_layers]
    base = w.size - last * n_out
    fixed = np.empty(total)
    for j in range(total):
        fixed[j] = rate_cost * (n_fired[j] - rate_target)
    for j in range(last):
        fixed[total - last + j] += _dot(w[base + j * n_out : base + (j + 1) * n_out], error)
    reset = 1.0 if through_reset else 0.0
    for t in range(n_steps - 1, -1, -1):
        first, top = total, base
        for layer in range(n_layers - 1, -1, -1):
            n = sizes[layer + 1]
            first -= n
            if layer < n_layers - 1:
                above = sizes[layer + 2]
                top -= n * above
                for j in range(n):
                    d[t, first + j] = _dot(
                        w[top + j * above : top + (j + 1) * above], d[t, first + n : first + n + above]
                    )
            else:
                d[t, first:] = 0.0
            for j in range(first, first + n):
                lam = alpha * d[t + 1, j] if t + 1 < n_steps else 0.0
                root = half / (half + abs(u[t, j] - 1.0))
                d[t, j] = lam + root * root * (d[t, j] + fixed[j] - reset * lam)


@loop()
def _update(ptr, ids, sizes, w, eta, eta_readout, s, error, n_fired, d):
    """Descend the gradient: a row of weights for each spike of its source."""
    n_layers = sizes.size - 2
    for t in range(d.shape[0]):
        base, first = 0, 0
        for layer in range(n_layers):
            n = sizes[layer + 1]
            change = d[t, first : first + n]
            for j in range(n):
                change[j] *= -eta
            if layer == 0:
                for k in range(ptr[t], ptr[t + 1]):
                    row = w[ids[k] * n : (ids[k] + 1) * n]
                    for j in range(n):
                        row[j] += change[j]
            else:
                below = sizes[layer]
                for i in range(below):
                    spikes = s[t, first - below + i]
                    if spikes != 0.0:
                        row = w[base + i * n : base + (i + 1) * n]
                        for j in range(n):
                            row[j] += spikes * change[j]
            base += sizes[layer] * n
            first += n
    n_out, last = error.size, sizes[n_layers]
    base = w.size - last * n_out
    for j in range(last):
        spikes = n_fired[n_fired.size - last + j]
        if spikes != 0.0:
            for k in range(n_out):
                w[base + j * n_out + k] -= eta_readout * spikes * error[k]


@loop()
def _show(x, spikes, y, order, jitter, code, sizes, w, params, learn, smooth, n_steps, out, loss, fired, counts):
    """Show samples, values x or else spikes = (ptr, ids, times); code and params as they are unpacked below.

    Adds to `fired`, the spikes of each hidden neuron, and to counts = [input spikes, neurons of the last hidden layer
    that fired]. Returns False where there is no room for a sample's input spikes, which cannot be.
    """
    low, t_last, t_first, latest, period, duration = code
    alpha, half, eta, eta_readout, rate_cost, rate_target, through_reset = params
    n_layers, n_out = sizes.size - 2, sizes[-1]
    total = 0
    for layer in range(n_layers):
        total += sizes[layer + 1]
    u, s, d = np.zeros((n_steps, total)), np.zeros((n_steps, total)), np.zeros((n_steps, total))
    error, n_fired = np.zeros(n_out), np.zeros(total)
    trains = 1 if period == math.inf else 1 + int(duration / period)
    first, played, times = spikes
    room = trains * sizes[0]
    for k in range(first.size - 1):
        room = max(room, first[k + 1] - first[k])
    ids, ptr, fill = np.zeros(room, np.int64), np.zeros(n_steps + 1, np.int64), np.zeros(n_steps, np.int64)
    for m in range(order.size):
        sample = order[m]
        if first.size > 1:
            a, b = first[sample], first[sample + 1]
            n_in = _play(played[a:b], times[a:b], duration, n_steps, ptr, ids)
        else:
            n_in = _encode(
                x[sample], jitter[m], low, t_last, t_first, latest, period, duration, n_steps, ptr, ids, fill
            )
        if n_in < 0:
            return False
        _forward(ptr, ids, sizes, w, alpha, half, smooth, u, s, out[m])
        counts[0] += n_in
        for j in range(total):
            n_fired[j] = 0.0
        for t in range(n_steps):
            for j in range(total):
                n_fired[j] += s[t, j]
        for j in range(total):
            fired[j] += n_fired[j]
            if j >= total - sizes[n_layers] and n_fired[j] != 0.0:
                counts[1] += 1
        if y.size == 0:
            continue
        top, norm = -math.inf, 0.0
        for k in range(n_out):
            top = max(top, out[m, k])
        for k in range(n_out):
            error[k] = math.exp(out[m, k] - top)
            norm += error[k]
        for k in range(n_out):
            error[k] /= norm
        loss[m] = -math.log(max(error[y[sample]], 1e-300))
        error[y[sample]] -= 1.0
        if learn:
            _backward(sizes, w, alpha, half, through_reset, rate_cost, rate_target, u, error, n_fired, d)
            _update(ptr, ids, sizes, w, eta, eta_readout, s, error, n_fired, d)
    return True


class BPTT:
    r"""n_in - hidden layers - n_out of LIF neurons on a time grid, trained online by surrogate gradients through time.

    The network of :class:`models.classifier.LatencyClassifier`: a latency code, LIF neurons of threshold 1 with soft
    reset and delta synapses, a readout that sums weighted spikes, softmax and cross-entropy. In step t, layer l,

        u[t] = alpha (u[t-1] - s[t-1]) + W s_(l-1)[t],   s[t] = 1 where u[t] >= 1,   alpha = exp(-dt / tau_m),

    so that a neuron fires once a step at most. In the backward pass the derivative of s by u is replaced by that of a
    fast sigmoid, psi(u) = (1 + |u - 1| / width)^-2.

    Parameters
    ----------
    sizes : (n_in, *hidden, n_out)
    eta, eta_readout : float
        Learning rates of all layers but the last, and of the last (default: the same).
    width : float
        Distance from threshold at which the surrogate derivative has fallen to a quarter.
    rate_cost, rate_target : float
        Adds rate_cost / 2 (n - rate_target)^2 to the loss for each hidden neuron that fires n times in a sample.
    through_reset : bool
        Whether the gradient also goes through the reset. Without, networks learn better (Zenke & Vogels 2021).
    steps : int
        Time steps in a presentation.
    seed, w_in, w_hidden, w_out, tau_m, t_last, duration, period, low, jitter
        As in LatencyClassifier.

    References
    ----------
    Neftci, Mostafa & Zenke (2019) IEEE Signal Process. Mag. 36, 51; Zenke & Vogels (2021) Neural Comput. 33, 899.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        *,
        eta: float = 0.01,
        eta_readout: float | None = None,
        width: float = 0.5,
        rate_cost: float = 0.0,
        rate_target: float = 1.0,
        through_reset: bool = False,
        steps: int = 40,
        seed: int = 0,
        w_in: tuple[float, float] = (0.4, 1.2),
        w_hidden: tuple[float, float] = (0.4, 1.2),
        w_out: float = 0.05,
        tau_m: float = 50 * ms,
        t_last: float = 20 * ms,
        duration: float = 30 * ms,
        period: float = math.inf,
        low: float = 0.1,
        jitter: float = 8 * ms,
    ) -> None:
        if len(sizes) < 3 or min(sizes) < 1:
            raise ParameterError(f"BPTT.sizes is {sizes}; give (inputs, hidden, ..., outputs), each 1 or more.")
        if not is_whole(steps, 1):
            raise ParameterError(f"BPTT.steps is {steps!r}; give a whole number, 1 or more.")
        self.sizes, self.steps, self.seed, self.duration = tuple(map(int, sizes)), int(steps), seed, duration
        self.eta, self.eta_readout = eta, eta if eta_readout is None else eta_readout
        self.width, self.rate_cost, self.rate_target = width, rate_cost, rate_target
        self.through_reset, self.tau_m = through_reset, tau_m
        self.low, self.t_last, self.jitter, self.period = low, t_last, jitter, period
        self._rng = np.random.Generator(np.random.Philox(seed))
        pairs = list(zip(self.sizes, self.sizes[1:], strict=False))
        moments = [w_in, *([w_hidden] * (len(pairs) - 2))]
        drawn = [self._rng.normal(*m, a * b) / math.sqrt(a) for m, (a, b) in zip(moments, pairs[:-1], strict=True)]
        self._w = np.concatenate([*drawn, self._rng.normal(0.0, w_out, pairs[-1][0] * pairs[-1][1])])

    @property
    def weights(self) -> list[np.ndarray]:
        """The weights of each layer, (n_source, n_target): views, which can be written."""
        pairs = list(zip(self.sizes, self.sizes[1:], strict=False))
        ends = np.cumsum([a * b for a, b in pairs])
        return [self._w[end - a * b : end].reshape(a, b) for end, (a, b) in zip(ends, pairs, strict=True)]

    @property
    def names(self) -> list[str]:
        """Names of inputs, hidden layers and readout."""
        n = len(self.sizes) - 2
        return ["input", *("hidden" if k == 0 else f"hidden{k + 1}" for k in range(n)), "readout"]

    def fit(
        self,
        samples: Any,
        labels: Any,
        epochs: int,
        meter: Any = None,
        vary: Vary | None = None,
    ) -> list[Presentations]:
        """Train for some passes in random order; the learning rates fall to zero along half a cosine.

        With `vary`, every pass shows vary(samples, rng) instead of the samples.
        """
        return [
            self.show(shown, labels, learn=True, order=order, fall=left)
            for shown, order, left in passes(samples, len(labels), epochs, self._rng, vary, meter)
        ]

    def show(
        self, samples: Any, labels: Any = None, *, learn: bool = False, order: Any = None, fall: float = 1.0
    ) -> Presentations:
        """Show samples, all in their order by default; with learn=True, learn from each at `fall` times the rates.

        `neuron_spikes` of the result holds the spikes of each neuron by the name of its layer.
        """
        return self._present(samples, labels, learn, order, fall, smooth=False)

    def _present(self, samples: Any, labels: Any, learn: bool, order: Any, fall: float, smooth: bool) -> Presentations:
        spikes = np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0)
        if isinstance(samples, Events):
            if samples.size != self.sizes[0]:
                raise ParameterError(
                    f"BPTT: samples are spikes of {samples.size} neurons; this network has {self.sizes[0]} inputs."
                )
            spikes = samples.ptr, samples.ids, samples.times
            samples = np.zeros((len(samples), self.sizes[0]), np.float32)
        x = np.ascontiguousarray(samples, dtype=np.float32)
        if x.ndim != 2 or x.shape[1] != self.sizes[0]:
            raise ParameterError(f"BPTT: samples have shape {x.shape}; this network needs (n, {self.sizes[0]}).")
        y = np.zeros(0, np.int64) if labels is None else np.ascontiguousarray(labels, dtype=np.int64)
        if labels is None and learn:
            raise ParameterError("BPTT: learning needs labels; give them, or learn=False.")
        if y.size and (y.shape != (len(x),) or y.min() < 0 or y.max() >= self.sizes[-1]):
            raise ParameterError(
                f"BPTT: labels have shape {y.shape} and lie in {y.min()} to {y.max()}; give {len(x)} whole numbers, "
                f"0 to {self.sizes[-1] - 1}."
            )
        index = np.arange(len(x)) if order is None else np.ascontiguousarray(order, dtype=np.int64)
        began = time.perf_counter()
        sizes = np.array(self.sizes)
        out, loss = np.zeros((index.size, self.sizes[-1])), np.full(index.size, math.nan)
        fired, seen = np.zeros(sum(self.sizes[1:-1])), np.zeros(2, np.int64)
        alpha = math.exp(-self.duration / self.steps / self.tau_m)
        rates = float(fall * self.eta), float(fall * self.eta_readout)
        params = alpha, float(self.width), *rates, float(self.rate_cost), float(self.rate_target), self.through_reset
        t_first, jitter = (0.0, self.jitter) if learn else (self.jitter / 2, 0.0)
        code = tuple(map(float, (self.low, self.t_last, t_first, jitter, self.period, self.duration)))
        for k in range(0, index.size, _CHUNK):
            part = index[k : k + _CHUNK]
            shape = part.size, x.shape[1]
            drawn = self._rng.random(shape, dtype=np.float32) if jitter else np.zeros(shape, np.float32)
            span = slice(k, k + part.size)
            done = _show(
                x, spikes, y, part, drawn, code, sizes, self._w, params, learn, smooth, self.steps,
                out[span], loss[span], fired, seen,
            )  # fmt: skip
            assert done
        by_layer = np.split(fired, np.cumsum(self.sizes[1:-2]))
        # The smooth twin's are no counts, and nobody asks for its bill.
        counts = np.array([seen[0], *(layer.sum() for layer in by_layer), seen[1]]).astype(np.int64)
        ledger = self._ledger(index.size, counts, learn)
        events = sum(int(n) * size for n, size in zip(counts[:-1], self.sizes[1:], strict=True))
        return Presentations(
            outputs=out,
            potentials=out,
            labels=y[index] if y.size else None,
            loss=loss,
            spikes={name: int(n) for name, n in zip(self.names, [*counts[:-1], 0], strict=True)},
            synaptic_events=events,
            ledger=ledger,
            seconds=time.perf_counter() - began,
            neuron_spikes=dict(zip(self.names[1:-1], by_layer, strict=True)),
        )

    def gradients(self, x: np.ndarray, label: int, smooth: bool = False) -> list[np.ndarray]:
        """Gradient of one sample's loss by the weights of each layer, read off one step of the training kernel.

        With smooth=True it is that of the twin whose neurons emit 0.5 + (u - 1) / (1 + |u - 1| / width) in place of
        spikes: a smooth network, of which the gradient is exact.
        """
        keep, rates, rng = self._w.copy(), (self.eta, self.eta_readout), self._rng.bit_generator.state
        self.eta = self.eta_readout = 1.0
        try:
            self._present(x[None, :], [label], True, None, 1.0, smooth)
            after = [w.copy() for w in self.weights]
        finally:
            self._w[:] = keep
            self.eta, self.eta_readout = rates
            self._rng.bit_generator.state = rng
        return [w - a for w, a in zip(self.weights, after, strict=True)]

    def smooth_outputs(self, samples: Any) -> np.ndarray:
        """Readout of the smooth twin, (n, n_out); see :meth:`gradients`."""
        return self._present(samples, None, False, None, 1.0, smooth=True).outputs

    def _ledger(self, n: int, counts: np.ndarray, learn: bool) -> Ledger:
        """What `n` presentations have cost, on the machine and by the rule that :mod:`snn.account` describes.

        Beyond the spikes' rows, every neuron does in every step: decay (a multiplication), comparison with the
        threshold, potential and spike written for the backward pass, the last potential read. Backward, in every step:
        surrogate derivative (two additions, a division, a square), its product with what comes from above, decay (a
        multiplication, an addition), the reset, where the gradient goes through it (another two), and below the last
        layer the rate's cost, where there is one (an addition); the potential and the derivative of the next step are
        read, that of this step is written; then it is scaled by the learning rate. Readout sums run as in the forward
        pass. The history has a word for each potential and one for each spike or silence.
        """
        ledger = Ledger(samples=n, transport="W^T" if learn else "none")
        names, sizes, steps = self.names, self.sizes, n * self.steps
        for layer, (size, target) in enumerate(zip(sizes[1:], names[1:], strict=True)):
            where, rows = f"{names[layer]}->{target}", int(counts[layer])
            w_bytes, history = 4 * sizes[layer] * size, 4 * self.steps * size
            ledger.add("forward", names[layer], "spike_emit", rows)
            ledger.add("control", where, "queue", 2 * rows)
            ledger.add("forward", where, "syn_ac", rows * size)
            ledger.add("forward", where, "w_read", rows * size, w_bytes)
            ledger.add("forward", where, "acc_rw", 2 * rows * size, 4 * size)
            ledger.add("forward", target, "state_rw", n * size, 4 * size)  # start values
            if target == "readout":
                continue
            spikes = int(counts[layer + 1])
            ledger.add("forward", target, "mul", steps * size)
            ledger.add("forward", target, "add", steps * size + spikes)
            ledger.add("forward", target, "state_rw", 3 * steps * size + 2 * spikes, history)
            if not learn:
                continue
            above, last = sizes[layer + 2], layer + 2 == len(sizes) - 1
            through = int(self.through_reset)
            ledger.add("credit", target, "add", (3 + through + bool(self.rate_cost and not last)) * steps * size)
            ledger.add("credit", target, "mul", (3 + through) * steps * size)
            ledger.add("credit", target, "exp", steps * size)
            ledger.add("credit", target, "state_rw", 3 * steps * size, history)
            if last:
                count_credit(ledger, target, n * size, size, above)
            else:
                count_credit(ledger, target, steps * size, size, above)
            ledger.add("update", where, "mul", steps * size)
            ledger.add("update", where, "state_rw", 2 * steps * size, history)
            # Spike counts, for the last layer's weights and for the rate's cost.
            if self.rate_cost or last:
                ledger.add("trace", target, "add", spikes)
                ledger.add("trace", target, "state_rw", 2 * spikes + n * size, 4 * size)
            if self.rate_cost:
                ledger.add("credit", target, "add", 2 * n * size)
                ledger.add("credit", target, "mul", n * size)
                ledger.add("credit", target, "state_rw", n * size, 4 * size)
            self._count_update(ledger, where, rows * size, size, w_bytes)
            # Potentials and spikes of all steps wait for the backward pass, and so do the spikes that came in.
            ledger.held_bytes += 8 * self.steps * size + 4 * rows // max(1, n)
        if learn:
            count_error(ledger, "readout", n, sizes[-1])
            fired, where = int(counts[-1]), f"{names[-2]}->readout"
            ledger.add("update", where, "state_rw", fired, 4 * sizes[-2])
            ledger.add("update", where, "mul", fired + fired * sizes[-1])
            self._count_update(ledger, where, fired * sizes[-1], sizes[-1], 4 * sizes[-2] * sizes[-1])
        return ledger

    @staticmethod
    def _count_update(ledger: Ledger, where: str, n: int, size: int, w_bytes: int) -> None:
        """`n` weights changed, each by what waits at its target."""
        ledger.add("update", where, "add", n)
        ledger.add("update", where, "acc_rw", n, 4 * size)
        ledger.add("update", where, "w_read", n, w_bytes)
        ledger.add("update", where, "w_write", n, w_bytes)
        ledger.updates += n
