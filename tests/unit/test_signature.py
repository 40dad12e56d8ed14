"""What help() and tab completion show of plugins."""

from __future__ import annotations

import inspect
import pickle
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import models
import rules
from models import LIF, Regular, SpikeTimes
from rules import EProp, Frozen
from snn import ParameterError, ms
from snn.plugin import Credit, Model, Plugin, Rule, Source, param, state

PLUGINS = [
    c for m in (models, rules) for c in map(m.__dict__.get, m.__all__) if inspect.isclass(c) and issubclass(c, Plugin)
]


@pytest.mark.parametrize("cls", PLUGINS)
def test_every_plugin_shows_its_parameters(cls):
    shown = inspect.signature(cls).parameters
    assert not any(p.kind is p.VAR_KEYWORD for p in shown.values())
    if cls.__init__ is Plugin.__init__:
        assert cls(**{name: p.default for name, p in shown.items()}).params().keys() == shown.keys()
    # Each of them once, with its default, in a section that NumPy's readers of docstrings find.
    text = inspect.getdoc(cls)
    section = text.partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    names = [line.split(" : ")[0] for line in section.splitlines() if not line.startswith(" ")]
    assert names == list(cls.params_declared)


def test_the_signature_and_the_documentation_of_a_plugin():
    class Leaky(Model):
        """A cell.

        References
        ----------
        Nobody (1900).
        """

        tau: float = param(20 * ms, unit="s", doc="decay")
        soft: bool = param(False)
        v = state("cell")

    assert str(inspect.signature(Leaky)) == "(*, tau=0.02, soft=False)"
    assert Leaky.__doc__ == (
        "A cell.\n\nParameters\n----------\ntau : float, s, default 0.02\n    decay\nsoft : bool, default False\n\n"
        "References\n----------\nNobody (1900)."
    )

    class Slow(Leaky):
        tau = 0.5

    assert str(inspect.signature(Slow)) == "(*, tau=0.5, soft=False)"
    assert "tau : float, s, default 0.5\n    decay" in Slow.__doc__
    assert "tau : float, s, default the target's tau_m" in EProp.__doc__


def test_plugins_with_a_constructor_of_their_own():
    class Shifted(SpikeTimes):
        pass

    assert list(inspect.signature(Shifted).parameters) == ["ids", "times"]
    assert Rule.__doc__.startswith("Base of plasticity rules") and "Parameters\n" not in Rule.__doc__


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: LIF(20e-3), r"LIF takes its parameters by name: LIF\(tau_m=0.02\)"),
        (lambda: Regular(0.1, 2), r"Regular\(period=0.1, start=2\)"),
        (lambda: Frozen(1), r"Frozen takes its parameters by name: Frozen\(\)"),
    ],
)
def test_parameters_by_position(make, words):
    with pytest.raises(ParameterError, match=words):
        make()


def test_a_plugin_still_travels():
    assert pickle.loads(pickle.dumps(LIF(drive=0.5))).drive == 0.5


@pytest.mark.parametrize(("group", "kinds"), [("rules", Rule), ("models", (Model, Source)), ("credit", Credit)])
def test_entry_points_name_every_plugin(group, kinds):
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    named = tomllib.loads(text)["project"]["entry-points"][f"snn.{group}"]
    found = {cls.__name__: cls for cls in PLUGINS if issubclass(cls, kinds)}
    assert named.keys() == found.keys()
    assert {name: EntryPoint(name, place, f"snn.{group}").load() for name, place in named.items()} == found
