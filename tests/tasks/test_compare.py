"""The comparison of rules: what is set, what is computed from runs, and that failures are told."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.tasks import TASKS, Task, load
from rules import PATHWAYS, Delta, ThreeFactor
from snn import ParameterError

ROOT = Path(__file__).parents[2]
KEYS = [
    "task",
    "rule",
    "credit",
    "hidden",
    "epochs",
    "seeds",
    "accuracy_mean",
    "accuracy_sd",
    "gain",
    "spikes_per_sample",
    "synaptic_events_per_sample",
    "weight_updates_per_sample",
    "seconds_per_epoch",
]


@pytest.fixture(scope="module")
def compare():
    spec = importlib.util.spec_from_file_location("compare", ROOT / "scripts" / "compare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def book():
    return tomllib.loads((ROOT / "scripts" / "settings.toml").read_text())


def toy(n=60):
    """Two classes by which half of eight inputs is larger."""
    x = np.random.default_rng(0).random((n, 8)).astype(np.float32)
    y = (x[:, :4].sum(axis=1) < x[:, 4:].sum(axis=1)).astype(int)
    return Task("toy", x, y, x[:20], y[:20], x[20:40], y[20:40])


def test_what_is_more_special_goes_before(compare):
    book = tomllib.loads("""
        [default]
        epochs = 1
        rule = { eta = 1.0, width = 1.0 }
        [default.rules.dfa]
        credit = { scale = 1.0 }
        [toy]
        rule = { eta = 2.0 }
        [toy.rules.dfa]
        credit = { scale = 2.0 }
        epochs = 2
        [toy.widths.500.rules.dfa]
        rule = { width = 5.0 }
    """)
    assert compare.settings_of(book, "other", "fa", "100")["rule"] == {"eta": 1.0, "width": 1.0}
    found = compare.settings_of(book, "toy", "dfa", "500")
    assert found["rule"] == {"eta": 2.0, "width": 5.0}
    assert (found["credit"], found["epochs"]) == ({"scale": 2.0}, 2)
    changed = compare.overrides(found, ["rule.eta=3.5", "net.w_in=[0.0, 1.0]"])
    assert changed["rule"] == {"eta": 3.5, "width": 5.0} and changed["net"] == {"w_in": [0.0, 1.0]}
    with pytest.raises(ParameterError, match="'eta=3' is not part"):
        compare.overrides(found, ["eta=3"])


def test_every_setting_is_one_that_its_class_knows(compare, book):
    assert set(book) - {"default"} <= set(TASKS)
    for task in TASKS:
        for name, pathway in PATHWAYS.items():
            found = compare.settings_of(book, task, name, "")
            pathway(**found["credit"]), ThreeFactor(**found["rule"]), Delta(**found["readout"])
        for name, (learns, _) in compare.SPIKING_ERRORS.items():
            found = compare.settings_of(book, task, name, "")
            learns(**found["erbp_rule"]), learns(**found["erbp_readout"])


def test_gain_is_the_share_of_what_backpropagation_gains(compare):
    settings = {"hidden": "30", "epochs": 1, **{part: {} for part in compare.PARTS}}

    def made(rule, accuracies):
        runs = [
            {"seed": k, "accuracy": a, "faults": [], "valid": [a], "online": [a], "spikes": 10.0 + k}
            for k, a in enumerate(accuracies)
        ]
        return compare.row(toy(), rule, settings, runs)

    rows = [made("frozen", [0.5, 0.7]), made("dfa", [0.8, 0.9]), made("bptt", [0.9, 0.9])]
    compare.add_gains(rows)
    assert [r["gain"] for r in rows] == pytest.approx([0.0, 0.25 / 0.3, 1.0])
    assert [(r["rule"], r["credit"]) for r in rows] == [
        ("frozen", "none"),
        ("three-factor", "dfa"),
        ("BPTT", "backprop"),
    ]
    assert rows[1]["accuracy_sd"] == pytest.approx(0.1 / np.sqrt(2)) and rows[1]["spikes_per_sample"] == 10.5


def run(compare, rule, *changes):
    settings = {"hidden": "6", "epochs": 1, **{part: {} for part in compare.PARTS}}
    return compare.train(rule, toy(), compare.overrides(settings, list(changes)), 0, False, lambda: None)


def test_networks_run_in_steps_and_backprop_in_its_own(compare):
    settings = {"hidden": "6", "epochs": 1, **{part: {} for part in compare.PARTS}}
    task = replace(toy(), feedback_delay=0.01)
    compare.overrides(settings, ["net.steps=20", "net.duration=0.04", "erbp.steps=30", "bptt.steps=60"])
    made = {rule: compare.network(rule, task, settings, 0) for rule in ("frozen", "dfa", "erbp", "bptt")}
    # Presentations that wait for the error are longer; their steps are not.
    for rule, dt in (("frozen", 0.002), ("dfa", 0.002), ("erbp", 0.04 / 30)):
        assert made[rule].sim.grid.dt == pytest.approx(dt, rel=0.02) and made[rule].duration == pytest.approx(0.05)
    assert made["bptt"].steps == 75
    del settings["net"]["steps"]
    assert compare.network("dfa", task, settings, 0).sim.engine == "exact"
    assert compare.network("bptt", task, settings, 0).steps == 75
    settings["net"]["steps"] = 40
    recurrent = compare.network("eprop", task, compare.overrides(settings, ["recurrent.every=0.01"]), 0)
    assert recurrent.sim.grid.dt == pytest.approx(0.001) and recurrent.duration == pytest.approx(0.05)
    trained = run(compare, "dfa", "net.steps=15")
    assert trained["spikes"] > 0 and not any("training ended" in text for text in trained["faults"])


def test_runs_that_fail_say_why(compare):
    silent = run(compare, "dfa", "net.w_in=[-5.0, 0.1]", "rule.eta=0.0")
    assert any("hidden: 100 % of its neurons never fire" in text for text in silent["faults"])
    loud = run(compare, "dfa", "net.w_in=[40.0, 1.0]", "rule.eta=0.0")
    assert any("rates exploded" in text for text in loud["faults"])
    lost = run(compare, "bptt", "bptt.eta=0.0", "bptt.eta_readout=1e308")
    assert "training ended: weights are not finite after pass 1" in lost["faults"]
    assert np.isnan(lost["accuracy"]) and "spikes" not in lost


def test_whole_comparison_writes_its_rows_and_shows_test_samples_once(compare, tmp_path, monkeypatch, capsys):
    shown = []
    build = compare.network

    def counted(rule, task, settings, seed):
        net = build(rule, task, settings, seed)
        show = net.show

        def noted(samples, labels=None, **how):
            if labels is not None and np.array_equal(samples, test_x):
                shown.append((rule, seed))
            return show(samples, labels, **how)

        net.show = noted
        return net

    name = "randman:classes=2,inputs=6,per_class=30"
    test_x = load(name).test_x
    monkeypatch.setattr(compare, "network", counted)
    path, picture = tmp_path / "rows.json", tmp_path / "curves.png"
    rules = "dfa erbp local-target burstprop"
    given = f"--task {name} --rules {rules} --hidden 5 --epochs 2 --seeds 2 --json {path} --plot {picture}".split()
    assert compare.main(given) == 0
    trained = ["bptt", "frozen", *rules.split()]
    assert sorted(shown) == sorted((rule, seed) for rule in trained for seed in (0, 1))
    rows = json.loads(path.read_text())
    assert [r["credit"] for r in rows] == ["none", "dfa", "spikes", "spikes", "bursts", "backprop"]
    assert all(list(r)[: len(KEYS)] == KEYS for r in rows)
    assert all(r["seeds"] == [0, 1] and len(r["valid"][0]) == 2 for r in rows)
    assert picture.stat().st_size > 0
    # Error neurons change weights only within a window, bursts only with their first two spikes: every look counts.
    assert [r["updates_at_most"] for r in rows] == [False, False, True, False, True, False]
    printed = capsys.readouterr().out
    assert printed.count("≤") == 3 and f"≤{rows[2]['weight_updates_per_sample']:.0f} " in printed
    shown.clear()
    assert compare.main([*given, "--tune"]) == 0 and not shown
    assert "the test samples were not touched" in capsys.readouterr().out


def test_rows_are_written_as_they_end(compare, tmp_path, monkeypatch, capsys):
    train, path = compare.train, tmp_path / "rows.json"

    def broken(rule, task, *rest):
        if rule == "bptt" and len(task.train_y) > 2:
            raise ParameterError("no baseline today")
        return train(rule, task, *rest)

    monkeypatch.setattr(compare, "train", broken)
    name = "randman:classes=2,inputs=6,per_class=30"
    assert compare.main(f"--task {name} --rules dfa --hidden 5 --epochs 1 --seeds 1 --json {path}".split()) == 1
    said = capsys.readouterr()
    assert "no baseline today" in said.err and "three-factor  dfa" in said.out
    assert [(r["credit"], r["gain"]) for r in json.loads(path.read_text())] == [("none", None), ("dfa", None)]


def test_folds_give_each_seed_a_share_of_the_training_samples(compare, monkeypatch):
    train, held = compare.train, {}

    def noted(rule, task, settings, seed, *rest):
        if len(task.train_y) > 2:
            held[seed] = task.valid_x
        return train(rule, task, settings, seed, *rest)

    monkeypatch.setattr(compare, "train", noted)
    name = "randman:classes=2,inputs=6,per_class=30"
    given = f"--task {name} --rules dfa --hidden 5 --epochs 1 --seeds 3 --folds 2 --tune --jobs 1".split()
    assert compare.main(given) == 0
    whole = load(name)
    for seed, share in held.items():
        assert np.array_equal(share, whole.fold(seed % 2, 2).valid_x)
    assert np.array_equal(held[0], held[2]) and len(held[0]) + len(held[1]) == len(whole.train_y)


def test_gain_is_taken_within_a_task_and_width(compare):
    numbers = [("a", "5", 0.5, 0.8, 0.9), ("a", "9", 0.6, 0.7, 0.8), ("b", "5", 0.0, 0.5, 1.0)]
    rows = [
        {"task": task, "hidden": hidden, "rule": rule, "accuracy_mean": accuracy}
        for task, hidden, frozen, local, best in numbers
        for rule, accuracy in (("frozen", frozen), ("three-factor", local), ("BPTT", best))
    ]
    compare.add_gains(rows)
    assert [r["gain"] for r in rows if r["rule"] == "three-factor"] == pytest.approx([0.75, 0.5, 0.5])


def test_samples_that_are_spikes_are_compared_too(compare, capsys):
    given = ["--task", "evidence:trials=12,delay=0.1", "--hidden", "5", "--epochs", "1", "--seeds", "1"]
    given += ["--validation", "0.2", "--rules", "dfa", "eprop", "eprop-frozen"]
    assert compare.main(given) == 0
    printed = capsys.readouterr().out
    assert "e-prop        dfa" in printed and "recurrent     none" in printed
    assert compare.main([*given, "--rules", "erbp"]) == 1
    assert "which rule 'erbp' cannot be shown" in capsys.readouterr().err


def test_unknown_rules_and_missing_data_are_told(compare, tmp_path, capsys):
    assert compare.main(["--task", "yin-yang", "--rules", "magic"]) == 1
    assert "there is no 'magic'; there are: all, frozen, symmetric" in capsys.readouterr().err
    assert compare.main(["--task", "mnist", "--data", str(tmp_path)]) == 1
    assert "train-images" in capsys.readouterr().err
    assert compare.main(["--task", "randman:classes=2,inputs=6,per_class=30", "mnist", "--data", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "train-images" in said.err and "compiling" not in said.out


def test_settings_and_folders_that_are_not_there_are_named(compare, tmp_path, capsys):
    name = "randman:classes=2,inputs=6,per_class=30"
    given = f"--task {name} --rules dfa --hidden 5 --epochs 1 --seeds 1".split()
    assert compare.main([*given, "--set", "net.stepps=40"]) == 1
    assert "settings of 'frozen'" in (said := capsys.readouterr().err) and "stepps" in said
    with pytest.raises(SystemExit):
        compare.main([*given, "--json", str(tmp_path / "nowhere" / "rows.json")])
    assert "there is no folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--validation -1", "fraction is -1.0; give a number between 0 and 1"),
        ("--validation nan", "fraction is nan"),
        ("--folds 1", "--folds is 1; give 2 or more"),
        ("--rules eprop", "settings of 'eprop': RecurrentNetwork.__init__() missing 1 required keyword-only"),
        ("--settings nowhere.toml", "--settings: nowhere.toml cannot be read as TOML"),
        ("--settings README.md", "--settings: README.md cannot be read as TOML"),
        ("--plot curves.xyz", "--plot is curves.xyz; give a name that ends in one of: .png, .pdf"),
        ("--set net.steps=2.5", "steps is 2.5; give a whole number of time steps"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_is_trained(compare, capsys, monkeypatch, given, message):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(compare, "ThreadPoolExecutor", None)
    always = "--task randman:classes=2,inputs=6,per_class=30 --rules dfa --hidden 5 --epochs 1 --seeds 1"
    try:
        assert compare.main(f"{always} {given}".split()) == 1
    except SystemExit as ended:
        assert ended.code == 2
    assert message in capsys.readouterr().err
