"""The fingerprint of a plugin's code: another one whenever anything that the code reads has changed."""

from __future__ import annotations

import enum
import math
from types import FunctionType, ModuleType

import numpy as np
import pytest
from numba import njit

from models import LIF, Latency, Readout, SpikeTimes
from rules import DRTP
from snn import Network, Rule, Simulator, ms
from snn.engine.digest import digest, methods

K = 1.0
N = None


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


def module(name, **content):
    made = ModuleType(name)
    vars(made).update(content)
    return made


package = module("package", constants=module("package.constants", K=1.0))
mathematics = module("mathematics", K=1.0)


def helper(w):
    return w + K


compiled = njit(helper)


def plain(w):
    return w + package.constants.K


package.constants.f = FunctionType(helper.__code__, vars(package.constants), "f")
package.constants.f.__module__ = "package.constants"
package.constants.g = njit(package.constants.f)


GAIN = 1.0


class Gained(Readout):
    """Readout whose inputs are multiplied; run by its own methods."""

    def receive(self, cell, port, w):
        cell.v += GAIN * w

    def modes(self):
        return None


class ReadsMuch(Rule):
    """The weight becomes a sum of whatever it may read."""

    def on_pre(self, syn, pre, post, t):
        constants = package.constants
        syn.w = compiled(K) + plain(constants.K) + package.constants.f(0.0) + package.constants.g(0.0) + mathematics.K


def weight():
    net = Network(1)
    source, cell = net.population("source", SpikeTimes([0], [1 * ms]), 1), net.population("cell", LIF(), 1)
    net.connect(source, cell, weight=0.0, rule=ReadsMuch(), name="p")
    sim = Simulator(net, threads=1)
    sim.run(2 * ms)
    return sim, sim.weights("p")[0]


def test_a_simulator_is_made_of_what_globals_are_when_it_is_made(monkeypatch):
    """Weights are powers of two times how often each constant is read."""
    earlier, w = weight()
    assert w == 7.0
    monkeypatch.setitem(globals(), "K", 16.0)
    assert weight()[1] == 2 * 16 + 5
    monkeypatch.setattr(package.constants, "K", np.float32(256.0))
    assert weight()[1] == 2 * 16 + 4 * 256 + 1
    monkeypatch.setattr(mathematics, "K", np.int64(8192))
    assert weight()[1] == 2 * 16 + 4 * 256 + 8192
    earlier.run(2 * ms)
    assert earlier.weights("p")[0] == 7.0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1.0, 2.0),
        (1, 1.0),
        (np.int64(3), np.int64(4)),
        (np.int64(3), np.int32(3)),
        (np.float32(0.5), np.float32(0.25)),
        (np.bool_(False), np.bool_(True)),
        (1j, 2j),
        (Level.LOW, Level.HIGH),
        ((1.0, (2, 3)), (1.0, (2, 4))),
        (np.float32, np.float64),
        (math.exp, math.expm1),
        (np.exp, np.expm1),
        (module("m", K=1.0), module("m", K=2.0)),
        (module("math_tools", K=1.0), module("math_tools", K=2.0)),
        (module("m", c=module("m.c", K=1.0)), module("m", c=module("m.c", K=2.0))),
    ],
    ids=repr,
)
def test_a_global_of_another_value_or_type_gives_another_digest(before, after):
    def of(value):
        def reads():
            return N, N.c.K, N.K

        return digest(FunctionType(reads.__code__, {"N": value}))

    assert of(before) == of(before) != of(after)


def test_only_a_pathway_draws_outside_of_kernels():
    class Draws(ReadsMuch):
        def draw(self, w):
            return w

    assert "draw" in methods(Draws) and "draw" not in methods(DRTP)


def test_it_matters_which_of_several_functions_a_name_stands_for():
    def reads():
        return N, K, ms

    def one():
        return 1

    def two():
        return 2

    assert len({digest(FunctionType(reads.__code__, {"K": one, "N": two, "ms": third})) for third in (one, two)}) == 2


def test_a_keyword_only_default_is_part_of_the_digest():
    def scaled(x, *, k=1.0):
        return k * x

    before = digest(scaled)
    scaled.__kwdefaults__ = {"k": 2.0}
    assert digest(scaled) != before


def test_a_module_that_is_given_another_name_is_looked_into():
    def reads():
        constants = N.c
        return constants.K

    def of(value):
        return digest(FunctionType(reads.__code__, {"N": module("m", c=module("m.c", K=value))}))

    assert of(1.0) == of(1.0) != of(2.0)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_simulator_goes_on_with_what_a_global_meant_when_it_was_made(threads):
    globals()["GAIN"] = 1.0
    net = Network(1)
    inputs, cells = net.population("inputs", Latency(), 2), net.population("cells", Gained(), 3)
    net.connect(inputs, cells, weight=1.0)
    sim = Simulator(net)
    x = np.ones((8, 2))
    before = sim.present(x, into=inputs, readout=cells, duration=30e-3, learn=False, threads=threads).outputs
    globals()["GAIN"] = 5.0
    Simulator(net)
    after = sim.present(x, into=inputs, readout=cells, duration=30e-3, learn=False, threads=threads).outputs
    assert np.array_equal(before, after) and before.max() > 0.0
