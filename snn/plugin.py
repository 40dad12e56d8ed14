"""Declarations for plugins: neuron models, sources, plasticity rules and credit pathways.

A plugin is a plain Python class. Parameters and state are class attributes, behaviour is a few methods over
records; the engine compiles those methods, and the same methods run uncompiled in a debugger.

    class SoftSTDP(Rule):
        "Pair STDP with a soft upper bound (van Rossum et al. 2000)."
        a_plus: float = param(0.005, min=0, doc="potentiation per pair")
        tau: float = param(20 * ms, unit="s", above=0, doc="decay of both traces")
        x = state("pre", decay="tau")
        y = state("post", decay="tau")

        def on_pre(self, syn, pre, post, t):
            syn.w = max(0.0, syn.w - self.a_plus * post.y)
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from .errors import ParameterError, PluginError
from .values import BRIAN2_UNITS, numbers

# Largest magnitude that is believed without asking, and the unit that was probably meant.
_PLAUSIBLE = {
    "s": (10.0, "ms", "times are in seconds"),
    "V": (2.0, "mV", "voltages are in volts"),
    "A": (1e-3, "pA", "currents are in amperes"),
    "F": (1e-3, "pF", "capacitances are in farads"),
    "S": (1e-2, "nS", "conductances are in siemens"),
    "Hz": (1e6, None, "rates are in hertz"),
}


def is_whole(value: Any, least: int) -> bool:
    """Whether a value is a whole number, of at least `least`; True and False are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= least)


def check_unit(where: str, value: Any, unit: str, plausible: float | None = None) -> None:
    """Refuse a value that looks like it was given in the wrong unit.

    Parameters
    ----------
    where : str
        What the value belongs to, for the message (``"LIF.tau_m"``).
    value : float or array_like
    unit : str
        SI unit of the value: one of s, V, A, F, S, Hz; any other is not checked.
    plausible : float, optional
        Largest magnitude accepted, in place of the unit's own limit.

    Raises
    ------
    ParameterError
        With the likely fix: ``LIF.tau_m is 20.0 s; times are in seconds. Did you mean 20 * ms?``
    """
    limit, likely, words = _PLAUSIBLE.get(unit, (math.inf, None, ""))
    limit = limit if plausible is None else plausible
    array = np.atleast_1d(np.asarray(value, dtype=float))
    finite = array[np.isfinite(array)]
    worst = finite[np.argmax(np.abs(finite))] if finite.size else 0.0
    if abs(worst) > limit:
        hint = f" Did you mean {worst:g} * {likely}?" if likely else f" The largest accepted value is {limit:g}."
        raise ParameterError(f"{where} is {worst:g} {unit}; {words or 'that is out of range'}.{hint}")


def plausible_beside(v_thresh: Any, unit: str) -> float | None:
    """Largest magnitude that is believed of a value beside a model's threshold; None: the unit's own limit.

    Where the threshold itself is dimensionless, from 0.2 to 2, other potentials may be ten times as large.
    """
    if unit != "V" or v_thresh is None:
        return None
    size = np.abs(np.asarray(v_thresh, dtype=float))
    return 10.0 * float(size.min()) if size.size and size.min() >= 0.2 and size.max() <= 2.0 else None


@dataclass(frozen=True)
class Param:
    """A declared parameter; made by :func:`param`."""

    default: Any
    unit: str = "1"
    min: float | None = None
    above: float | None = None
    max: float | None = None
    below: float | None = None
    finite: bool = True
    plausible: float | None = None
    inherit: str | None = None
    per_neuron: bool = True
    series: bool = False
    doc: str = ""
    name: str = ""

    def check(self, where: str, value: Any, v_thresh: Any = None) -> Any:
        """Return `value` as bool, float or float array, or raise ParameterError; `v_thresh` is the plugin's."""
        if value is None and self.inherit:
            return None
        if isinstance(self.default, bool):
            if not isinstance(value, (bool, np.bool_)):
                raise ParameterError(f"{where} is {value!r}; give True or False.")
            return bool(value)
        array = numbers(where, value, f"a number in {self.unit}", self.unit)
        if self.series and (array.ndim not in (1, 2) or array.size == 0):
            raise ParameterError(
                f"{where} has shape {array.shape}; give (n_steps,) values, or (n_steps, n) for n neurons."
            )
        if not self.series and (array.ndim > 1 or (array.ndim == 1 and not self.per_neuron)):
            allowed = "a number or a one-dimensional array" if self.per_neuron else "one number"
            raise ParameterError(f"{where} has shape {array.shape}; give {allowed}.")
        if np.isnan(array).any() or (self.finite and not np.isfinite(array).all()):
            bad = array[~np.isfinite(array)].flat[0]
            raise ParameterError(f"{where} is {bad}; give a finite number in {self.unit}.")
        check_unit(where, array, self.unit, self.plausible or plausible_beside(v_thresh, self.unit))
        for bound, wrong, words in (
            (self.min, lambda a, b: a < b, "at least"),
            (self.above, lambda a, b: a <= b, "above"),
            (self.max, lambda a, b: a > b, "at most"),
            (self.below, lambda a, b: a >= b, "below"),
        ):
            if bound is not None and wrong(array, bound).any():
                bad = array[wrong(array, bound)].flat[0]
                unit = "" if self.unit == "1" else " " + self.unit
                raise ParameterError(f"{where} is {bad:g}{unit}; it must be {words} {bound:g}{unit}.")
        return float(array) if array.ndim == 0 else np.ascontiguousarray(array)


@dataclass(frozen=True)
class State:
    """A declared state variable; made by :func:`state`."""

    kind: str
    init: float = 0.0
    decay: str | None = None
    unit: str = "1"
    doc: str = ""
    name: str = ""


def param(
    default: Any,
    *,
    unit: str = "1",
    min: float | None = None,
    above: float | None = None,
    max: float | None = None,
    below: float | None = None,
    finite: bool = True,
    plausible: float | None = None,
    inherit: str | None = None,
    per_neuron: bool = True,
    series: bool = False,
    doc: str = "",
) -> Any:
    """Declare a parameter of a plugin.

    Parameters
    ----------
    default : float, bool or None
        Value used when none is given. None goes with `inherit`.
    unit : str
        SI unit; values that look like another unit are refused (see :func:`check_unit`).
    min, above, max, below : float, optional
        Bounds: inclusive, exclusive, inclusive, exclusive.
    finite : bool
        False accepts infinity (a time constant that never decays).
    plausible : float, optional
        Largest magnitude that is believed, where the unit's own limit is too tight.
    inherit : str, optional
        Name of the postsynaptic model's parameter, or of its property, that is taken when the value is None (rules
        only).
    per_neuron : bool
        Whether an array with one value per neuron is accepted (always one value for rules).
    series : bool
        True: values in order of time, (n_steps,) for all neurons or (n_steps, n) for n neurons. Methods see those of
        their neuron, an array (n_steps,).
    doc : str
        One line for people.
    """
    return Param(default, unit, min, above, max, below, finite, plausible, inherit, per_neuron, series, doc)


def state(kind: str, init: float = 0.0, *, decay: str | None = None, unit: str = "1", doc: str = "") -> Any:
    """Declare a state variable of a plugin.

    Parameters
    ----------
    kind : {"cell", "syn", "pre", "post"}
        "cell" for neuron models; "syn", "pre", "post" for rules: one value per synapse, per presynaptic
        neuron as this projection sees it, per postsynaptic neuron.
    init : float
        Value at the start and after a reset.
    decay : str, optional
        Name of the parameter that holds the time constant (s) of an exponential decay. The engine then keeps
        the variable current by itself, and methods read and write its present value.
    unit, doc : str
        For people and for files.
    """
    if kind not in ("cell", "syn", "pre", "post"):
        raise PluginError(f"state({kind!r}): the kind is one of 'cell', 'syn', 'pre', 'post'.")
    if decay is not None and kind not in ("pre", "post"):
        raise PluginError(f"state({kind!r}, decay={decay!r}): only 'pre' and 'post' states can decay by themselves.")
    return State(kind, float(init), decay, unit, doc)


def _signature(params: Iterable[Param]) -> inspect.Signature:
    """That of a plugin that takes these parameters by name."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature([inspect.Parameter(p.name, kind, default=p.default) for p in params])


def _documented(text: str, params: Iterable[Param]) -> str:
    """A docstring with a section on these parameters, before all other sections."""
    lines = []
    for p in params:
        unit = "" if p.unit == "1" else f", {p.unit}"
        default = f"the target's {p.inherit}" if p.default is None else repr(p.default)
        lines.append(f"{p.name} : {'bool' if isinstance(p.default, bool) else 'float'}{unit}, default {default}")
        lines += [f"    {p.doc}"] * bool(p.doc)
    text = inspect.cleandoc(text)
    if not lines or re.search(r"^Parameters\n-+$", text, re.MULTILINE):
        return text
    head, *sections = re.split(r"\n\n(?=\w[\w ]*\n---)", text)
    return "\n\n".join([head, "\n".join(["Parameters", "----------", *lines]), *sections]).lstrip("\n")


class Plugin:
    """Base of everything that can be plugged in: keyword parameters, checked; a repr that can be typed back.

    A subclass changes the default of a parameter by a value under its name: ``a_plus = 0.3``.
    """

    params_declared: ClassVar[dict[str, Param]] = {}
    states_declared: ClassVar[dict[str, State]] = {}
    state_kinds: ClassVar[tuple[str, ...]] = ()
    reference: ClassVar[str] = ""
    __signature__: ClassVar[inspect.Signature | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        params, states = dict(cls.params_declared), dict(cls.states_declared)
        threshold = vars(cls).get("v_thresh", params.get("v_thresh"))
        v_thresh = threshold.default if isinstance(threshold, Param) else threshold
        for name, value in list(vars(cls).items()):
            if isinstance(value, Param):
                params[name] = Param(**{**value.__dict__, "name": name})
            elif isinstance(value, State):
                if value.kind not in cls.state_kinds:
                    raise PluginError(
                        f"{cls.__name__}.{name}: state kind {value.kind!r} does not fit; use one of {cls.state_kinds}."
                    )
                states[name] = State(**{**value.__dict__, "name": name})
            elif name in params:
                checked = params[name].check(f"{cls.__name__}.{name}", value, None if name == "v_thresh" else v_thresh)
                # Not an array, which all instances would share.
                default = checked.tolist() if isinstance(checked, np.ndarray) else checked
                params[name] = replace(params[name], default=default)
            elif name in states:
                raise PluginError(
                    f"{cls.__name__}.{name} is {value!r}, and {name} is a state; declare it anew with "
                    f"{name} = state({states[name].kind!r}, ...)."
                )
            else:
                continue
            delattr(cls, name)
        for name in states:
            if name in params or name == "w":
                raise PluginError(f"{cls.__name__}.{name} is declared twice ('w' is every synapse's weight).")
        for name, declared in states.items():
            if declared.decay is not None and declared.decay not in params:
                raise PluginError(
                    f"{cls.__name__}.{name} decays with {declared.decay!r}, which is not a parameter. "
                    f"Add {declared.decay}: float = param(20 * ms, unit='s', above=0)."
                )
        cls.params_declared, cls.states_declared = params, states
        # None: what the constructor of its own takes.
        cls.__signature__ = _signature(params.values()) if cls.__init__ is Plugin.__init__ else None
        cls.__doc__ = _documented(vars(cls).get("__doc__") or "", params.values())

    def __init__(self, *args: Any, **values: Any) -> None:
        if args:
            named = ", ".join(f"{name}={value!r}" for name, value in zip(self.params_declared, args, strict=False))
            raise ParameterError(f"{type(self).__name__} takes its parameters by name: {type(self).__name__}({named}).")
        unknown = sorted(set(values) - set(self.params_declared))
        if unknown:
            raise ParameterError(
                f"{type(self).__name__} has no parameter {unknown[0]!r}. It has: {', '.join(self.params_declared)}."
            )
        # The threshold first, beside which other potentials are judged.
        for name in sorted(self.params_declared, key=lambda name: name != "v_thresh"):
            setattr(self, name, values.get(name, self.params_declared[name].default))

    def __setattr__(self, name: str, value: Any) -> None:
        declared = self.params_declared.get(name)
        if declared is None and not name.startswith("_"):
            raise ParameterError(
                f"{type(self).__name__} has no parameter {name!r}. It has: {', '.join(self.params_declared)}."
            )
        if declared is not None:
            where = f"{type(self).__name__}."
            value = declared.check(where + name, value, None if name == "v_thresh" else vars(self).get("v_thresh"))
            if name == "v_thresh":
                for other in self.params_declared.keys() & vars(self).keys() - {name}:
                    self.params_declared[other].check(where + other, getattr(self, other), value)
        object.__setattr__(self, name, value)

    def params(self) -> dict[str, Any]:
        """Every parameter's value by name."""
        return {name: getattr(self, name) for name in self.params_declared}

    def per_neuron(self) -> dict[str, np.ndarray]:
        """Parameters that differ from neuron to neuron, which is their last axis."""
        arrays = {name: value for name, value in self.params().items() if isinstance(value, np.ndarray)}
        return {name: a for name, a in arrays.items() if a.ndim == 1 + self.params_declared[name].series}

    def of_neuron(self, j: int) -> Any:
        """The same plugin with the values of neuron j alone."""
        own = {name: a[..., j] for name, a in self.per_neuron().items()}
        return self.replace(**own) if own else self

    def replace(self, **values: Any) -> Any:
        """A copy with some parameters changed."""
        return type(self)(**{**self.params(), **values})

    def states(self, kind: str) -> dict[str, State]:
        """The declared states of one kind by name."""
        return {name: st for name, st in self.states_declared.items() if st.kind == kind}

    def __repr__(self) -> str:
        def text(value: Any) -> str:
            if isinstance(value, np.ndarray):
                return f"<{value.size} values, {value.min():g} to {value.max():g}>" if value.size else "<no values>"
            return repr(value)

        changed = [
            f"{name}={text(value)}"
            for name, value in self.params().items()
            if isinstance(value, np.ndarray) or value != self.params_declared[name].default
        ]
        return f"{type(self).__name__}({', '.join(changed)})"


class Rule(Plugin):
    """Base of plasticity rules: what a synapse does when its neurons spike and when a signal reaches it.

    Overridable hooks, each optional; a hook that is not overridden costs nothing. `syn` is the synapse (its weight
    `syn.w` and the declared "syn" states), `pre` and `post` hold the declared states of the two neurons, `t` is the
    time in seconds.

    on_pre(self, syn, pre, post, t)
        For each synapse when a spike arrives (t_spike + delay), after the weight has been delivered.
    on_post(self, syn, pre, post, t)
        For each synapse when its target fires.
    pre_spike(self, pre, t), post_spike(self, post, t)
        Once per spike, after the synapses have been visited.
    post_signal(self, post, signal, t)
        Once for each target when a learning signal has reached it, before its synapses learn of it.
    on_signal(self, syn, pre, post, signal, t)
        For each synapse whose axon has carried a spike in this presentation, when a learning signal has reached the
        target (`signal` is the target's).
    on_end(self, syn, pre, post, t)
        For each synapse when a presentation has ended.
    on_teach(self, post, w, t)
        When a spike arrives over a projection that teaches this one (``net.connect(..., teaches=...)``), once for each
        of its synapses; `w` is that synapse's weight.
    gain(self, post, t)
        Optional: how much more the target fires for an input at the start of the presentation, as the rule estimates
        it. Credit pathways multiply a neuron's signal by it on the way to the layer below.
    """

    state_kinds = ("syn", "pre", "post")
    hooks: ClassVar[dict[str, tuple[str, ...]]] = {
        "on_pre": ("syn", "pre", "post", "t"),
        "on_post": ("syn", "pre", "post", "t"),
        "pre_spike": ("pre", "t"),
        "post_spike": ("post", "t"),
        "post_signal": ("post", "signal", "t"),
        "on_signal": ("syn", "pre", "post", "signal", "t"),
        "on_end": ("syn", "pre", "post", "t"),
        "on_teach": ("post", "w", "t"),
        "gain": ("post", "t"),
    }
    """What each hook is called with, after `self`."""
    sees_v: ClassVar[tuple[str, ...]] = ("on_pre", "post_spike", "post_signal")
    """Hooks in which `post.v` is there for a rule that reads it."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Beyond its declared state, what the rule reads: ``("post.v",)`` for the target's membrane potential.

    `post.v` is there in on_pre and in post_signal, and in post_spike, where it is the potential that the spike was
    fired from. That of a refractory cell is -1e30, below every threshold.
    """
    once: ClassVar[bool] = False
    """Whether the rule can learn only from one error in a presentation, at its end."""
    longest: ClassVar[tuple[str, float] | None] = None
    """Name of a parameter (s), and how many times as long a presentation may last from which the rule learns."""
    bounds: ClassVar[tuple[str, str] | None] = None
    """Names of the parameters that bound the weight, or None."""

    def overrides(self, hook: str) -> bool:
        """Whether this rule implements the hook."""
        return getattr(type(self), hook, None) is not None

    @property
    def needs_signal(self) -> bool:
        """Whether the rule learns only when a learning signal arrives."""
        return self.overrides("on_signal") or self.overrides("post_signal")

    def brian2(self) -> dict[str, Any]:
        """The same rule in Brian2's words: keys model, on_pre, on_post, namespace (see Synapses)."""
        raise PluginError(f"{type(self).__name__} does not state a Brian2 form. Add a brian2() method to compare it.")


class Model(Plugin):
    """Base of neuron models.

    ports : names of the places where arrivals land, in order; methods receive the index.
    threshold : whether the cell can fire at all.

    advance(self, cell, dt)
        Move the state by `dt` seconds by its closed-form solution.
    receive(self, cell, port, w)
        An arrival of weight `w` lands on a port.
    time_to_threshold(self, cell)
        Seconds until the cell crosses its threshold if nothing arrives; 0 if it is at or above, inf if never.
    fire(self, cell)
        What a spike does to the state (the reset).
    hold(self, cell, dt), receive_held(self, cell, port, w)
        The same as `advance` and `receive` while the cell is refractory. By default the state stands still and
        arrivals are lost.
    step(self, cell, dt)
        For the grid engine, where there is no closed form: move the state by one time step with the model's own
        integrator. Where it is missing the grid engine uses `advance`.
    above(self, cell)
        For the grid engine: whether the potential is at threshold. By default time_to_threshold(cell) == 0.
    noise(self, cell, dt, xi)
        Optional, grid engine: what a step's noise does to the state; `xi` is a standard normal number.
    hazard(self, cell)
        Optional, grid engine: rate (Hz) at which the cell fires by chance; it then has no other threshold.
    modes(self)
        Optional: the same dynamics as a sum of exponentials (:class:`Modes`), which the engine runs much faster.
    """

    state_kinds = ("cell",)
    ports: ClassVar[tuple[str, ...]] = ("exc", "inh")
    threshold: ClassVar[bool] = True
    refractory: ClassVar[str | None] = None
    """Name of the parameter that holds the absolute refractory time (s), or None."""
    potential: ClassVar[str] = "v"
    """Name of the state that is the membrane potential."""
    receives_while_held: ClassVar[bool] = False
    """True where `receive_held` does what `receive` does, as for currents and conductances."""
    injected: ClassVar[str | None] = None
    """Name of the parameter that is a constant current, to which injected currents are added; None: there is none."""

    def hold(self, cell: Any, dt: float) -> None:
        pass

    def receive_held(self, cell: Any, port: int, w: float) -> None:
        pass

    def at_rest(self) -> dict[str, Any]:
        """Values that states start with where a population's `init` names none and the declared one does not fit.

        By default a potential starts at v_rest: 0 V would be far above the threshold of a model in volts.
        """
        known = self.potential in self.states_declared and "v_rest" in self.params_declared
        return {self.potential: self.params()["v_rest"]} if known else {}

    def above(self, cell: Any) -> bool:
        return bool(self.time_to_threshold(cell) <= 0.0)  # type: ignore[attr-defined]

    def modes(self) -> Modes | None:
        return None

    def brian2(self) -> dict[str, Any]:
        """The same model in Brian2's words.

        Keys: model, threshold, reset, refractory, method, on_pre (by port), weight_unit, namespace.
        """
        raise PluginError(f"{type(self).__name__} does not state a Brian2 form. Add a brian2() method to compare it.")

    def brian2_namespace(self) -> dict[str, tuple[Any, str]]:
        """Every number among the parameters with its unit in Brian2's words, for `namespace` of :meth:`brian2`."""
        return {
            name: (value, BRIAN2_UNITS[self.params_declared[name].unit])
            for name, value in self.params().items()
            if not isinstance(value, bool)
        }


@dataclass(frozen=True)
class Modes:
    """A linear cell as a sum of exponentials: v(t) = v_inf + sum_k x_k(t), with x_k' = -x_k / tau_k.

    Mode 0 is the membrane: the reset acts on it, and during refractoriness v is held at `v_reset`, or where a soft
    reset has left it, while the other modes go on. An arrival of weight w on port p adds w * gains[p, k] to mode k.
    State k > 0, in the order of declaration, is x_k / gains[k - 1, k], what port k - 1 has brought. A model whose
    states or gains are not so is run by its other methods.

    Parameters
    ----------
    taus : (K,) float, s; inf for a mode that does not decay
    gains : (n_ports, K) float
    v_inf, v_thresh, v_reset : float or (n,) float
    t_ref : float or (n,) float, s
    soft_reset : bool
        True: a spike subtracts v_thresh - v_reset in place of setting v to v_reset. With several modes and a
        refractory time the model is run by its other methods.
    """

    taus: np.ndarray
    gains: np.ndarray
    v_inf: Any
    v_thresh: Any
    v_reset: Any
    t_ref: Any
    soft_reset: bool = False


class Source(Plugin):
    """Base of spike sources: neurons that fire by themselves and receive nothing.

    next_spike(self, cell, t, u)
        Time (s) of the next spike after `t` (t < 0: none yet), or inf. `u` is a uniform random number in [0, 1) of
        this neuron's own stream; `cell.x` is the value of the sample that is being presented.
    """

    state_kinds = ("cell",)
    is_poisson: ClassVar[bool] = False
    """Whether spikes come at random with the constant rate `rate`, from the time `start` on."""
    memoryless: ClassVar[bool] = False
    """Whether the next spike is independent of the last one: `next_spike` may then be asked from any time on."""

    def next_spike(self, cell: Any, t: float, u: float) -> float:
        raise NotImplementedError


class Credit(Plugin):
    """Base of credit pathways: how what is known at a readout becomes a learning signal at a hidden population.

    The signal of neuron j is the sum over k of feedback(w_jk, b_jk) * e_k. w_jk is the forward weight from j to k (nan
    where the pathway is local: it may not read it), b_jk a feedback weight of this pathway's own. What e is, `hears`
    says.

    feedback(self, w, b)
        Factor between e_k and neuron j.
    draw(self, rng, n, n_error)
        Optional: the feedback weights at first, (n, n_error), for a population of n; by default standard normal
        numbers. A plain method, which is not compiled.
    learn(self, b, x, e)
        Optional: the feedback weight after a presentation in which neuron j has fired x > 0 times.
    mirror(self, b, x, y)
        Optional: the feedback weight after a moment of noise between two presentations, in which neuron j has been
        driven by x, standard normal, and k has received y_k = sum_j w_jk x_j through the synapses that are there.
    perturb(self, xi)
        Optional: weight of an arrival (on the first port) with which each presentation begins at neuron j; `xi` is a
        standard normal number, and takes the place of b_jk.
    expect(self, mean, reward)
        With hears = "reward": the reward that is expected next.

    carries : what travels: "W^T", "sign(W)", "B fixed", "B learned", "label only", "scalar reward" or "none".
    hears : where e comes from:
        "error" : of a readout softmax(v) - onehot(label); of a hidden population its own signal times the gain of its
        rule (:class:`Rule`), so that layers can be chained;
        "label" : -onehot(label);
        "own" : softmax(o) - onehot(label), where o_k = sum_j feedback(nan, b_jk) x_j is what the neurons themselves
        make of it with their spike counts x_j;
        "reward" : one number, the expected reward less the reward log softmax(v)[label].
    layerwise : whether the pathway leads from each layer to the one below, or from the readout to every layer.
    """

    carries: ClassVar[str] = "none"
    hears: ClassVar[str] = "error"
    layerwise: ClassVar[bool] = False

    def feedback(self, w: float, b: float) -> float:
        raise NotImplementedError

    def draw(self, rng: np.random.Generator, n: int, n_error: int) -> np.ndarray:
        return rng.normal(size=(n, n_error))

    @property
    def is_local(self) -> bool:
        """False where a synapse would have to know forward weights of other synapses."""
        return "W" not in self.carries

    def overrides(self, name: str) -> bool:
        """Whether this pathway has one of the optional methods."""
        return getattr(type(self), name, None) is not None


class Current(Plugin):
    """Base of currents that are injected into a population (:meth:`snn.Network.inject`).

    value(self, cell, t, dt, xi)
        What is added to the population's constant drive from t to t + dt, in the unit of the drive; dt = 0 on the
        exact engine. `cell` holds the declared "cell" states, `xi` is a standard normal number where `noisy`, else 0.
    next_change(self, t)
        For the exact engine: the first time (s) after t at which the value changes, or inf. Without it a current
        changes all the time, and needs the grid.

    A parameter whose unit is "drive" is in the unit of the population's drive.
    """

    state_kinds = ("cell",)
    noisy: ClassVar[bool] = False

    def value(self, cell: Any, t: float, dt: float, xi: float) -> float:
        raise NotImplementedError


class GivenSpikes(Source):
    """Base of sources whose spikes are known beforehand: `_ids` (int32) and `_times` (s), sorted by time, then id."""

    plays_samples: ClassVar[bool] = False
    """True where the spikes are those of the sample that is presented, and none otherwise."""

    _ids: np.ndarray
    _times: np.ndarray

    @property
    def spikes(self) -> tuple[np.ndarray, np.ndarray]:
        """(ids, times) of every spike, sorted by time, then id."""
        return self._ids, self._times
