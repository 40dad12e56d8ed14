"""What engines tell each other, against sorting in plain Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from snn.engine import exchange
from snn.engine.exact import DONE, GROW
from snn.engine.jit import callable_kernel
from snn.engine.struct import Struct

collect, tell = callable_kernel(exchange.collect), callable_kernel(exchange.tell)
ROOM = 40
# Few different times, so that the order by number matters.
spikes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99)), max_size=10)


def engines(n):
    common = {
        "n_parts": n, "times": np.zeros((n, ROOM)), "spikes": np.zeros((n, ROOM), np.int32),
        "ends": np.zeros((n, 4), np.int64), "published": np.zeros(n * exchange.APART, np.int64), "max_spans": 1,
    }  # fmt: skip
    return [
        Struct(
            part=k, tick=0, sent=0, n_rec=0, n_free=ROOM, n_sending=0, merging=np.zeros(n, np.int64),
            sending=np.zeros(ROOM, np.int32), sending_t=np.zeros(ROOM), **common,
        )
        for k in range(n)
    ]  # fmt: skip


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(spikes, spikes, spikes), min_size=1, max_size=4))
def test_every_engine_takes_the_spikes_of_an_exchange_in_order_of_time_and_neuron(exchanges):
    made = engines(3)
    for told in exchanges:
        assert collect(made[0]) == exchange.WAIT
        for e, own in zip(made, told, strict=True):
            for t, i in sorted(own):
                if e.n_rec < ROOM:
                    e.times[e.part, e.n_rec], e.spikes[e.part, e.n_rec] = t, i
                    e.n_rec += 1
            tell(e)
            e.tick += 1
        expected = sorted(spike for own in told for spike in own)
        for e in made:
            assert collect(e) == DONE
            n = e.n_sending
            assert list(zip(e.sending_t[:n], e.sending[:n], strict=True)) == expected
            e.sent += 1


def test_an_engine_without_room_asks_for_it():
    (e,) = engines(1)
    e.n_rec = 2
    tell(e)
    e.n_free = 1
    assert collect(e) == GROW
