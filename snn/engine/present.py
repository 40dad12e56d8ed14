"""Learning from a data set: one compiled loop over presentations (encode, run, read out, credit, update, reset)."""

from __future__ import annotations

import math

import numpy as np

from .cells import NUDGE, POTENTIAL, RESET, clear, copy
from .dispatch import Kind, by_kind, optional
from .exact import DONE, FLUSH, ask_block, every_block, every_group
from .exchange import begin, forget
from .jit import entry, kernel
from .rng import gaussian
from .rows import CLEAR, FINISH, GAIN, SIGNAL
from .struct import invoke

# What a credit link hears: an error or a label as the driver has formed it, the signals of the layer above, the error
# of a readout of its own, a reward.
GIVEN, ABOVE, OWN, REWARD = Kind("given"), Kind("above"), Kind("own"), Kind("reward")
# What a readout says: its potential, how often it has fired in the presentation, its spikes filtered by an exponential,
# how early it has fired first.
POTENTIALS, COUNTS, TRACE, FIRST = range(4)
# Why `present` returned, beside the reasons of the engine: more than MOST spikes for each neuron in one presentation,
# after which there may be no end.
RUNAWAY, MOST = 6.0, 10_000
# What a credit link can be asked to do: begin a presentation, form its signal, say nothing.
BEGIN, FORM, HUSH = range(3)
# Counters of a credit link: neurons that a readout of its own has heard, neurons whose feedback weights have learned,
# moments of noise.
N_HEARD, N_LEARNED, N_MIRRORED = range(3)


def _same(pathway, value, *rest):
    return value


_learn, _mirror = optional("learn", _same), optional("mirror", _same)
_perturb, _expect = optional("perturb", _same), optional("expect", _same)


@kernel
def softmax(values):
    """exp(v - max v) / sum, in place."""
    top = -math.inf
    for k in range(values.size):
        top = max(top, values[k])
    total = 0.0
    for k in range(values.size):
        values[k] = math.exp(values[k] - top)
        total += values[k]
    for k in range(values.size):
        values[k] /= total


def _hear_given(link, e, t):
    pass


def _hear_above(link, e, t):
    clear(link.error)
    for k in range(link.above.size):
        g = link.above[k]
        invoke(e.group_kernels[g], e.groups[g], e, GAIN, 0, t)


def _hear_own(link, e, t):
    error, fed, pathway = link.error, link.feedback, link.pathway
    n = error.size
    clear(error)
    for j in range(link.signal.size):
        x = e.counts[link.g0 + j] - link.before[j]
        if x > 0:
            link.count[N_HEARD] += 1
            for k in range(n):
                error[k] += pathway.feedback(math.nan, fed[j * n + k]) * x
    softmax(error)
    error[link.label[0]] -= 1.0


def _hear_reward(link, e, t):
    reward = link.reward[0]
    mean = link.expected[0]
    if mean != mean:
        mean = reward
    link.error[0] = mean - reward
    link.expected[0] = _expect(link.pathway, mean, reward)


_hear = by_kind(given=_hear_given, above=_hear_above, own=_hear_own, reward=_hear_reward)


@kernel
def _begin(link, e, i):
    """Note what the neurons have fired up to now, and nudge them."""
    for j in range(link.signal.size):
        link.before[j] = e.counts[link.g0 + j]
        if link.nudges:
            xi = gaussian(link.key[0] + np.uint64(j), i)
            link.feedback[j] = xi
            ask_block(e, link.g0 + j, NUDGE, _perturb(link.pathway, xi))


@kernel
def _form(link, e):
    """Add what has been heard, carried by the pathway, to the signal of every neuron."""
    error, fed, forward, signal, pathway = link.error, link.feedback, link.forward, link.signal, link.pathway
    n = error.size
    step = 1 if forward.size > 1 else 0
    for j in range(signal.size):
        total = 0.0
        for k in range(n):
            total += pathway.feedback(float(forward[(j * n + k) * step]), fed[j * n + k]) * error[k]
        signal[j] = total + (0.0 if link.first else signal[j])


@kernel
def _feedback_learns(link, e):
    error, fed, pathway = link.error, link.feedback, link.pathway
    n = error.size
    for j in range(link.signal.size):
        x = e.counts[link.g0 + j] - link.before[j]
        if x > 0:
            link.count[N_LEARNED] += 1
            for k in range(n):
                fed[j * n + k] = _learn(pathway, fed[j * n + k], float(x), error[k])


@kernel
def _feedback_mirrors(link, i):
    """A moment of noise: drive the neurons, and let the feedback weights see what arrives above."""
    fed, forward, noise, heard, pathway = link.feedback, link.through, link.noise, link.heard, link.pathway
    n = heard.size
    clear(heard)
    for j in range(noise.size):
        noise[j] = gaussian(link.key[0] + np.uint64(j), i)
        for k in range(n):
            heard[k] += forward[j * n + k] * noise[j]
    for j in range(noise.size):
        for k in range(n):
            fed[j * n + k] = _mirror(pathway, fed[j * n + k], noise[j], heard[k])
    link.count[N_MIRRORED] += 1


@entry
def credit(link, e, op, i, t):
    """What a credit link does around presentation number `i`, which ends at t."""
    if op == BEGIN:
        _begin(link, e, i)
    elif op == FORM:
        _hear(link, e, t)
        _form(link, e)
        if link.learns:
            _feedback_learns(link, e)
        if link.mirrors:
            _feedback_mirrors(link, i)
    elif op == HUSH:
        clear(link.signal)
    return 0.0


@kernel
def reset_queues(e):
    """Forget every event in flight and start the clock again."""
    if e.n_free < e.pool_t.size:
        for k in range(e.pool_t.size):
            e.free[k] = k
        e.n_free = e.pool_t.size
        e.bin_head[:] = -1
    for k in range(e.n_cross):
        e.cross_at[e.cross_i[k]] = -1
    e.n_cross = 0
    e.n_release = 0
    e.n_rest = 0
    e.i_open = 0
    e.n_open = 0
    e.n_side = 0
    e.i_cur = 0
    e.n_cur = 0
    e.i_src = 0
    e.n_src = 0
    e.n_pending = 0
    e.phase = 0
    e.window = 0
    # Given spikes belong to the time within a presentation.
    e.i_given = 0
    e.given_shift = 0.0
    e.now = 0.0
    e.w0 = 0.0
    e.w1 = 0.0
    e.last_w0 = 0.0
    e.n_fired = 0
    e.bad = -1
    begin(e)


@kernel
def _find_first_spikes(e, p):
    """Note when each readout neuron fired first, among the spikes recorded since the last look."""
    for k in range(p.seen, e.n_rec):
        m = e.rec_i[k] - p.readout
        if m >= 0 and m < p.earliest.size and e.rec_t[k] < p.earliest[m]:
            p.earliest[m] = e.rec_t[k]
    p.seen = e.n_rec


@kernel
def _begin_sample(e, p, shown):
    """Everything but the synapses back to its start, and the sample into its encoder."""
    reset_queues(e)
    copy(p.x_start, p.samples[shown])
    if p.first_spike.size > 0:
        e.i_given = p.first_spike[shown]
    if p.label_start.size > 0:
        clear(p.label_start)
        if p.learn:
            p.label_start[p.labels[shown]] = 1.0
    number = p.first + p.sample
    # Each presentation has a stretch of every random stream to itself.
    e.first_draw = number << 32
    e.horizon = p.n_steps * p.ticks
    every_block(e, RESET, number)
    every_group(e, CLEAR, 0.0)
    for k in range(p.n_links):
        invoke(p.link_kernels[k], p.links[k], e, BEGIN, number, 0.0)
    for k in range(p.error.size):
        p.fired[k] = e.counts[p.readout + k]
        p.earliest[k] = math.inf
        p.trace[k] = 0.0
    p.step = 0
    p.n_fired = 0
    p.rec_start = e.n_rec
    p.seen = e.n_rec


@kernel
def _read_out(e, p, t):
    """What the readout says now, into `error`, `out` and where outputs of every step are kept."""
    s, taught = p.sample, p.step >= p.first_taught
    for k in range(p.error.size):
        p.potential[s, k] = ask_block(e, p.readout + k, POTENTIAL, t)
        y = p.potential[s, k]
        if p.code == COUNTS:
            y = float(e.counts[p.readout + k] - p.fired[k])
        elif p.code == TRACE:
            p.trace[k] = p.trace[k] * p.fade + (e.counts[p.readout + k] - p.fired[k])
            p.fired[k] = e.counts[p.readout + k]
            y = p.trace[k]
        elif p.code == FIRST:
            y = -min(p.earliest[k], t) / p.tau_read
        p.error[k] = y
        if taught:
            p.out[s, k] += y * p.share
        if p.over_time.shape[0] > 0:
            p.over_time[s, p.step * p.error.size + k] = y


@kernel
def _judge(p, shown):
    """From outputs to errors: the distance to target values, or softmax less one-hot label."""
    error, s = p.error, p.sample
    if p.targets.shape[0] > 0:
        for k in range(error.size):
            wanted = p.targets[shown, p.step * error.size + k]
            error[k] = error[k] - wanted if wanted == wanted else 0.0
            p.loss[s] += 0.5 * error[k] * error[k]
        return
    softmax(error)
    if p.labels.size > 0:
        target = p.labels[shown]
        loss = -math.log(max(error[target], 1e-300))
        p.loss[s] += loss * p.share
        error[target] -= 1.0
        p.label[0] = target
        p.reward[0] = -loss
        clear(p.wanted)
        p.wanted[target] = -1.0


@entry
def present(e, p, until):
    """Show samples p.order[p.sample:until]; returns why it stopped, like the engine that runs them.

    A presentation is one step, or several, after each of which rules are told of the errors; a step takes p.every s,
    on the grid p.ticks ticks.
    """
    e.frozen = not p.learn
    while p.sample < until:
        s = p.sample
        shown = p.order[s]
        if p.middle == 0:
            _begin_sample(e, p, shown)
            p.middle = 1
        while p.step < p.n_steps:
            t = p.duration if p.step + 1 == p.n_steps else (p.step + 1) * p.every
            why = invoke(p.engine_kernels[0], p.engines[0], e, 0, (p.step + 1) * p.ticks, t)
            if p.code == FIRST:
                _find_first_spikes(e, p)
            if why == FLUSH:
                p.n_fired += e.n_rec - p.rec_start
                if p.n_fired > MOST * e.next_t.size:
                    return RUNAWAY
                if not p.record:
                    forget(e)
                    p.seen = 0
                    continue
            if why != DONE:
                return why
            _read_out(e, p, t)
            taught = p.step >= p.first_taught
            if taught:
                _judge(p, shown)
            else:
                clear(p.error)
            if p.learn:
                # Every signal is formed with the weights as they are before any of them is used.
                for k in range(p.n_links):
                    invoke(p.link_kernels[k], p.links[k], e, FORM if taught else HUSH, p.first + s, t)
                every_group(e, SIGNAL, t)
            p.step += 1
        if p.learn:
            every_group(e, FINISH, p.duration)
        if p.record:
            for k in range(p.rec_start, e.n_rec):
                e.rec_t[k] += (p.first + s) * p.duration
        else:
            forget(e)
        p.middle = 0
        p.sample = s + 1
        if p.record and e.n_rec > e.rec_t.size // 2:
            return FLUSH
    e.frozen = False
    return DONE
