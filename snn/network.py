"""Networks as declarations: populations, projections and credit links, checked but not yet built.

A script says what there is, and nothing is allocated before it runs:

    net = Network(seed=1)
    inputs = net.population("inputs", Poisson(rate=15 * Hz), 1000)
    cells = net.population("cells", LIF(tau_m=20 * ms), 10)
    net.connect(inputs, cells, fixed_probability(0.2), weight=normal(0.3, 0.1, low=0), delay=1 * ms)
    print(net.summary())
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .connect import all_to_all
from .connectors import Connector
from .describe import plain, text
from .errors import NetworkError, ParameterError
from .plugin import Credit, Current, Model, Plugin, Rule, Source, check_unit, is_whole, plausible_beside
from .random import Distribution, Normal
from .synapses import check_values
from .values import numbers

_LARGEST_POPULATION = 2**31 - 1  # ids are int32

Value = float | np.ndarray | Distribution


class Population:
    """Neurons of one model; made by :meth:`Network.population`.

    Parameters
    ----------
    network : Network
    name : str
    model : Model or Source
    size : int
    init : dict
        Initial values of state variables by name: float, (size,) array or Distribution. A membrane potential
            that is not given starts at the model's `v_rest`.
    """

    network: Network
    name: str
    model: Model | Source
    size: int
    init: dict[str, Value]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NetworkError("A Population belongs to a network. Make it with net.population(name, model, size).")

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        return f"Population({self.name!r}, {self.model!r}, {self.size})"


class Projection:
    """Synapses of one kind between two populations; made by :meth:`Network.connect`.

    Parameters
    ----------
    network : Network
    name : str
    source, target : Population
    connector : Connector
    weight : float, array or Distribution
    delay : float, array or Distribution, s
        From a spike to its arrival (axonal).
    port : str
        Where on the target the weight lands.
    rule : Rule or None
        None: the weights never change.
    dtype : {"float64", "float32"}
        In which the weights and the rule's synaptic states are kept.
    index : int
        Place in the order of declaration, which is also the order of simultaneous arrivals.
    teaches : Projection or None
        The projection whose rule takes the arrivals, in place of the target's port.
    """

    network: Network
    name: str
    source: Population
    target: Population
    connector: Connector
    weight: Value
    delay: Value
    port: str
    rule: Rule | None
    dtype: str
    index: int
    teaches: Projection | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NetworkError("A Projection belongs to a network. Make it with net.connect(source, target, connector).")

    def __repr__(self) -> str:
        return f"Projection({self.name!r}, {self.connector!r}, weight={text(self.weight)}, rule={self.rule!r})"

    @property
    def n_synapses(self) -> int | float:
        """Number of synapses: int where it is certain, float where it is an expectation."""
        return self.connector.count(len(self.source), len(self.target), self.source is self.target)


@dataclass(frozen=True, eq=False)
class CreditLink:
    """The pathway by which the error at one population becomes a learning signal at another."""

    pathway: Credit
    error: Population
    to: Population

    @property
    def name(self) -> str:
        return f"{self.error.name}->{self.to.name}"


@dataclass(frozen=True, eq=False)
class Injection:
    """A current into the neurons of a population."""

    population: Population
    current: Current


class Network:
    """What is to be simulated.

    Parameters
    ----------
    seed : int, >= 0, optional
        Seed of every random number of the network; None draws one, which is kept in `seed`.
    """

    def __init__(self, seed: int | None = None) -> None:
        if seed is None:
            seed = secrets.randbits(32)
        if not is_whole(seed, 0):
            raise ParameterError(f"Network.seed is {seed!r}; give a whole number, 0 or more, or None to draw one.")
        self.seed = int(seed)
        self.populations: dict[str, Population] = {}
        self.projections: dict[str, Projection] = {}
        self.credits: list[CreditLink] = []
        self.currents: list[Injection] = []

    def __repr__(self) -> str:
        return f"Network(seed={self.seed}, {len(self.populations)} populations, {len(self.projections)} projections)"

    def population(
        self, name: str, model: Model | Source, size: int, init: Mapping[str, Any] | None = None
    ) -> Population:
        """Add neurons.

        Parameters
        ----------
        name : str
            Unique in the network.
        model : Model or Source
            An instance; a parameter given an array needs one value per neuron.
        size : int, >= 1
        init : dict, optional
            Initial values of state variables by name: float, (size,) array or Distribution. A membrane potential
            that is not given starts at the model's `v_rest`.
        """
        _check_name("population", name, self.populations)
        where = f"population {name!r}"
        _check_instance(f"model of {where}", model, (Model, Source), "a Model or Source")
        if not is_whole(size, 1) or size > _LARGEST_POPULATION:
            raise ParameterError(
                f"size of {where} is {size!r}; give a whole number of neurons from 1 to {_LARGEST_POPULATION}."
            )
        _check_per_neuron(where, model, int(size))
        checked = {key: _initial(where, model, int(size), key, value) for key, value in (init or {}).items()}
        if isinstance(model, Model):
            for key, value in model.at_rest().items():
                checked.setdefault(key, value)
        made = _declare(Population, network=self, name=name, model=model, size=int(size), init=checked)
        self.populations[name] = made
        return made

    def connect(
        self,
        source: Population,
        target: Population,
        connector: Connector | None = None,
        *,
        weight: Any = None,
        delay: Any = 0.0,
        port: str | None = None,
        rule: Rule | None = None,
        name: str | None = None,
        dtype: str = "float64",
        teaches: Projection | None = None,
    ) -> Projection:
        """Add synapses.

        Parameters
        ----------
        source, target : Population
            Of this network; a population of sources cannot be a target.
        connector : Connector, optional
            Default: `all_to_all()`.
        weight : float, Distribution or array, optional
            Arrays: one value per synapse in the connector's order, or (n_pre, n_post). Default: the connector's own
            weights if it has any, else 1.
        delay : float, Distribution or array, s
            As `weight`; at least 0.
        port : str, optional
            Default: the first port of the target's model.
        rule : Rule, optional
            Default: the weights never change.
        name : str, optional
            Unique in the network. Default: ``"source->target"``, numbered if taken.
        dtype : {"float64", "float32"}
            In which the weights and the rule's synaptic states are kept; where delays are many, on the grid, also the
            sums of weights that arrive in one tick.
        teaches : Projection, optional
            A projection onto the same target whose rule has a method `on_teach`: spikes arrive there, at what the rule
            keeps of each postsynaptic neuron, and leave the neuron itself alone. So error neurons teach synapses.
        """
        self._check_own("source", source)
        self._check_own("target", target)
        if name is None:
            name = _unused(f"{source.name}->{target.name}", self.projections)
        _check_name("projection", name, self.projections)
        where = f"projection {name!r}"
        model = target.model
        if isinstance(model, Source):
            raise NetworkError(
                f"target of {where} is population {target.name!r} of {type(model).__name__}, a source, which receives "
                "nothing. Connect to a population with a neuron model."
            )
        connector = all_to_all() if connector is None else connector
        _check_instance(f"connector of {where}", connector, (Connector,), "a connector such as all_to_all()")
        connector.check(f"Projection {name!r}", len(source), len(target), source is target)
        port = model.ports[0] if port is None else port
        if port not in model.ports:
            raise NetworkError(
                f"port of {where} is {port!r}; {type(model).__name__} has: {', '.join(map(repr, model.ports))}."
            )
        if rule is not None:
            _check_instance(f"rule of {where}", rule, (Rule,), "a Rule")
            for key, value in rule.params().items():
                if isinstance(value, np.ndarray):
                    raise ParameterError(
                        f"{type(rule).__name__}.{key} of {where} has {value.size} values; "
                        "give one number, as synapses share their rule's parameters."
                    )
        if teaches is not None:
            self._check_teaching(where, target, teaches, rule)
        if dtype not in ("float64", "float32"):
            raise ParameterError(f"dtype of {where} is {dtype!r}; give 'float64' or 'float32'.")
        if weight is None:
            weight = 1.0 if connector.weight is None else connector.weight
        made = _declare(
            Projection,
            network=self,
            name=name,
            source=source,
            target=target,
            connector=connector,
            weight=_synaptic("weight", where, weight),
            delay=_synaptic("delay", where, delay),
            port=port,
            rule=rule,
            dtype=dtype,
            index=len(self.projections),
            teaches=teaches,
        )
        self.projections[name] = made
        return made

    def _check_teaching(self, where: str, target: Population, teaches: Any, rule: Rule | None) -> None:
        if not isinstance(teaches, Projection) or self.projections.get(teaches.name) is not teaches:
            raise NetworkError(f"teaches of {where} is {teaches!r}; give a projection of this network.")
        if teaches.target is not target:
            raise NetworkError(
                f"{where} leads to {target.name!r} but teaches {teaches.name!r}, which leads to "
                f"{teaches.target.name!r}. Both have to lead to the same population."
            )
        if teaches.rule is None or not teaches.rule.overrides("on_teach"):
            raise NetworkError(
                f"{where} teaches {teaches.name!r}, whose rule {teaches.rule!r} has no method on_teach. "
                "Connect that with a rule that has one, such as ErrorNeurons."
            )
        if rule is not None:
            raise NetworkError(
                f"rule of {where} is {rule!r}; the weights of a projection that teaches are fixed. Leave it out."
            )

    def inject(self, population: Population, current: Current) -> Injection:
        """Add a current to the constant drive of a population; several currents add up.

        Steps and timed arrays run on both engines: the exact one stops where they change. Noise needs the grid.

        Parameters
        ----------
        population : Population
        current : Current
            Its values are in the unit of the model's drive; arrays have one value for each neuron.
        """
        self._check_own("population of a current", population)
        _check_instance(f"current into population {population.name!r}", current, (Current,), "a Current")
        model: Any = population.model
        drive = getattr(model, "injected", None)
        where = f"the current into population {population.name!r}"
        if drive is None:
            raise NetworkError(
                f"{type(model).__name__} of population {population.name!r} has no constant current to which one could "
                "be added. Give a model whose `injected` names such a parameter."
            )
        unit = model.params_declared[drive].unit
        plausible = plausible_beside(getattr(model, "v_thresh", None), unit)
        for key, value in current.params().items():
            if current.params_declared[key].unit == "drive":
                check_unit(f"{type(current).__name__}.{key} of {where}", value, unit, plausible)
        _check_per_neuron(where, current, len(population))
        injection = Injection(population, current)
        self.currents.append(injection)
        return injection

    def credit(self, pathway: Credit, *, error: Population, to: Population) -> CreditLink:
        """Bring the error at one population to another as its learning signal.

        Parameters
        ----------
        pathway : Credit
        error : Population
            The readout, where the error arises; or a hidden population, whose own signal is passed on.
        to : Population
            The hidden population, whose incoming plastic synapses learn from the signal. Signals of several links add
            up.
        """
        _check_instance("pathway of a credit link", pathway, (Credit,), "a Credit")
        for role, population in (("error", error), ("to", to)):
            self._check_own(role, population)
            if isinstance(population.model, Source):
                raise NetworkError(
                    f"{role!r} of a credit link is population {population.name!r} of sources, where no synapse learns. "
                    "Give a population with a neuron model."
                )
        if error is to:
            raise NetworkError(
                f"A credit link leads from population {error.name!r} to itself. Synapses onto the error population "
                "receive the error without a link; leave the link out."
            )
        if any(link.error is error and link.to is to for link in self.credits):
            raise NetworkError(
                f"Populations {error.name!r} and {to.name!r} have a credit link already. Keep one of the two."
            )
        link = CreditLink(pathway, error, to)
        self.credits.append(link)
        return link

    def check(self, *, on_grid: bool = False) -> None:
        """Raise NetworkError if the declarations as a whole cannot be run; warn of populations without connections.

        On a grid a spike without delay takes effect one tick later, so that cycles without delay are no harm.
        """
        if not self.populations:
            raise NetworkError("The network has no population. Add one with net.population(name, model, size).")
        self._check_credit()
        cycle = [] if on_grid else self._zero_delay_cycle()
        if cycle:
            raise NetworkError(
                f"Populations {' -> '.join(cycle)} form a cycle without delay, in which a spike could cause itself. "
                "Give one of its projections a delay above 0, or run in time steps, each of which is such a delay: "
                "Simulator(net, engine='grid', dt=0.1 * ms)."
            )
        joined = {p.name for projection in self.projections.values() for p in (projection.source, projection.target)}
        joined |= {p.name for link in self.credits for p in (link.error, link.to)}
        for name in self.populations if len(self.populations) > 1 else ():
            if name not in joined:
                warnings.warn(f"Population {name!r} is not connected to anything.", stacklevel=2)

    def describe(self) -> dict[str, Any]:
        """All declarations with their units, in terms that JSON knows; long arrays by shape, range and digest."""
        return {
            "seed": self.seed,
            "populations": {
                name: {
                    "model": plain(p.model),
                    "size": p.size,
                    "init": {
                        key: {"value": plain(value), "unit": p.model.states_declared[key].unit}
                        for key, value in p.init.items()
                    },
                }
                for name, p in self.populations.items()
            },
            "projections": {
                name: {
                    "source": p.source.name,
                    "target": p.target.name,
                    "connector": plain(p.connector),
                    "weight": plain(p.weight),
                    "delay": {"value": plain(p.delay), "unit": "s"},
                    "port": p.port,
                    "rule": plain(p.rule),
                    "dtype": p.dtype,
                    **({} if p.teaches is None else {"teaches": p.teaches.name}),
                }
                for name, p in self.projections.items()
            },
            "credits": [
                {"pathway": plain(link.pathway), "error": link.error.name, "to": link.to.name} for link in self.credits
            ],
            "currents": [{"population": i.population.name, "current": plain(i.current)} for i in self.currents],
        }

    def memory(self, *, on_grid: bool = False) -> dict[str, int]:
        """Bytes that the network's state will take, by part and in total, before anything is allocated.

        Per synapse: the weight (nothing where all share one that never changes), the rule's synaptic states, 2 or 4
        bytes for the target unless all are connected to all (2 where there are at most 65 536), 8 for the delay unless
        all share one, or 1 for static synapses on a grid. Random connectors count with their expected number of
        synapses. Per neuron: 8 bytes for each state of its model and of the rules. Making the synapses takes more.
        """
        parts: dict[str, float] = {}
        for name, population in self.populations.items():
            parts[f"population/{name}"] = 8 * population.size * len(population.model.states_declared)
        for name, p in self.projections.items():
            width = np.dtype(p.dtype).itemsize
            states = {kind: len(p.rule.states(kind)) if p.rule else 0 for kind in ("syn", "pre", "post")}
            is_stored = p.rule is not None or not isinstance(p.weight, float)
            per_synapse = width * (is_stored + states["syn"])
            if not isinstance(p.delay, float):
                per_synapse += 1 if on_grid and p.rule is None else 8
            if not p.connector.is_dense(p.source is p.target):
                per_synapse += 2 if len(p.target) <= 65536 else 4
            per_neuron = 8 * states["pre"] * len(p.source) + 8 * states["post"] * len(p.target)
            parts[f"projection/{name}"] = p.n_synapses * per_synapse + per_neuron
        for k, i in enumerate(self.currents):
            # The drive and its constant part, and the current's own states.
            parts[f"current/{k}"] = 8 * len(i.population) * (2 + len(i.current.states_declared))
        sizes = {name: round(size) for name, size in parts.items()}
        return {**sizes, "total": sum(sizes.values())}

    def summary(self) -> str:
        """The declarations as a table for people."""
        populations = [("population", "model", "size")]
        populations += [(name, repr(p.model), f"{p.size:,}") for name, p in self.populations.items()]
        projections = [("projection", "connector", "synapses", "weight", "delay", "port", "rule")]
        for name, p in self.projections.items():
            about = "~" if isinstance(p.n_synapses, float) else ""
            delay = f"{p.delay * 1e3:g} ms" if isinstance(p.delay, float) else f"{text(p.delay)} s"
            rule = "none" if p.rule is None else repr(p.rule)
            count = f"{about}{p.n_synapses:,.0f}"
            projections.append((name, repr(p.connector), count, text(p.weight), delay, p.port, rule))
        credit = [("credit", "error", "to")]
        credit += [(repr(link.pathway), link.error.name, link.to.name) for link in self.credits]
        currents = [("current", "population")]
        currents += [(repr(i.current), i.population.name) for i in self.currents]
        sections: list[Sequence[tuple[str, ...]]] = [populations, projections, credit, currents]
        tables = [_table(rows) for rows in sections if len(rows) > 1]
        return "\n\n".join([f"Network, seed {self.seed}", *tables, f"memory  {readable_bytes(self.memory()['total'])}"])

    def _check_own(self, role: str, population: Any) -> None:
        if not isinstance(population, Population):
            raise NetworkError(f"{role} is {population!r}; give a population made by net.population(...).")
        if population.network is not self:
            raise NetworkError(
                f"{role} is population {population.name!r} of another network. Declare it in this one with "
                "net.population(...)."
            )

    def _check_credit(self) -> None:
        learning = [p for p in self.projections.values() if p.rule is not None and p.rule.needs_signal]
        informed = {id(population) for link in self.credits for population in (link.error, link.to)}
        for p in learning:
            # A target that cannot fire is a readout: presentations give it its own error.
            if id(p.target) not in informed and getattr(p.target.model, "threshold", False):
                raise NetworkError(
                    f"{type(p.rule).__name__} of projection {p.name!r} needs a learning signal, but none reaches "
                    f"population {p.target.name!r}. Add net.credit(pathway, error=readout, to={p.target.name})."
                )
        for link in self.credits:
            if not any(p.target is link.to for p in learning):
                raise NetworkError(
                    f"{type(link.pathway).__name__} brings a learning signal to population {link.to.name!r}, but no "
                    "projection onto it has a rule that learns from one. Give one such a rule, or leave the link out."
                )

    def _zero_delay_cycle(self) -> list[str]:
        """Names along a cycle in which every projection may have delay 0, first = last; empty if there is none."""
        follows: dict[str, list[str]] = {name: [] for name in self.populations}
        for p in self.projections.values():
            sends = isinstance(p.source.model, Model) and p.source.model.threshold
            if sends and p.teaches is None and _may_be_zero(p.delay):
                follows[p.source.name].append(p.target.name)
        cleared: set[str] = set()
        for start in follows:
            path, branches = [start], [iter(follows[start])]
            while path:
                name = next(branches[-1], None)
                if name is None:
                    branches.pop()
                    cleared.add(path.pop())
                elif name in path:
                    return [*path[path.index(name) :], name]
                elif name not in cleared:
                    path.append(name)
                    branches.append(iter(follows[name]))
        return []


def _declare(cls: type, **attributes: Any) -> Any:
    """An object of a class that users cannot construct."""
    made: Any = object.__new__(cls)
    made.__dict__.update(attributes)
    return made


def _check_name(what: str, name: Any, taken: Mapping[str, Any]) -> None:
    # Names become groups of HDF5 files, where "/" separates and "." means the group itself.
    if not isinstance(name, str) or not name or "/" in name or name == ".":
        raise NetworkError(f"name of a {what} is {name!r}; give a non-empty text without '/'.")
    if name in taken:
        raise NetworkError(f"The network has a {what} named {name!r} already. Give another name.")


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    number, unused = 1, name
    while unused in taken:
        number += 1
        unused = f"{name}#{number}"
    return unused


def _check_instance(where: str, value: Any, classes: tuple[type, ...], wanted: str) -> None:
    if isinstance(value, classes):
        return
    name = getattr(value, "__name__", None)
    hint = f"Did you mean {name}()?" if callable(value) and name else f"Give {wanted}."
    raise NetworkError(f"{where} is {value!r}, which is not {wanted}. {hint}")


def _check_per_neuron(where: str, plugin: Plugin, size: int) -> None:
    for key, value in plugin.per_neuron().items():
        if value.shape[-1] != size:
            one = "one number" if value.ndim == 1 else "a series for all"
            raise ParameterError(
                f"{type(plugin).__name__}.{key} of {where} has {value.shape[-1]} values for {size} neurons. "
                f"Give {one} or {size} values."
            )


def _numbers(where: str, value: Any, unit: str) -> Value:
    """A float, or a float64 array of the declaration's own, which cannot be written to, or the distribution given."""
    if isinstance(value, Distribution):
        return value
    array = numbers(where, value, "a number, an array or a distribution such as normal(mean, sd)", unit)
    if array.ndim == 0:
        return float(array)
    own = array.copy()
    own.flags.writeable = False
    return own


def _synaptic(name: str, where: str, value: Any) -> Value:
    made = _numbers(f"{name} of {where}", value, "s" if name == "delay" else "")
    if not isinstance(made, Distribution):
        check_values(name, f"of {where}", made)
    return made


def _initial(where: str, model: Plugin, size: int, name: str, value: Any) -> Value:
    states = model.states("cell")
    label = f"init[{name!r}] of {where}"
    if name not in states:
        raise ParameterError(
            f"{label} is no state of {type(model).__name__}. It has: {', '.join(states) or 'no states'}."
        )
    unit = states[name].unit
    made = _numbers(label, value, unit)
    if isinstance(made, Distribution):
        return made
    if isinstance(made, np.ndarray) and made.shape != (size,):
        raise ParameterError(f"{label} has shape {made.shape}, expected {(size,)}: one number or one per neuron.")
    if not np.isfinite(made).all():
        bad = np.atleast_1d(made)[~np.isfinite(np.atleast_1d(made))][0]
        raise ParameterError(f"{label} is {bad}; give finite numbers.")
    check_unit(label, made, unit, plausible_beside(getattr(model, "v_thresh", None), unit))
    return made


def _may_be_zero(delay: Value) -> bool:
    if isinstance(delay, Distribution):
        if isinstance(delay, Normal) and not delay.redraw and delay.low == 0.0:
            return True
        # Others give exactly 0 only if they are constant, which one sample shows.
        delay = delay.sample(np.random.default_rng(0), 1)
    return bool(np.any(np.equal(delay, 0.0)))


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def readable_bytes(n: float) -> str:
    """A number of bytes for people."""
    size, unit = float(n), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.3g} {unit}"
