"""Who forms the learning signal of each population while samples are presented."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .build import Built, Pathway
from .engine import present, rows
from .engine.struct import Links, Struct
from .errors import NetworkError, PluginError
from .layout import BuiltProjection
from .network import CreditLink, Population
from .random import Streams
from .schedule import Schedule


@dataclass
class Lesson:
    """What a presentation leaves for everybody who learns from it; the compiled loop fills it in.

    Attributes
    ----------
    error, wanted : (n_readout,) float64
        softmax(v) - onehot(label), and -onehot(label).
    label : (1,) int64
    reward : (1,) float64
        Logarithm of the probability of the label.
    """

    n_readout: int
    error: np.ndarray = field(init=False)
    wanted: np.ndarray = field(init=False)
    label: np.ndarray = field(init=False)
    reward: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.error, self.wanted = np.zeros(self.n_readout), np.zeros(self.n_readout)
        self.label, self.reward = np.zeros(1, np.int64), np.zeros(1)


def check_learning(built: Built, plan: Schedule, labelled: bool) -> None:
    """Refuse rules and pathways that cannot learn from what a presentation has to say.

    Raises
    ------
    NetworkError
    """
    for own in built.projections.values():
        if own.rule.once and plan.steps > 1:
            raise NetworkError(
                f"present: rule {type(own.rule).__name__} of projection {own.projection.name!r} learns from one error "
                f"in a presentation, and there are {plan.steps}. Leave out every, or use a rule such as EProp."
            )
        if own.rule.longest is not None:
            parameter, times = own.rule.longest
            tau, duration = getattr(own.rule, parameter), plan.every * plan.steps
            if duration > (times + 1e-6) * tau:
                raise NetworkError(
                    f"present: rule {type(own.rule).__name__} of projection {own.projection.name!r} learns from "
                    f"presentations of up to {times:g} {parameter} = {times * tau:g} s, not of {duration:g} s. Present "
                    f"for less, or give the target a longer time constant ({parameter} is {tau:g} s)."
                )
    for link in built.network.credits:
        pathway, name = link.pathway, type(link.pathway).__name__
        if not labelled and pathway.hears != "error":
            raise NetworkError(
                f"present: {name} to {link.to.name!r} starts from a label, and there are targets. Give labels, or a "
                "pathway that carries errors, such as DFA."
            )
        once = pathway.hears == "reward" or any(map(pathway.overrides, ("learn", "mirror", "perturb")))
        if once and plan.steps > 1:
            raise NetworkError(
                f"present: {name} to {link.to.name!r} learns once in a presentation, and there are {plan.steps} errors "
                "in each. Leave out every, or use a pathway with fixed weights, such as DFA."
            )


def forward_weights(built: Built, link: CreditLink) -> np.ndarray:
    """Weights of the synapses from the population that a link leads to, to the one it comes from, row by row.

    Raises
    ------
    NetworkError
        If there are none, or if they are not all there.
    """
    for other in built.projections.values():
        if other.projection.source is link.to and other.projection.target is link.error:
            if not other.dense or other.w_kind != rows.BY_SYNAPSE:
                raise NetworkError(
                    f"credit from {link.error.name!r} to {link.to.name!r} needs the weights of projection "
                    f"{other.projection.name!r}; connect it with all_to_all() and one weight per synapse."
                )
            return other.weight
    raise NetworkError(
        f"credit pathway {link.pathway!r} needs synapses from {link.to.name!r} to {link.error.name!r}, and no "
        "projection leads there. Connect them, or use DFA."
    )


def pathway_of(built: Built, link: CreditLink) -> Pathway:
    """What a link keeps, made from the network's seed when it is first asked for."""
    if link.name not in built.pathways:
        rng = Streams(built.network.seed).generator("credit", link.to.name, link.error.name)
        shape, name = (len(link.to), len(link.error)), type(link.pathway).__name__
        drawn = np.asarray(link.pathway.draw(rng, *shape), float)
        if drawn.shape != shape or not np.isfinite(drawn).all():
            raise PluginError(
                f"{name}.draw returned feedback weights of shape {drawn.shape}; return finite numbers of shape "
                f"{shape}, one row for each neuron of {link.to.name!r}."
            )
        built.pathways[link.name] = Pathway(drawn.ravel().copy(), np.full(1, math.nan), np.zeros(3, np.int64))
    return built.pathways[link.name]


def _in_order(links: list[CreditLink], readout: Population) -> list[CreditLink]:
    """Links sorted so that each follows those that bring a signal to where it starts."""
    done, waiting = [], list(links)
    while waiting:
        sources = {id(link.to) for link in waiting}
        ready = [link for link in waiting if link.error is readout or id(link.error) not in sources]
        if not ready:
            names = " -> ".join(link.name for link in waiting)
            raise NetworkError(f"Credit links lead in a circle: {names}. Take one of them out.")
        done += ready
        waiting = [link for link in waiting if link not in ready]
    return done


def _above(link: CreditLink, taught: dict[str, list[BuiltProjection]]) -> list[int]:
    """Groups whose rules say how the signals of a link's error population are passed on."""
    found = [p.group for p in taught.get(link.error.name, []) if p.rule.overrides("gain")]
    if not found:
        raise NetworkError(
            f"Credit from the hidden population {link.error.name!r} to {link.to.name!r} needs a rule with a method "
            f"gain onto {link.error.name!r}. Use ThreeFactor there, or a pathway from the readout, such as DFA."
        )
    return found


def links_of(built: Built, readout: Population, lesson: Lesson) -> Links:
    """A kernel for each credit link, in order; signals arrive where the rules of the network read them."""
    taught: dict[str, list[BuiltProjection]] = {}
    for own in built.projections.values():
        if own.rule.needs_signal:
            taught.setdefault(own.projection.target.name, []).append(own)
    signals = {
        name: lesson.error if name == readout.name else np.zeros(len(built.network.populations[name]))
        for name in taught
    }
    for name, some in taught.items():
        for own in some:
            built.groups[own.group].signal = signals[name]
        if name != readout.name and not any(link.to.name == name for link in built.network.credits):
            raise NetworkError(
                f"Rule {some[0].rule!r} of projection {some[0].projection.name!r} needs a signal, but no credit "
                f"pathway leads to {name!r}. Add net.credit(pathway, error={readout.name}, to={name})."
            )
    streams = Streams(built.network.seed)
    structs: list[Struct] = []
    first: set[str] = set()
    for link in _in_order(built.network.credits, readout):
        pathway, kept, hears = link.pathway, pathway_of(built, link), link.pathway.hears
        if hears != "error" and link.error is not readout:
            raise NetworkError(
                f"{type(pathway).__name__} of the link from {link.error.name!r} to {link.to.name!r} starts from the "
                f"label. Give error={readout.name}, the readout."
            )
        n, n_error = len(link.to), 1 if hears == "reward" else len(link.error)
        kind, error = present.GIVEN, lesson.wanted if hears == "label" else lesson.error
        above: list[int] = []
        if hears in ("own", "reward"):
            kind, error = {"own": present.OWN, "reward": present.REWARD}[hears], np.zeros(n_error)
        elif link.error is not readout:
            kind, error, above = present.ABOVE, np.zeros(n_error), _above(link, taught)
            for g in above:
                built.groups[g].delta = error
        mirrors = pathway.overrides("mirror")
        structs.append(
            Struct(
                kind=kind,
                pathway=pathway,
                error=error,
                above=np.array(above, np.int64),
                label=lesson.label,
                reward=lesson.reward,
                signal=signals[link.to.name],
                first=link.to.name not in first,
                feedback=kept.feedback,
                expected=kept.expected,
                count=kept.count,
                forward=np.full(1, math.nan) if pathway.is_local else forward_weights(built, link),
                through=forward_weights(built, link) if mirrors else np.zeros(1),
                g0=built.offset[link.to.name],
                before=np.zeros(n, np.int64),
                noise=np.zeros(n if mirrors else 0),
                heard=np.zeros(n_error if mirrors else 0),
                key=np.array([streams.key("nudge", link.to.name, link.error.name)], np.uint64),
                learns=pathway.overrides("learn"),
                mirrors=mirrors,
                nudges=pathway.overrides("perturb"),
            )
        )
        first.add(link.to.name)
    return Links([present.credit] * len(structs), structs, built.engine)
