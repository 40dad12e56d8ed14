"""The classifier among scikit-learn's tools."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.estimator import SpikingClassifier
from rules import DFA, KolenPollack, PairSTDP, ThreeFactor
from snn import ExportError, ParameterError


@parametrize_with_checks([SpikingClassifier(epochs=10), SpikingClassifier(epochs=10, steps=60)])
def test_it_is_an_estimator(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def test_it_is_cross_validated_in_a_pipeline(iris):
    # Iris: linear classifiers reach 95 to 98 %.
    scores = cross_val_score(make_pipeline(StandardScaler(), SpikingClassifier(random_state=0)), *iris, cv=3)
    assert scores.mean() > 0.9


def test_outputs_in_ever_shorter_steps_approach_those_at_exact_times(iris):
    """First order on average: a quarter of the step, a quarter of the distance, with slack for spikes that are lost."""
    x, y = iris
    exact = SpikingClassifier(epochs=5, random_state=3).fit(x, y)
    distance = []
    for steps in (60, 240, 960):
        stepped = SpikingClassifier(epochs=1, steps=steps, random_state=3).fit(x, y)
        for projection, w in zip(stepped._net.projections, exact.weights_, strict=True):
            stepped._net.sim.set_weights(projection, w)
        distance.append(np.abs(stepped.decision_function(x) - exact.decision_function(x)).mean())
    assert 0 < distance[1] < 0.5 * distance[0] and 0 < distance[2] < 0.5 * distance[1], distance


def test_a_search_goes_through_pathways_and_rates(iris):
    grid = {"credit": [DFA(scale=0.1), "frozen"], "eta": [0.01]}
    found = GridSearchCV(SpikingClassifier(hidden=(8,), epochs=5, random_state=1), grid, cv=2, error_score="raise")
    found.fit(*iris)
    assert len(found.cv_results_["params"]) == 2 and found.best_estimator_.score(*iris) > 0.5


def test_a_rule_without_a_learning_rate_learns_as_it_is(iris):
    rule = PairSTDP(a_plus=0.01, w_min=-5.0, w_max=5.0)
    net = SpikingClassifier(rule, hidden=(4,), epochs=1, random_state=0).fit(*iris)
    drawn = SpikingClassifier("frozen", hidden=(4,), epochs=1, random_state=0).fit(*iris)
    assert not np.array_equal(net.weights_[0], drawn.weights_[0])
    assert net._net.sim.built.projections["input->hidden"].rule.params() == rule.params()


def test_kolen_pollack_weights_find_those_of_the_readout(iris):
    """w - b of a neuron that fires in every sample falls by exp(-sum eta decay) = exp(-15), whatever the rates are."""
    credit = KolenPollack(scale=0.3, eta=0.5, decay=0.5)
    net = SpikingClassifier(credit=credit, hidden=8, epochs=20, eta_readout=0.02, random_state=0).fit(*iris)
    link = net._net.network.credits[0]
    b = net._net.sim.feedback(link) * link.pathway.scale
    apart = np.abs(net.weights_[-1].reshape(b.shape) - b).max(axis=1)
    assert np.abs(b).max() > 0.1 and (apart < 1e-3).sum() >= 4, apart


def test_images_are_learned_without_mirror_by_one_range():
    x, y = load_digits(return_X_y=True)
    how = {"mirror": False, "scaling": "global", "low": 0.05, "eta": 0.005, "random_state": 0}
    net = SpikingClassifier(credit=DFA(scale=0.1), epochs=8, **how).fit(x[:1200], y[:1200])
    # Frozen hidden weights stay below 80 % on these halves.
    assert net.score(x[1200:], y[1200:]) > 0.85


@pytest.mark.parametrize("steps", [None, np.int64(30)])
@pytest.mark.parametrize("names", [None, np.array(["one", "two", "three"]), np.array(["a", "b", "c"], object)])
def test_saved_and_pickled_classifiers_give_the_same_outputs(iris, tmp_path, names, steps):
    x, y = iris
    y = y if names is None else names[y]
    net = SpikingClassifier(
        ThreeFactor(eta=0.02), DFA(scale=0.2), hidden=[6, 5], epochs=3, steps=steps,
        random_state=np.random.RandomState(2),
    ).fit(x, y)  # fmt: skip
    net.save(tmp_path / "net.h5")
    for again in (SpikingClassifier.load(tmp_path / "net.h5"), pickle.loads(pickle.dumps(net))):
        assert again.decision_function(x).tobytes() == net.decision_function(x).tobytes()
        assert again._net.sim.engine == ("exact" if steps is None else "grid") and again.steps == steps
        assert np.array_equal(again.predict(x), net.predict(x)) and again.classes_.dtype == net.classes_.dtype
        assert repr(again.rule) == "ThreeFactor(eta=0.02)" and repr(again.credit) == "DFA(scale=0.2)"
    with pytest.raises(ExportError, match="exists. Give overwrite=True"):
        net.save(tmp_path / "net.h5")
    assert clone(net).get_params()["hidden"] == [6, 5] and clone(net).steps == steps


def test_parameters_that_are_set_after_training_are_for_the_next_training(iris, tmp_path):
    x, y = iris
    credit = DFA(scale=0.1)
    net = SpikingClassifier(credit=credit, hidden=[6], epochs=2, random_state=0).fit(x, y)
    outputs = net.decision_function(x).tobytes()
    net.set_params(hidden=(5,), tau_m=5e-3, mirror=False, scaling=None, rule="frozen")
    credit.scale = 3.0
    net.save(tmp_path / "net.h5")
    for again in (net, pickle.loads(pickle.dumps(net)), SpikingClassifier.load(tmp_path / "net.h5")):
        assert again.decision_function(x).tobytes() == outputs
    assert SpikingClassifier.load(tmp_path / "net.h5").hidden == (6,)
    other = net.set_params(scaling="feature").fit(x, y)
    assert [w.size for w in other.weights_] == [4 * 5, 5 * 3]


def test_saved_classifiers_know_the_names_of_their_columns(iris, tmp_path):
    pandas = pytest.importorskip("pandas", reason="needs pandas for data with named columns")
    x, y = pandas.DataFrame(iris[0], columns=list("abcd")), iris[1]
    SpikingClassifier(hidden=(6,), epochs=2, random_state=0).fit(x, y).save(tmp_path / "net.h5")
    again = SpikingClassifier.load(tmp_path / "net.h5")
    assert again.feature_names_in_.tolist() == list("abcd")
    again.predict(x)
    with pytest.raises(ValueError, match="feature names"):
        again.predict(x[list("dcba")])


def test_files_that_hold_no_classifier_are_refused(tmp_path):
    import h5py

    with pytest.raises(ExportError, match="does not exist. Check the path"):
        SpikingClassifier.load(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(ExportError, match="cannot be read: it is no HDF5 file"):
        SpikingClassifier.load(tmp_path / "text.h5")
    h5py.File(tmp_path / "other.h5", "w").close()
    with pytest.raises(ExportError, match="holds no classifier"):
        SpikingClassifier.load(tmp_path / "other.h5")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"rule": "hebb"}, "rule is 'hebb'; give 'three-factor', 'frozen'"),
        ({"credit": "magic"}, "credit is 'magic'; give a pathway or one of: frozen, symmetric"),
        ({"hidden": (0,)}, r"hidden is \(0,\); give whole numbers"),
        ({"epochs": 0}, "epochs is 0"),
        ({"steps": 0}, "steps is 0; give a whole number of time steps"),
        ({"scaling": "log"}, "scaling is 'log'; give 'feature', 'global' or None"),
        ({"scaling": None}, "without scaling, give values from 0 to 1"),
    ],
)
def test_wrong_parameters_are_refused_with_what_to_give(iris, how, message):
    with pytest.raises(ParameterError, match=message):
        SpikingClassifier(**how).fit(*iris)
    with pytest.raises(ParameterError, match="y has one class"):
        SpikingClassifier().fit(iris[0], np.zeros(150))
