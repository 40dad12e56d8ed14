"""Neurons on the grid: any model that can be stepped, sources, and Poisson arrivals without sources.

A block is moved from cell `lo` to `hi` only: where several engines share a network, each has its part of every block.
A cell that fires in tick n with a refractory time of R ticks is held in ticks n + 1 to n + R - 1. All cells are moved
in one loop, at vector speed; those that are held, few as a rule, are put back to what was saved of them.
"""

from __future__ import annotations

import math

import numpy as np

from . import methods
from .cells import (
    HELD,
    NUDGE,
    POTENTIAL,
    REDRAW,
    RESET,
    back_to_start,
    next_spike,
    redraw_source,
    restart_source,
)
from .dispatch import Kind, optional, with_hooks
from .jit import entry, inlined, kernel
from .rng import LANES, gaussian, lane_of, poisson, random_word, refined, tabled, uniform_u64
from .types import at, view
from .vector import copy_record

GRID, GRID_SOURCE, GRID_GIVEN = Kind("grid"), Kind("grid source"), Kind("grid given")
DRIZZLE = Kind("drizzle")
# What becomes of arrivals at a cell that is held: lost, taken as ever, or what the model's own method says.
LOST, KEPT, OWN = range(3)
# Cells that are moved, and then tested, at once.
_PIECE = 512
# A spike that is due by so much of a tick before its end belongs to the next: times are products like 3 * 0.1 ms.
SLACK = 1e-3
# What a block can be asked to do, beside what the exact engine asks.
STEP, RAIN, SETBACK = 20, 21, 22


def _advance(model, cell, dt):
    model.advance(cell, dt)


_step = optional("step", _advance)


@inlined
def _release(b, e):
    """Forget the cells whose refractory time is over, and save the others."""
    n = 0
    for k in range(b.n_held):
        j = b.held[k]
        if b.until[j] > e.tick:
            b.held[n] = j
            copy_record(b.saved, n, b.states, j)
            n += 1
    b.n_held = n


@kernel
def _fire(b, e, j):
    e.fired[e.n_fired] = b.g0 + j
    e.n_fired += 1
    b.v_fired[j] = b.states[0][j]
    if b.input == LOST:
        # Behind those that are held.
        copy_record(b.saved, b.n_held + b.n_fired, b.states, j)
    b.fired[b.n_fired] = j
    b.n_fired += 1


@inlined
def _thresholds(b, e, begin, end):
    """Collect the cells that fire; those at rest are passed in pieces, at vector speed."""
    states, model = b.states, b.model
    for first in range(begin, end, 64):
        # Indices that begin at 0 cannot be negative, which would count from the end: loads are then of whole vectors.
        v = states[0][first : min(first + 64, end)]
        some = 0
        for k in range(v.size):
            j = first + k
            some |= methods.above(at(model, j), view(b.fields, states, j, ())) | (v[k] - v[k] != 0.0)
        if some:
            for k in range(v.size):
                j = first + k
                if b.until[j] <= e.tick:
                    if v[k] - v[k] != 0.0 and e.bad < 0:
                        e.bad = b.g0 + j
                    if methods.above(at(model, j), view(b.fields, states, j, ())):
                        _fire(b, e, j)


@with_hooks("noise", of="model")
def _shake(b, e, begin, end):
    """Let the noise of a tick act on cells."""
    states, model, dt, number = b.states, b.model, e.h, e.first_draw + e.tick
    for j in range(begin, end):
        methods.noise(at(model, j), view(b.fields, states, j, ()), dt, gaussian(b.key[0] + np.uint64(j), number))


@inlined
def _move(b, e):
    """Move every cell by one tick and collect those that fire, in pieces that stay in the cache."""
    states, model, dt = b.states, b.model, e.h
    test = b.threshold and not b.escapes
    for first in range(b.lo, b.hi, _PIECE):
        last = min(first + _PIECE, b.hi)
        for j in range(first, last):
            _step(at(model, j), view(b.fields, states, j, ()), dt)
        _shake(b, e, first, last)
        if test:
            _thresholds(b, e, first, last)


@inlined
def _hold(b, e):
    """Put the cells that are held back to what was saved of them, and let their own method move them."""
    states, model, dt = b.states, b.model, e.h
    for k in range(b.n_held):
        j = b.held[k]
        copy_record(states, j, b.saved, k)
        methods.hold(at(model, j), view(b.fields, states, j, ()), dt)
        if b.input == LOST:
            copy_record(b.saved, k, states, j)


@with_hooks("hazard", of="model")
def _escape(b, e):
    """Collect the cells that fire by chance: with probability 1 - exp(-hazard dt)."""
    number = e.first_draw + e.tick
    for j in range(b.lo, b.hi):
        v = b.states[0][j]
        if v - v != 0.0 and e.bad < 0:
            e.bad = b.g0 + j
        rate = methods.hazard(at(b.model, j), view(b.fields, b.states, j, ()))
        if b.until[j] <= e.tick and uniform_u64(b.key[1] + np.uint64(j), number) < -math.expm1(-rate * e.h):
            _fire(b, e, j)


@inlined
def _set_back(b, e):
    """Reset the cells that have fired, and undo what arrivals have done to those that are held."""
    n_held = b.n_held
    if b.input == LOST:
        for k in range(n_held):
            copy_record(b.states, b.held[k], b.saved, k)
    for k in range(b.n_fired):
        j = b.fired[k]
        ticks = b.ref_ticks[j]
        if b.input == LOST and ticks > 0:
            copy_record(b.states, j, b.saved, n_held + k)
        methods.fire(at(b.model, j), view(b.fields, b.states, j, ()))
        if ticks > 0:
            b.until[j] = e.tick + ticks
            b.held[b.n_held] = j
            b.n_held += 1
    b.n_fired = 0


@inlined
def grid_potential(b, j, e):
    """Potential of cell j; below every threshold while it is held, as in continuous time."""
    return HELD if b.until[j] > e.tick else b.states[0][j]


@entry
def grid_block(b, e, op, j, t):
    """A block of neurons on the grid."""
    if op == STEP:
        _release(b, e)
        _move(b, e)
        _hold(b, e)
        _escape(b, e)
    elif op == SETBACK:
        _set_back(b, e)
    elif op == RESET:
        back_to_start(b)
        b.until[:] = 0
        b.n_held = 0
        b.n_fired = 0
    elif op == POTENTIAL:
        return grid_potential(b, j, e)
    elif op == NUDGE:
        methods.receive(at(b.model, j), view(b.fields, b.states, j, ()), 0, t)
    return 0.0


@entry
def grid_source(b, e, op, j, t):
    """A block of sources on the grid: a spike falls into the tick that holds its time."""
    if op == STEP:
        end = (e.tick + 1 - SLACK) * e.h
        for k in range(b.lo, b.hi):
            while b.next_t[k] < end and e.n_fired < e.room:
                e.fired[e.n_fired] = b.g0 + k
                e.n_fired += 1
                b.fired[k] += 1
                b.last_t[k] = b.next_t[k]
                b.next_t[k] = next_spike(b, k, b.next_t[k], b.fired[k])
    elif op == RESET:
        restart_source(b, j)
    elif op == REDRAW:
        # What is due so little before now belongs to the tick that comes.
        redraw_source(b, b.lo, b.hi, max(0.0, t - SLACK * e.h))
    return 0.0


@entry
def grid_given(b, e, op, j, t):
    """A block of sources whose spikes are known beforehand, in order of tick and neuron; every engine passes all."""
    if op == STEP:
        last = e.tick + e.given_shift
        while e.i_given < e.given_t.size and e.given_t[e.i_given] <= last and e.given_i[e.i_given] < b.g1:
            k = e.given_i[e.i_given] - b.g0
            if k >= b.lo and k < b.hi:
                e.fired[e.n_fired] = b.g0 + k
                e.n_fired += 1
            e.i_given += 1
    return 0.0


@inlined
def receive(model, cell, j, port, w, held):
    """An arrival of weight w at neuron j, which may be held."""
    if held:
        methods.receive_held(at(model, j), cell, port, w)
    else:
        methods.receive(at(model, j), cell, port, w)


@inlined
def _draw(b, number, begin, end):
    """Draw the numbers of arrivals of cells `begin` to `end`; the first of them is a multiple of LANES."""
    cumulated, quick, mean, drawn, coarse_key, fine_key = b.cumulated, b.quick, b.mean, b.drawn, b.key[0], b.key[1]
    one_mean = mean.size == 1
    for q in range(begin // LANES, (end + LANES - 1) // LANES):
        word = random_word(coarse_key + np.uint64(q), number)
        for lane in range(LANES):
            j = LANES * q + lane
            coarse, key = lane_of(word, lane), fine_key + np.uint64(j)
            if one_mean:
                drawn[j - begin] = tabled(coarse, key, number, cumulated, quick)
            else:
                drawn[j - begin] = poisson(refined(coarse, key, number), mean[min(j, mean.size - 1)])


@entry
def drizzle(b, e, op, j, t):
    """Poisson arrivals of one weight at every cell of a block, from their number in each tick."""
    if op == RAIN:
        port, weight, tick = b.port, b.weight, e.tick
        model, fields, states = b.target.model, b.target.fields, b.target.states
        until, own, gentle = b.target.until, b.target.input == OWN, b.gentle
        total, first = 0, b.lo
        # In pieces, so that what can be done at vector speed is: counting, and receiving where 0 may be received and
        # no cell is left out, which would be stores by mask (measured: 12 % of the time of Brunel's network).
        while first < b.hi:
            begin = first - first % LANES
            last = min(begin + b.drawn.size, b.hi)
            _draw(b, e.first_draw + tick, begin, last)
            drawn, counts = b.drawn[first - begin : last - begin], e.counts[b.g0 + first : b.g0 + last]
            for k in range(counts.size):
                counts[k] += drawn[k]
                total += drawn[k]
            if gentle and not own:
                for k in range(counts.size):
                    j = first + k
                    receive(model, view(fields, states, j, ()), j, port, drawn[k] * weight, False)
            else:
                for k in range(counts.size):
                    if gentle or drawn[k] > 0:
                        j = first + k
                        held = own and until[j] > tick
                        receive(model, view(fields, states, j, ()), j, port, drawn[k] * weight, held)
            first = last
        b.count[0] += total
        b.count[1] += total
    return 0.0


BLOCKS = {"grid": grid_block, "grid source": grid_source, "grid given": grid_given, "drizzle": drizzle}
