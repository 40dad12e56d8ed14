"""Learning from a data set: one compiled loop over presentations (encode, run, read out, credit, update, reset)."""

from __future__ import annotations

import math

from .cells import POTENTIAL, RESET, copy
from .exact import DONE, FLUSH, ask_block, every_block, every_group
from .jit import entry, kernel
from .rows import CLEAR, FINISH, SIGNAL
from .struct import invoke

# What a teacher's signal is made of.
FORM = 0


@entry
def from_error(teacher, e, op, i, t):
    """The signal of a readout is its error."""
    copy(teacher.signal, teacher.error)
    return 0.0


@entry
def from_credit(teacher, e, op, i, t):
    """The signal of a hidden population is what a credit pathway makes of the readout's error."""
    error, fixed, forward, signal, pathway = (
        teacher.error,
        teacher.fixed,
        teacher.forward,
        teacher.signal,
        teacher.pathway,
    )
    n_out = error.size
    step = 1 if forward.size > 1 else 0
    for j in range(signal.size):
        total = 0.0
        for k in range(n_out):
            total += pathway.feedback(float(forward[(j * n_out + k) * step]), fixed[j * n_out + k]) * error[k]
        signal[j] = total
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


@entry
def present(e, p, until):
    """Show samples p.order[p.sample:until]; returns why it stopped, like :func:`snn.engine.exact.advance`."""
    error = p.error
    n_out = error.size
    e.frozen = not p.learn
    while p.sample < until:
        s = p.sample
        shown = p.order[s]
        if p.middle == 0:
            reset_queues(e)
            copy(p.x_start, p.samples[shown])
            every_block(e, RESET, p.first + s)
            every_group(e, CLEAR, 0.0)
            p.rec_start = e.n_rec
            p.middle = 1
        why = invoke(p.engine_kernels[0], p.engines[0], e, 0, 0, p.duration)
        if why == FLUSH and not p.record:
            e.n_rec = 0
            continue
        if why != DONE:
            return why
        top = -math.inf
        for k in range(n_out):
            p.out[s, k] = ask_block(e, p.readout + k, POTENTIAL, p.duration)
            top = max(top, p.out[s, k])
        total = 0.0
        for k in range(n_out):
            error[k] = math.exp(p.out[s, k] - top)
            total += error[k]
        for k in range(n_out):
            error[k] /= total
        if p.labels.size > 0:
            target = p.labels[shown]
            p.loss[s] = -math.log(max(error[target], 1e-300))
            error[target] -= 1.0
        if p.learn:
            # Every signal is formed with the weights as they were while the sample was shown.
            for k in range(p.n_teachers):
                invoke(p.teacher_kernels[k], p.teachers[k], e, FORM, 0, 0.0)
            every_group(e, SIGNAL, p.duration)
            every_group(e, FINISH, p.duration)
        if p.record:
            for k in range(p.rec_start, e.n_rec):
                e.rec_t[k] += (p.first + s) * p.duration
        else:
            e.n_rec = 0
        p.middle = 0
        p.sample = s + 1
        if p.record and e.n_rec > e.rec_t.size // 2:
            return FLUSH
    e.frozen = False
    return DONE
