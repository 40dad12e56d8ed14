"""A run that is saved and goes on elsewhere gives the bits of one that was never interrupted."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from models import LIF, LIFExp, Poisson, SpikeTimes
from rules import PairSTDP
from snn import ExportError, Network, NetworkError, Simulator, fixed_probability, load, ms, uniform


def network(model=None, seed=5):
    net = Network(seed)
    inputs = net.population("inputs", Poisson(rate=80.0), 20)
    given = net.population("given", SpikeTimes([0, 1, 0], [3 * ms, 40 * ms, 91 * ms]), 2)
    cells = net.population("cells", model or LIF(drive=1.1, t_ref=2 * ms), 30, init={"v": uniform(0, 0.9)})
    net.connect(inputs, cells, fixed_probability(0.5), weight=0.1, delay=1 * ms, rule=PairSTDP(w_max=0.3))
    net.connect(given, cells, weight=0.5, delay=0.7 * ms)
    net.connect(
        cells, cells, fixed_probability(0.3, self_connections=False), weight=-0.1, delay=uniform(0.5 * ms, 7 * ms),
        port="inh",
    )  # fmt: skip
    return net


CASES = {
    "exact": (lambda: network(), {}),
    "exact, exponential currents": (lambda: network(LIFExp(drive=1.1, t_ref=2 * ms)), {}),
    "exact, a time constant for each cell": (
        lambda: network(LIF(drive=1.1, t_ref=2 * ms, tau_m=np.linspace(10 * ms, 30 * ms, 30))), {},
    ),
    "grid": (lambda: network(), {"engine": "grid", "dt": 0.1 * ms, "round_delays": True}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_restored_run_gives_the_bits_of_an_uninterrupted_one(case, tmp_path):
    make, how = CASES[case]
    whole = Simulator(make(), **how)
    whole.run(0.0537, progress=False)
    expected = whole.run(0.06, progress=False).spikes["cells"]
    first = Simulator(make(), **how)
    first.run(0.0537, progress=False)
    first.checkpoint(tmp_path / "half.h5")
    second = Simulator(make(), **how)
    second.restore(tmp_path / "half.h5")
    assert second.t == first.t
    found = second.run(0.06, progress=False).spikes["cells"]
    assert len(expected.times) > 30
    assert found.times.tobytes() == expected.times.tobytes()
    assert found.ids.tobytes() == expected.ids.tobytes()
    assert second.weights("inputs->cells").tobytes() == whole.weights("inputs->cells").tobytes()
    assert second.state("cells", "v").tobytes() == whole.state("cells", "v").tobytes()


def test_changed_rules_and_weights_are_part_of_a_checkpoint(tmp_path):
    sim = Simulator(network())
    sim.set_rule("inputs->cells", a_plus=0.0123)
    sim.set_weights("given->cells", np.arange(60.0))
    sim.checkpoint(tmp_path / "c.h5")
    other = Simulator(network())
    other.restore(tmp_path / "c.h5")
    assert other.built.projections["inputs->cells"].rule.a_plus == 0.0123
    assert other.weights("given->cells").tolist() == list(range(60))


def test_a_checkpoint_of_another_network_is_refused_and_changes_nothing(tmp_path):
    Simulator(network()).checkpoint(tmp_path / "c.h5")
    sim = Simulator(network(LIF(drive=1.2, t_ref=2 * ms)))
    with pytest.raises(NetworkError, match=r"another network: population 'cells' is declared differently"):
        sim.restore(tmp_path / "c.h5")
    with pytest.raises(NetworkError, match=r"its seed is 5, here 6"):
        Simulator(network(seed=6)).restore(tmp_path / "c.h5")
    with pytest.raises(NetworkError, match=r"engine exact.*has grid"):
        Simulator(network(), engine="grid", round_delays=True).restore(tmp_path / "c.h5")
    assert sim.t == 0.0


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    sim = Simulator(network())
    sim.checkpoint(tmp_path / "c.h5")
    with pytest.raises(ExportError, match="exists. Give overwrite=True"):
        sim.checkpoint(tmp_path / "c.h5")

    def full(self, *more, **how):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(h5py.Group, "create_dataset", full)
    with pytest.raises(ExportError, match="the disk is full"):
        sim.checkpoint(tmp_path / "d.h5")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.h5"]


def test_files_that_hold_something_else_say_what(tmp_path):
    sim = Simulator(network())
    sim.checkpoint(tmp_path / "c.h5")
    with pytest.raises(ExportError, match=r"is a checkpoint, no result; Simulator\.restore\(path\)"):
        load(tmp_path / "c.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("snn/classifier")
    with pytest.raises(ExportError, match="holds no result of a run, but: classifier"):
        load(tmp_path / "other.h5")
    sim.run(0.01, progress=False).save(tmp_path / "run.h5")
    with pytest.raises(ExportError, match="holds no checkpoint"):
        sim.restore(tmp_path / "run.h5")


def test_a_checkpoint_where_a_run_is_being_recorded_leaves_the_recording(tmp_path):
    path = tmp_path / "run.h5"
    sim = Simulator(network(), to=path)
    first = sim.run(50 * ms).spikes["cells"].times
    with pytest.raises(ExportError, match="run.h5 is where this simulator records"):
        sim.checkpoint(path)
    sim.close()
    assert np.array_equal(load(path).spikes["cells"].times, first)
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]
