"""e-prop: a published regression run, the plain twin, and errors within a presentation."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from models import ALIF, LIF, Latency, Playback, Readout
from rules import DFA, AdaptiveEProp, Delta, DeltaSum, EProp, KolenPollack, LocalReadout, Symmetric, ThreeFactor
from snn import (
    Model,
    Network,
    NetworkError,
    ParameterError,
    SimulationError,
    Simulator,
    all_to_all,
    from_arrays,
    ms,
    param,
    state,
)
from snn.events import Events
from snn.testing import Twin, check_rule

# Losses of NEST's example eprop_supervised_regression_sine-waves_bsshslm_2020.py (nest-simulator 3.9), five iterations.
NEST = [101.96435699904158, 103.46673112620579, 103.34060707477168, 103.68024403768638, 104.41277574875247]

# One step of the published run, 1 ms there: every multiple of it is a float64, so that what is simultaneous stays so.
STEP = 2.0**-10


class SteppedLIF(Model):
    """LIF as in the published run: one spike in a step at most, and the reset is taken off at the next step, whole."""

    tau_m: float = param(30 * STEP, unit="s", above=0)
    v_rest: float = param(0.0, unit="V")
    v_thresh: float = param(0.03, unit="V")
    step_length: float = param(STEP, unit="s", above=0)
    v = state("cell", 0.0, unit="V")
    refractory = "step_length"

    def advance(self, cell: Any, dt: float) -> None:
        cell.v *= math.exp(-dt / self.tau_m)

    def hold(self, cell: Any, dt: float) -> None:
        cell.v *= math.exp(-dt / self.tau_m)

    def receive(self, cell: Any, port: int, w: float) -> None:
        cell.v += w

    def time_to_threshold(self, cell: Any) -> float:
        return 0.0 if cell.v >= self.v_thresh else math.inf

    def fire(self, cell: Any) -> None:
        cell.v -= self.v_thresh * math.exp(self.step_length / self.tau_m)


def test_regression_of_sine_waves_has_the_losses_that_nest_prints(data_folder):
    folder = data_folder / "eprop-regression"
    if not (folder / "inputs.npz").exists():
        pytest.skip(f"{data_folder} has no folder eprop-regression")
    data, given = np.load(folder / "inputs.npz"), json.loads((folder / "params.json").read_text())
    n, steps = given["n_rec"], given["steps"]
    # A spike's weight is scaled by (1 - alpha) there; the readout's time constant is the same.
    scale = -math.expm1(-1.0 / given["tau_m_rec_ms"])
    eta = given["eta"] * scale**2
    # A moment before the end of the step at which they are read.
    i, k = np.nonzero(data["input_spikes"])
    order = np.lexsort((i, k))
    played = Events.from_lists([(i[order], (k[order] + 1) * STEP - 2.0**-40)], given["n_in"])

    net = Network(0)
    inputs = net.population("inputs", Playback(), given["n_in"])
    cells = net.population("cells", SteppedLIF(), n)
    readout = net.population("readout", Readout(tau_m=30 * STEP), 1)
    # 0.5 c_reg (f - f_target)^2 with f in spikes for each step.
    rule = EProp(
        eta=eta,
        tau_out=30 * STEP,
        rate_cost=given["c_reg"] / steps**2,
        rate_target=given["f_target_hz"] * 1e-3 * steps,
    )
    dense, others = (data[name].astype(float) for name in ("W_in", "W_rec"))
    net.connect(inputs, cells, all_to_all(), weight=scale * dense.T, rule=rule)
    j, i = np.nonzero(~np.eye(n, dtype=bool))
    net.connect(cells, cells, from_arrays(i, j), weight=scale * others[j, i], delay=STEP, rule=rule)
    out = scale * data["W_out"].astype(float).T
    net.connect(cells, readout, all_to_all(), weight=out, rule=DeltaSum(eta=eta))
    link = net.credit(DFA(scale=1.0), error=readout, to=cells)
    sim = Simulator(net, record=[])
    sim.set_feedback(link, scale * data["B_out"].astype(float))

    losses = [
        float(
            sim.present(
                played, targets=data["target"][None], into=inputs, readout=readout, duration=steps * STEP, every=STEP
            ).loss[0]
        )
        for _ in NEST
    ]
    # The moment costs 3e-11 of every potential.
    np.testing.assert_allclose(losses, NEST, rtol=1e-8)


def recurrent(cell, rule, readout_rule, pathway, readout_cell=None, seed=5, n_in=5, n=6, n_out=2):
    """Inputs, a recurrent layer that learns, a readout."""
    draws = np.random.default_rng(seed)
    net = Network(seed)
    inputs = net.population("inputs", Latency(t_last=10 * ms, low=0.1, period=6 * ms), n_in)
    cells = net.population("cells", cell, n)
    readout = net.population("readout", readout_cell or Readout(tau_m=20 * ms), n_out)
    net.connect(inputs, cells, all_to_all(), weight=draws.normal(0.5, 0.2, (n_in, n)), rule=rule, delay=1 * ms)
    j, i = np.nonzero(~np.eye(n, dtype=bool))
    w = draws.normal(0.1, 0.2, i.size)
    net.connect(cells, cells, from_arrays(i, j), weight=w, delay=1.5 * ms, rule=rule)
    net.connect(cells, readout, all_to_all(), weight=draws.normal(0.3, 0.3, (n, n_out)), rule=readout_rule)
    net.credit(pathway, error=readout, to=cells)
    return net, draws.uniform(0, 1, (4, n_in)), draws


CELLS = {
    "leaky": (LIF(soft_reset=True), EProp(eta=0.05, rate_cost=0.01, rate_target=4.0)),
    "adaptive": (
        ALIF(jump=0.3, tau_adapt=60 * ms, t_ref=2 * ms),
        AdaptiveEProp(eta=0.05, rate_cost=0.01, rate_target=4.0),
    ),
}


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize(("pathway", "silent"), [(DFA(scale=0.5), 0), (Symmetric(), 3)])
def test_learning_at_every_step_equals_the_plain_twin(kind, pathway, silent):
    cell, rule = CELLS[kind]
    net, samples, draws = recurrent(cell, rule, DeltaSum(eta=0.02), pathway)
    targets = draws.normal(0, 1, (4, 8, 2))
    targets[:, :silent] = np.nan
    twin = Twin(net)
    want = twin.present(samples, into="inputs", readout="readout", duration=40 * ms, targets=targets, steps=8)
    sim, pop = Simulator(net), net.populations
    aims = np.where(np.isnan(targets), 7.0, targets)  # what is wanted before teach_from says nothing
    how = {"into": pop["inputs"], "readout": pop["readout"], "duration": 40 * ms, "every": 5 * ms}
    shown = sim.present(samples, targets=aims, teach_from=(silent + 1) * 5 * ms if silent else 0.0, **how)
    assert shown.spikes["cells"] > 30
    # Samples are float32 in both; all else is double.
    np.testing.assert_allclose(shown.over_time, want, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(shown.outputs, want[:, silent:].mean(axis=1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(shown.loss, 0.5 * np.nansum((want - targets) ** 2, axis=(1, 2)), rtol=1e-9)
    start = Simulator(net)
    for projection in net.projections:
        np.testing.assert_allclose(sim.weights(projection), twin.weights(projection), rtol=1e-9, atol=1e-9)
        assert np.abs(sim.weights(projection) - start.weights(projection)).max() > 1e-4


@pytest.mark.parametrize("rule", [EProp(tau=20 * ms, v_thresh=1.0, v_rest=0.0), DeltaSum(tau=20 * ms)])
def test_rules_pass_the_check_for_plugins(rule):
    check_rule(rule)


def test_eligibility_is_the_gradient_of_a_potential_that_does_not_reset():
    # Below threshold the potential of a LIF is linear in its weights, so that psi z is psi times its derivative.
    rule = EProp(eta=1.0, width=50.0, tau_out=1 * ms)
    net = Network(0)
    inputs = net.population("inputs", Latency(t_last=10 * ms, low=0.0), 3)
    cells = net.population("cells", LIF(v_thresh=0.8), 1)
    readout = net.population("readout", Readout(), 1)
    net.connect(inputs, cells, all_to_all(), weight=0.1, rule=rule, name="in")
    net.connect(cells, readout, all_to_all(), weight=0.0)
    net.credit(DFA(), error=readout, to=cells)
    x, w0 = np.array([[0.2, 0.5, 0.9]]), np.full(3, 0.1)

    def potential(w):
        sim = Simulator(net)
        sim.set_weights("in", w)
        probe = sim.present(x, learn=False, into=inputs, readout=cells, duration=30 * ms, code="potential")
        return float(probe.potentials[0, 0])

    h = 1e-6
    derivative = np.array([(potential(w0 + h * d) - potential(w0 - h * d)) / (2 * h) for d in np.eye(3)])
    sim = Simulator(net)
    link = net.credits[0]
    sim.set_feedback(link, [[1.0]])
    sim.present(x, targets=[[-1.0]], into=inputs, readout=readout, duration=30 * ms)
    psi = 0.3 / 0.8 * (1.0 - abs(potential(w0) - 0.8) / 40.0)
    np.testing.assert_allclose(w0 - sim.weights("in"), psi * derivative, rtol=1e-6)


def sine_losses(eta):
    """Losses while one pattern is learned from noise; eta: of the synapses onto the recurrent layer."""
    draws, steps = np.random.default_rng(0), 100
    net = Network(1)
    inputs = net.population("inputs", Playback(), 20)
    cells = net.population("cells", ALIF(jump=0.1, t_ref=2 * ms), 50)
    readout = net.population("readout", Readout(tau_m=20 * ms), 1)
    rule = AdaptiveEProp(eta=eta)
    net.connect(inputs, cells, all_to_all(), weight=draws.normal(0.1, 0.25, (20, 50)), rule=rule)
    weight = draws.normal(0.0, 0.1, (50, 50))
    net.connect(cells, cells, all_to_all(), weight=weight, delay=1 * ms, rule=rule)
    net.connect(cells, readout, all_to_all(), weight=draws.normal(0.0, 0.05, (50, 1)), rule=DeltaSum(eta=1e-4))
    net.credit(DFA(scale=0.1), error=readout, to=cells)
    times = np.sort(draws.uniform(0, 0.2, 200))
    played = Events.from_lists([(draws.integers(0, 20, 200), times)], 20)
    target = np.sin(2 * np.pi * np.arange(steps) / 50)[None, :, None]
    sim, how = Simulator(net, record=[]), {"into": inputs, "readout": readout, "duration": 0.2, "every": 2 * ms}
    return [float(sim.present(played, targets=target, **how).loss[0]) for _ in range(100)]


def test_a_sine_is_learned_by_the_recurrent_layer_too():
    # Measured: 31.4 at first, 1.9 after 100 passes, 8.0 with the recurrent layer as it was drawn.
    learned, frozen = sine_losses(3e-3), sine_losses(0.0)
    assert min(learned[-10:]) < 0.1 * learned[0]
    assert min(learned[-10:]) < 0.5 * min(frozen[-10:])


# ---------------------------------------------------------------------------------- what a readout that fires says


def firing(rule=ThreeFactor, eta=0.01):
    rules = rule(eta=eta), rule(eta=5 * eta)
    return recurrent(LIF(soft_reset=True), *rules, DFA(scale=0.3), LIF(soft_reset=True))


def test_a_readout_learns_to_fire_at_a_rate():
    net, samples, _ = firing()
    pop, wanted = net.populations, np.tile([5.0, 1.0], (4, 1))
    sim = Simulator(net)
    how = {"into": pop["inputs"], "readout": pop["readout"], "duration": 40 * ms}
    first = sim.present(samples, targets=wanted, learn=False, **how)
    twin = Twin(net)
    want = twin.present(samples, targets=wanted[:, None], into="inputs", readout="readout", duration=40 * ms)
    shown = sim.present(samples, targets=wanted, **how)
    np.testing.assert_array_equal(shown.outputs, want)
    for projection in net.projections:
        np.testing.assert_allclose(sim.weights(projection), twin.weights(projection), rtol=1e-9, atol=1e-9)
    for _ in range(60):
        sim.present(samples, targets=wanted, **how)
    last = sim.present(samples, targets=wanted, learn=False, **how)
    assert last.loss.mean() < 0.1 * first.loss.mean()
    assert np.isnan(last.accuracy)


def trace(spikes, v, t, every=4e-3, tau=8e-3):
    """The filter of spikes in bins, written as a sum."""
    out = np.zeros(v.size)
    for when, i in spikes:
        out[i] += math.exp(-(round(t / every) - 1 - math.floor(when / every)) * every / tau)
    return out


def test_spike_times_as_targets_are_compared_by_their_traces():
    net, samples, draws = firing(EProp, 0.005)
    wanted = Events.from_lists([(draws.integers(0, 2, 5), np.sort(draws.uniform(0, 0.04, 5))) for _ in range(4)], 2)
    lists = [
        list(zip(wanted.times[a:b], wanted.ids[a:b], strict=True)) for a, b in np.c_[wanted.ptr[:-1], wanted.ptr[1:]]
    ]
    aims = np.array(
        [[trace([s for s in some if s[0] < t], np.zeros(2), t) for t in 4e-3 * np.arange(1, 11)] for some in lists]
    )
    twin = Twin(net)
    want = twin.present(
        samples, targets=aims, into="inputs", readout="readout", duration=40 * ms, steps=10, output=trace
    )
    sim, pop = Simulator(net), net.populations
    shown = sim.present(
        samples,
        targets=wanted,
        into=pop["inputs"],
        readout=pop["readout"],
        duration=40 * ms,
        every=4 * ms,
        tau_read=8 * ms,
    )
    np.testing.assert_allclose(shown.over_time, want, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(shown.loss, 0.5 * ((want - aims) ** 2).sum(axis=(1, 2)), rtol=1e-9)
    for projection in net.projections:
        np.testing.assert_allclose(sim.weights(projection), twin.weights(projection), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("at", [0.3, 3 * 0.1])
def test_a_spike_time_at_an_error_counts_from_the_next_error_on(at):
    assert (0.3 / 0.1 < 3) and (3 * 0.1 / 0.1 > 3)
    net = Network(1)
    inputs, silent = net.population("inputs", Latency(), 1), net.population("silent", LIF(), 1)
    net.connect(inputs, silent, all_to_all(), weight=0.0)
    wanted = Events.from_lists([([0], [at])], 1)
    how = {"into": inputs, "readout": silent, "duration": 1.0, "every": 0.1, "tau_read": 0.5}
    shown = Simulator(net).present([[0.0]], targets=wanted, learn=False, **how)
    # The trace is 1 at the error of 0.4 s and fades by exp(-0.1 / 0.5) at each of the other six.
    assert shown.loss[0] == pytest.approx(0.5 * sum(math.exp(-2 * k * 0.1 / 0.5) for k in range(7)), rel=1e-12)


def earliest(spikes, v, t, tau=5e-3):
    return np.array([-min([s for s, i in spikes if i == k], default=t) / tau for k in range(v.size)])


def test_who_fires_first_is_the_answer():
    net, samples, _ = firing()
    labels = [0, 1, 0, 1]
    twin = Twin(net)
    want = twin.present(samples, labels, into="inputs", readout="readout", duration=40 * ms, output=earliest)
    sim, pop = Simulator(net), net.populations
    how = {"into": pop["inputs"], "readout": pop["readout"], "duration": 40 * ms, "code": "first", "tau_read": 5 * ms}
    shown = sim.present(samples, labels, **how)
    assert shown.outputs.max() > -8.0  # somebody has fired
    np.testing.assert_allclose(shown.outputs, want, rtol=1e-9)
    for projection in net.projections:
        np.testing.assert_allclose(sim.weights(projection), twin.weights(projection), rtol=1e-9, atol=1e-9)
    # The recorder does not take the spikes away from the readout, nor does an evaluation in threads.
    kept = sim.present(samples, labels, learn=False, record=True, **how)
    np.testing.assert_array_equal(kept.outputs, sim.present(samples, labels, learn=False, threads=2, **how).outputs)
    when = kept.spike_times["readout"]
    for k in range(4):
        began = 0.04 * (len(samples) + k)
        mine = (when.times >= began) & (when.times < began + 0.04)
        spikes = list(zip(when.times[mine] - began, when.ids[mine], strict=True))
        want = earliest(spikes, np.zeros(2), 0.04)
        np.testing.assert_allclose(kept.outputs[k], want, rtol=1e-9)


# ------------------------------------------------------------------------------------------------------- the ledger


def test_errors_within_a_presentation_are_counted():
    net, samples, draws = recurrent(*CELLS["leaky"], DeltaSum(eta=0.02), DFA(scale=0.5))
    sim, pop = Simulator(net), net.populations
    shown = sim.present(
        samples, targets=draws.normal(0, 1, (4, 8, 2)), into=pop["inputs"], readout=pop["readout"],
        duration=40 * ms, every=5 * ms, teach_from=20 * ms,
    )  # fmt: skip
    errors = 4 * 5  # at 20, 25, 30, 35 and 40 ms of four samples
    ledger = shown.ledger
    assert ledger.total("add", "error") == errors * 2
    assert ledger.total("mac", "credit") == errors * 6 * 2


# ------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"every": 3 * ms}, ParameterError, "does not divide the duration"),
        ({"every": 5 * ms, "teach_from": 0.05}, ParameterError, "teach_from is 0.05 s"),
        ({"teach_from": 0.01}, ParameterError, "give every"),
        ({"code": "counts"}, ParameterError, "never fires"),
        ({"code": "loud"}, ParameterError, "give one of potential"),
        ({"targets": np.zeros((4, 3))}, ParameterError, r"targets has shape \(4, 3\); expected \(4, 2\)"),
        ({"targets": np.full((4, 2), np.inf)}, ParameterError, "infinite"),
        ({"targets": None}, ParameterError, "labels or targets"),
        ({"labels": [0, 1, 0, 1]}, ParameterError, "both given"),
        ({"targets": Events.from_lists([([0], [0.01])] * 4, 2)}, ParameterError, "a readout that fires"),
        ({"every": 5000.0}, ParameterError, "every is 5000"),
    ],
)
def test_what_cannot_be_is_refused(changes, error, says):
    net, samples, _ = recurrent(*CELLS["leaky"], Delta(eta=0.02), DFA(scale=0.5))
    pop = net.populations
    how = {"targets": np.zeros((4, 2)), "into": pop["inputs"], "readout": pop["readout"], "duration": 40 * ms} | changes
    with pytest.raises(error, match=says):
        Simulator(net).present(samples, **how)


@pytest.mark.parametrize(
    ("pathway", "given", "says"),
    [
        (LocalReadout(), {"targets": np.zeros((4, 2))}, "starts from a label"),
        (DFA(), {"labels": [0, 1, 0, 1], "every": 5 * ms, "rule": ThreeFactor()}, "learns from one error"),
        (KolenPollack(), {"labels": [0, 1, 0, 1], "every": 5 * ms}, "learns once in a presentation"),
    ],
)
def test_pathways_that_cannot_learn_from_it_are_refused(pathway, given, says):
    cell, rule = CELLS["leaky"]
    net, samples, _ = recurrent(cell, given.pop("rule", rule), Delta(eta=0.02), pathway)
    pop = net.populations
    with pytest.raises(NetworkError, match=says):
        Simulator(net).present(samples, into=pop["inputs"], readout=pop["readout"], duration=40 * ms, **given)


def test_rates_without_end_are_reported():
    net = Network(0)
    inputs = net.population("inputs", Latency(t_last=1 * ms), 1)
    cells = net.population("cells", LIF(soft_reset=True), 30)
    readout = net.population("readout", Readout(), 2)
    net.connect(inputs, cells, all_to_all(), weight=1.5)
    net.connect(cells, cells, all_to_all(), weight=0.1, delay=1 * ms)
    net.connect(cells, readout, all_to_all(), weight=0.1)
    sim, how = Simulator(net, record=[]), {"into": inputs, "readout": readout, "learn": False}
    with pytest.raises(SimulationError, match="sample 0 has made more than 10000 spikes for each neuron"):
        sim.present([[1.0]], duration=20 * ms, **how)
    with pytest.raises(SimulationError, match="sample 0 has made more"):
        sim.present([[1.0]], duration=20 * ms, record=True, **how)
    # The next one begins anew.
    assert sim.present([[1.0]], duration=0.5 * ms, **how).spikes["cells"] == 30


def test_spikes_of_a_sample_that_failed_are_not_left_for_the_next():
    net = Network(0)
    played, inputs = net.population("played", Playback(), 1), net.population("inputs", Latency(t_last=1 * ms), 1)
    cells = net.population("cells", LIF(soft_reset=True), 30)
    readout = net.population("readout", Readout(), 2)
    for source in (played, inputs):
        net.connect(source, cells, all_to_all(), weight=1.5)
    net.connect(cells, cells, all_to_all(), weight=0.1, delay=1 * ms)
    net.connect(cells, readout, all_to_all(), weight=0.1)
    sim, how = Simulator(net, record=[]), {"readout": readout, "learn": False}
    with pytest.raises(SimulationError, match="rates have exploded"):
        sim.present(Events.from_lists([([0], [0.0])], 1), into=played, duration=20 * ms, **how)
    assert sim.present([[1.0]], into=inputs, duration=0.5 * ms, **how).spikes["played"] == 0


def test_labels_as_spikes_need_labels_to_learn():
    net, samples, _ = recurrent(*CELLS["leaky"], DeltaSum(eta=0.02), DFA(scale=0.5))
    pop, labels = net.populations, net.population("labels", Latency(t_last=0.0, low=0.5), 2)
    how = {"into": pop["inputs"], "readout": pop["readout"], "duration": 40 * ms, "labels_into": labels}
    with pytest.raises(ParameterError, match="labels_into is given"):
        Simulator(net).present(samples, targets=np.zeros((4, 2)), **how)


def test_no_samples_have_no_outputs():
    net, samples, _ = recurrent(*CELLS["leaky"], DeltaSum(eta=0.02), DFA(scale=0.5))
    pop = net.populations
    how = {"into": pop["inputs"], "readout": pop["readout"], "duration": 40 * ms, "every": 5 * ms}
    assert Simulator(net).present(samples[:0], learn=False, **how).over_time.shape == (0, 8, 2)
