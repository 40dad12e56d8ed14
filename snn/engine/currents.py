"""Injected currents: what is added to the constant drive of a population, a parameter with a value for each neuron.

On the grid a block of currents writes the drive of the next tick when a tick ends, and that of tick 0 at the start.
The exact engine stops where a current changes: closed forms are brought up to that time, the drive is written, and
crossings are predicted anew.
"""

from __future__ import annotations

import math

import numpy as np

from . import methods
from .cells import RESET, back_to_start, bound, catch_up, closed_crossing, n_modes, one_crossing, predict, project
from .dispatch import Kind
from .jit import entry, inlined
from .rng import gaussian
from .stepped import SETBACK
from .types import at, view

CURRENT = Kind("current")
# What is asked of a current, beside starting anew and what ends a tick, and of cells around a change of their drive.
INJECT, BEFORE, AFTER = 30, 31, 32


@inlined
def _write(b, lo, hi, t, dt, tick):
    """Set the drive of neurons lo to hi to its constant part, or what an earlier current has set; add the current."""
    drive = b.drive
    for j in range(lo, hi):
        xi = gaussian(b.key[0] + np.uint64(j), tick) if b.noisy else 0.0
        before = b.base[j] if b.first else drive[j]
        drive[j] = before + methods.value(at(b.current, j), view(b.fields, b.states, j, ()), t, dt, xi)


@entry
def current_block(b, e, op, j, t):
    """A current into a population."""
    if op == RESET:
        back_to_start(b)
        _write(b, 0, b.drive.size, 0.0, b.dt, 0)
    elif op == SETBACK:
        _write(b, b.lo, b.hi, (e.tick + 1) * b.dt, b.dt, e.tick + 1)
    elif op == INJECT:
        _write(b, 0, b.drive.size, t, 0.0, 0)
    return 0.0


@entry
def one_changed(b, e, op, j, t):
    """Predict crossings of a block with one mode, whose drive has changed at time t."""
    if op == AFTER:
        f = math.exp((t - e.w0) / b.tau)
        for k in range(b.lo, b.hi):
            predict(e, b.g0 + k, one_crossing(b, k, t, f, e))
    return 0.0


@entry
def many_changed(b, e, op, j, t):
    """The same for several modes; crossings that have been confirmed are void."""
    if op == AFTER:
        project(b, t, e)
        for k in range(b.lo, b.hi):
            b.x[k, n_modes(b)] = -1.0
            predict(e, b.g0 + k, bound(b, k, t, e))
    return 0.0


@entry
def closed_changed(b, e, op, j, t):
    """The same for any closed form, whose cells are first brought to time t under the drive that they have had."""
    for k in range(b.lo, b.hi):
        if op == BEFORE:
            catch_up(b, k, t)
        else:
            predict(e, b.g0 + k, closed_crossing(b, k, t, e))
    return 0.0


CHANGED = {"one": one_changed, "three": many_changed, "many": many_changed, "closed": closed_changed}
BLOCKS = {"current": current_block}
