"""Running a network: `run` for a stretch of time, `present` for a data set."""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from . import arguments
from . import progress as meters
from .account import ledger_of
from .build import Built, build, read_state, start
from .collector import uncollected
from .driver import give_spikes, grow
from .engine import exact, rows
from .engine import grid as stepping
from .engine import present as presenting
from .engine.struct import Links, Struct
from .errors import Interrupted, NetworkError, ParameterError, RecordingError, SimulationError
from .events import Events
from .grid import Grid, choose_engine
from .interrupt import Deferred
from .ledger import Ledger
from .memory import check_memory
from .network import CreditLink, Network, Population, Projection
from .plugin import GivenSpikes, Source, check_unit
from .provenance import provenance, rule_sources
from .record import Result, SpikeData, Spikes, State, StateData, WeightChanges, WeightData, Weights, check_requests
from .schedule import schedule
from .teach import Lesson, check_learning, links_of, pathway_of
from .threads import advance, check_threads, choose_threads, share, take_spikes

# With a file, recordings in memory go there when they have this size, or this long after the last time.
_SPILL_BYTES = 2**22
_SPILL_SECONDS = 5.0
# A stretch between two looks at Ctrl+C and at the progress meter is not to take longer (s).
_STRETCH_SECONDS = 0.2
_SAMPLE_BYTES = 200  # of a sample beside its values: its time and its place in the list


class Presentations:
    """What `present` returns.

    Attributes
    ----------
    outputs : (n, n_readout) float64
        What the readout says, as `code` has it, at the end of each presentation; the mean over all errors with `every`.
    potentials : (n, n_readout) float64
        The potentials in any case.
    predictions : (n,) int64
        The largest output; among equal ones that of the highest potential.
    labels : (n,) int64 or None, in the order shown
    loss : (n,) float64
        Cross-entropy of softmax(y), the mean over errors; with targets, the sum of (y - target)^2 / 2 over outputs and
        errors; nan without either.
    over_time : (n, duration / every, n_readout) float64 or None
        Outputs at every error, with `every`.
    spikes : dict of str to int
        Spikes of each population over all presentations.
    ledger : Ledger
    seconds : float
        Wall time.
    """

    def __init__(
        self,
        outputs: np.ndarray,
        potentials: np.ndarray,
        labels: np.ndarray | None,
        loss: np.ndarray,
        spikes: dict[str, int],
        events: int,
        ledger: Ledger,
        seconds: float,
        over_time: np.ndarray | None = None,
    ) -> None:
        self.over_time = over_time
        self.outputs, self.potentials, self.labels, self.loss, self.spikes = outputs, potentials, labels, loss, spikes
        self.synaptic_events, self.weight_updates, self.ledger, self.seconds = events, ledger.updates, ledger, seconds

    @property
    def predictions(self) -> np.ndarray:
        best = self.outputs == self.outputs.max(axis=1, keepdims=True)
        return np.where(best, self.potentials, -math.inf).argmax(axis=1)

    @property
    def accuracy(self) -> float:
        """Share of presentations whose largest readout is the label; nan without labels."""
        return math.nan if self.labels is None else float(np.mean(self.predictions == self.labels))

    def __len__(self) -> int:
        return self.outputs.shape[0]

    def __repr__(self) -> str:
        n = max(1, len(self))
        spikes = ", ".join(f"{name} {count / n:.1f}" for name, count in self.spikes.items())
        return (
            f"<{len(self)} presentations: accuracy {self.accuracy:.4f}, spikes per sample {spikes}, "
            f"{self.synaptic_events / n:.0f} synaptic events and {self.weight_updates / n:.0f} weight updates per "
            f"sample, {self.seconds:.2f} s>"
        )


class Simulator:
    """A network made ready to run.

    Parameters
    ----------
    network : Network
    record : sequence of Spikes, State, Weights
        What to keep; the default is every population's spikes.
    to : path, optional
        HDF5 file that recordings go to while the simulation runs, a few megabytes or seconds after they were taken. A
        run that is killed leaves them in ``<path>.partial``.
    ties : {"pre_first", "post_first"}
        Which comes first for plasticity when a spike arrives at the instant at which its target fires.
    window : float, s, optional
        Length of the engine's windows, rounded down to 20 binary digits; the default suits the delays. It changes no
        result beyond rounding.
    engine : {"auto", "exact", "grid"}
        "exact": continuous time, for models with a closed form. "grid": time steps, for any model. "auto" picks exact
        where every model allows it; `engine` and `engine_reason` of the simulator say what was picked and why.
    dt : float, s, optional
        Time step of the grid engine, 0.1 ms by default.
    round_delays : bool
        Whether delays and refractory times that are no multiples of dt may be rounded to the nearest.
    threads : int or "auto"
        Threads of `run`; results are the same to the last bit for any number. "auto" takes one where more would not be
        faster; `threads` and `threads_reason` of the simulator say how many were taken and why. In continuous time no
        delay may be shorter than a window for that, and no recorder may wait for single events. `present` has threads
        of its own.
    max_memory : float, bytes, optional
        A network that needs more is refused before anything is allocated. The default is what the machine, or the
        control group, has available; ``inf`` refuses nothing.

    Raises
    ------
    NetworkError, ParameterError, PluginError, RecordingError, ExportError
        Before anything is simulated.
    """

    def __init__(
        self,
        network: Network,
        *,
        record: Sequence[Any] | None = None,
        to: Any = None,
        ties: str = "pre_first",
        window: float | None = None,
        overwrite: bool = False,
        engine: str = "auto",
        dt: float | None = None,
        round_delays: bool = False,
        threads: int | str = "auto",
        max_memory: float | None = None,
    ) -> None:
        if not isinstance(network, Network):
            raise NetworkError(f"Simulator needs a Network, not {network!r}; give the one that Network(seed) made.")
        if ties not in ("pre_first", "post_first"):
            raise ParameterError(f"Simulator.ties is {ties!r}; give 'pre_first' or 'post_first'.")
        if window is not None:
            check_unit("Simulator.window", window, "s", plausible=1.0)
            if not window > 0:
                raise ParameterError(f"Simulator.window is {window}; give a positive time in seconds.")
        self.network, self.ties, self.window = network, ties, window
        self.engine, self.engine_reason = choose_engine(network, engine, dt)
        check_threads(threads)
        self.grid = None
        if self.engine == "grid":
            dt = 0.1e-3 if dt is None else dt
            check_unit("Simulator.dt", dt, "s", plausible=0.1)
            if not dt > 0:
                raise ParameterError(f"Simulator.dt is {dt}; give a positive time in seconds, such as 0.1 * ms.")
            self.grid = Grid(float(dt), round_delays)
        if isinstance(record, (Spikes, State, Weights)):
            raise RecordingError(f"record is {record!r}; give a list: record=[{type(record).__name__}(...)].")
        self.requests: list[Any] = [Spikes(p) for p in network.populations.values()] if record is None else list(record)
        for request in check_requests(self.requests):
            owner: Any = request.projection if isinstance(request, Weights) else request.population
            if owner not in [*network.populations.values(), *network.projections.values()]:
                raise RecordingError(f"{request!r} records {owner!r}, which does not belong to this network.")
            if self.grid is not None and (getattr(request, "on_events", False) or getattr(request, "on_change", False)):
                raise RecordingError(
                    f"{request!r} waits for single events, but the grid engine serves all of a time step at once. Give "
                    f"every={self.grid.dt:g}, or engine='exact'."
                )
        check_memory(network, max_memory, on_grid=self.grid is not None)
        self.built = self._build()
        self.threads, self.threads_reason = choose_threads(self.built, threads, self.requests)
        start(self.built)
        share(self.built, self.threads)
        self.presented = 0
        # Time of the engine's clock 0, and whether the engine is still in its last presentation.
        self._offset, self._stale = 0.0, False
        self._file_span: tuple[float, Ledger] | None = None
        self._writer: Any = None
        if to is not None:
            from .io import Writer

            self._writer = Writer(
                to,
                network=self._described,
                provenance=provenance(network),
                rules=rule_sources(network),
                overwrite=overwrite,
            )

    @uncollected()
    def _build(self) -> Built:
        wanted = {request.population.name for request in self.requests if isinstance(request, Spikes)}
        return build(self.network, ties=self.ties, window=self.window, grid=self.grid, recorded=wanted)

    @functools.cached_property
    def _described(self) -> dict[str, Any]:
        return self.network.describe()

    @property
    def t(self) -> float:
        """Simulated time (s), presentations included."""
        return self._offset + (0.0 if self._stale else self.built.engine.now)

    def __repr__(self) -> str:
        return f"Simulator({self.network!r}, t={self.t:g} s)"

    # ------------------------------------------------------------------------------------------------- reading

    def weights(self, projection: Projection | str) -> np.ndarray:
        """The present weights, float64 (n_synapses,), sorted by (source, target); a copy."""
        built = self._projection(projection)
        self.built.settle()
        return built.weights()

    def synapses(self, projection: Projection | str) -> tuple[np.ndarray, np.ndarray]:
        """(source, target) of every synapse, in the order of `weights`."""
        return self._projection(projection).sources_targets()

    def set_weights(self, projection: Projection | str, weights: Any) -> None:
        """Replace the weights; same order and shape as `weights` returns."""
        built = self._projection(projection)
        name = built.projection.name
        w = arguments.weights_of(name, weights, built.n_synapses, built.weight.dtype)
        self.built.settle()
        if built.w_kind != rows.BY_SYNAPSE:
            built.weight, built.w_kind = np.empty(w.size, built.weight.dtype), rows.BY_SYNAPSE
            self.built.put_weights(built)
        built.weight[:] = w if built.order is None else w[built.order]

    def feedback(self, link: CreditLink) -> np.ndarray:
        """The feedback weights b_jk that a credit link has now, float64 (size of `to`, size of `error`); a copy."""
        if link not in self.network.credits:
            raise NetworkError(f"feedback: {link!r} is no credit link of this network; give what net.credit returned.")
        return pathway_of(self.built, link).feedback.reshape(len(link.to), len(link.error)).copy()

    def set_feedback(self, link: CreditLink, weights: Any) -> None:
        """Replace the feedback weights of a credit link; shape as `feedback` returns."""
        kept = self.feedback(link)
        b = np.asarray(weights, dtype=float)
        if b.shape != kept.shape or not np.isfinite(b).all():
            raise ParameterError(
                f"set_feedback: weights have shape {b.shape}; give finite numbers of shape {kept.shape}, one row for "
                f"each neuron of {link.to.name!r}."
            )
        pathway_of(self.built, link).feedback[:] = b.ravel()

    def set_rule(self, projection: Projection | str, **params: float) -> None:
        """Change parameters of a projection's rule from now on: `sim.set_rule("input->hidden", eta=0.001)`.

        Time constants of decaying states are fixed when the simulator is made.
        """
        built = self._projection(projection)
        if built.projection.rule is None:
            raise ParameterError(f"set_rule: projection {built.projection.name!r} has no rule; connect it with one.")
        for name, value in arguments.rule_values(built.rule, built.projection.name, params).items():
            setattr(built.rule, name, value)

    def state(self, population: Population | str, variable: str, ids: Any = None) -> np.ndarray:
        """Present value of a state variable, float64, one per neuron (of `ids`)."""
        pop = arguments.population_of("state: population", self.network, population)
        name = pop.name
        if variable not in pop.model.states("cell"):
            raise RecordingError(
                f"{type(pop.model).__name__} of population {name!r} has no state {variable!r}; "
                f"it has: {', '.join(pop.model.states('cell')) or 'none'}."
            )
        if ids is not None:
            ids = Spikes(pop, ids).indices()
        names = sorted(pop.model.states("cell"), key=lambda s: s != getattr(pop.model, "potential", None))
        block = self.built.blocks[list(self.network.populations).index(name)]
        e = self.built.engine
        return read_state(block, variable, names, e.now, e.w0, slice(None) if ids is None else ids)

    def _projection(self, projection: Projection | str) -> Any:
        name: Any = getattr(projection, "name", projection)
        found = self.built.projections.get(name)
        if found is None or (found.projection is not projection and not isinstance(projection, str)):
            known = ", ".join(self.built.projections) or "none"
            raise ParameterError(f"There is no projection {name!r} in this network; there are: {known}.")
        return found

    # ------------------------------------------------------------------------------------------------- running

    def run(self, duration: float, progress: Any = None) -> Result:
        """Simulate `duration` seconds; intervals are half-open, so two runs of T are one of 2 T.

        After :meth:`present`, the network starts afresh at `sim.t` with the weights that it has learned: states and
        traces at their start values, nothing in flight, sources anew. Given spikes keep their times: those before
        `sim.t` are past.

        Parameters
        ----------
        duration : float, s
        progress : bool or callable, optional
            A progress bar on stderr; by default only on a terminal and for runs that take long.

        Returns
        -------
        Result
            What was recorded in this stretch. With a file (`to`), recordings are only there, and the result reads them
            when it is asked for them.

        Raises
        ------
        Interrupted
            On Ctrl+C, a moment later, between two windows. Its `result` is what has been recorded until then, which is
            in the file as well; the simulator is whole and can run on. A second Ctrl+C stops at once.
        SimulationError
            When a potential is no finite number (grid engine).
        """
        duration = arguments.duration_of("Simulator.run: duration", duration, plausible=1e5)
        with Deferred() as interrupt:
            result = self._run(duration, progress, interrupt)
        if interrupt.asked:
            raise Interrupted(f"Ctrl+C has ended the run at t = {self.t:g} s; `result` is what was recorded.", result)
        return result

    def _run(self, duration: float, progress: Any, interrupt: Deferred) -> Result:
        if self._stale:
            self._renew()
        b = self.built
        b.refresh()
        t_start, t_end = b.engine.now, b.engine.now + duration
        taker = _Taker(self, self.t)
        began = time.perf_counter()
        b.settle()
        before = _counts(b)
        stretch = max(duration / 200.0, b.engine.h)
        with meters.progress(duration, "simulating", progress) as meter:
            stop = t_start
            while True:
                looked = time.perf_counter()
                change = math.inf if b.switch is None else b.switch.next_change(stop)
                limit = stop + stretch
                stop = min(taker.next_sample(t_end), t_end, limit, change)
                self._advance(stop, taker)
                if b.switch is not None and stop == change:
                    b.switch.change(stop)
                if interrupt.asked:
                    # A sample of this instant belongs to the next run.
                    break
                taker.sample(stop, t_end)
                meter.update(stop - t_start)
                if stop >= t_end:
                    break
                took = time.perf_counter() - looked
                if took > _STRETCH_SECONDS:
                    stretch = max(stretch / 2.0, b.engine.h)
                elif stop == limit and took < _STRETCH_SECONDS / 4.0:
                    # Threads that meet every few ticks would mostly wait for one another.
                    stretch *= 2.0
        if stop < t_end:
            duration = b.engine.now - t_start
        taker.flush(b)
        # Post spikes that no row has caught up with belong to this run's bill.
        b.settle()
        ledger = ledger_of(b, before, duration)
        result = taker.result(duration, ledger)
        result.provenance["wall_seconds"] = time.perf_counter() - began
        return result

    def _advance(self, stop: float, taker: _Taker) -> None:
        b = self.built
        while True:
            reasons = advance(b, float(stop))
            if all(why == exact.DONE for why in reasons):
                return
            if stepping.BROKEN in reasons:
                raise self._broken([part.engine for part in b.parts])
            for part, why in zip(b.parts, reasons, strict=True):
                if why == exact.GROW:
                    grow(part.engine)
            if exact.FLUSH in reasons:
                taker.flush(b)
            if exact.WATCH in reasons:
                taker.watched()

    def _broken(self, engines: Sequence[Struct], shown: str = "") -> SimulationError:
        """What to say of a potential that is no finite number; `shown` is what is presented."""
        gid, t = min(((e.bad, e.now) for e in engines if e.bad >= 0), key=lambda found: found[::-1])
        name = next(n for n, o in reversed(self.built.offset.items()) if o <= gid)
        model = self.network.populations[name].model
        variable = getattr(model, "potential", "v")
        return SimulationError(
            f"State {variable!r} of neuron {gid - self.built.offset[name]} of population {name!r} "
            f"({type(model).__name__}) is not a finite number from t = {t:g} s{shown} on. The time step "
            f"({self.built.grid.dt if self.built.grid else 0:g} s) may be too long for the model: try a shorter dt."
        )

    def _anew(self) -> Built:
        """The network as declared, for one engine, but for weights, synapse states and rules."""
        old, new = self.built, self._build()
        for name, p in new.projections.items():
            own, learned = new.groups[p.group], old.groups[old.projections[name].group]
            p.weight, p.w_kind = old.projections[name].weight, old.projections[name].w_kind
            own.w, own.w_kind, own.syn = learned.w, learned.w_kind, learned.syn
            for parameter, value in old.projections[name].rule.params().items():
                setattr(p.rule, parameter, value)
        new.pathways, new.pool = old.pathways, old.pool
        return new

    def _renew(self) -> None:
        """Start afresh after presentations."""
        self.built = self._anew()
        e = self.built.engine
        e.given_shift = self._offset if self.grid is None else float(round(self._offset / self.grid.dt))
        e.i_given = int(np.searchsorted(e.given_t, e.given_shift))
        start(self.built)
        share(self.built, self.threads)
        self._stale = False

    def checkpoint(self, path: Any, overwrite: bool = False) -> None:
        """Save everything that changes while the network runs; :meth:`restore` goes on from it bit for bit."""
        from . import checkpoint

        checkpoint.save(self, path, overwrite)

    def restore(self, path: Any) -> None:
        """Go on from a checkpoint of the same network, seed and engine, also in another process."""
        from . import checkpoint

        checkpoint.restore(self, path)

    def close(self) -> None:
        """Finish the file given as `to`; it gets its final name now."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __enter__(self) -> Simulator:
        return self

    def __exit__(self, kind: Any, *error: Any) -> None:
        if kind is not None and not issubclass(kind, Interrupted) and self._writer is not None:
            # A failed run leaves what it has under the temporary name, and nothing under the final one.
            self._writer.abandon()
            self._writer = None
        self.close()

    # ---------------------------------------------------------------------------------------------- presenting

    def present(
        self,
        samples: Any,
        labels: Any = None,
        *,
        into: Population,
        readout: Population,
        duration: float,
        learn: bool = True,
        order: Any = None,
        targets: Any = None,
        every: float | None = None,
        teach_from: float = 0.0,
        code: str | None = None,
        tau_read: float = 10e-3,
        labels_into: Population | None = None,
        threads: int = 1,
        record: bool = False,
        progress: Any = False,
    ) -> Presentations:
        """Show samples one after the other in one compiled loop; learn after each of them.

        For each sample: every state and trace is reset, the sample's values become `x` of the encoder population
        `into`, the network runs for `duration`, the readout's outputs y are read, the error softmax(y) - onehot(label),
        or y - target, is formed, credit pathways carry it to their populations, and rules update.

        With `every`, this happens at every, 2 every, ... within each presentation, the spikes of these instants
        themselves excluded: rules are told of the error while the network goes on (``post_signal``, ``on_signal``), and
        of the end once (``on_end``).

        Given spikes (:class:`~snn.plugin.GivenSpikes`) fire in each presentation, at their times within it. A
        source draws new random numbers in each presentation, and its own states start afresh; so does noise.

        On the grid, `duration` and `every` are whole numbers of time steps. Outputs are read, and rules told of errors,
        when a step has ended; spikes of step n have the time n dt within the presentation.

        Parameters
        ----------
        samples : (n, size of `into`) array_like, 0 to 1, or Events
            Values, or spikes (:class:`snn.events.Events`) for a population that plays them (Playback).
        labels : (n,) array_like of int, optional
            To learn, give these or `targets`.
        into, readout : Population
        duration : float, s
        learn : bool
            False evaluates with frozen weights.
        order : (m,) array_like of int, optional
            Which samples to show, in which order; all of them once by default.
        targets : (n, n_readout) or, with `every`, (n, duration / every, n_readout) array_like, or Events
            What the outputs should be; nan: nothing in particular. A target pattern, rates (spikes in a presentation,
            or in the filter of `code="trace"`), or, as Events of a readout that fires and with `every`, spike times,
            whose trace is then the target (van Rossum 2001).
        every : float, s, optional
            Time between two errors within a presentation, of which `duration` is a multiple; by default there is one
            error, at the end.
        teach_from : float, s
            With `every`: errors are 0 until then, and count for nothing.
        code : {"potential", "counts", "trace", "first"}, optional
            What the readout's outputs are. "potential": its potentials, the default of one that does not fire. Of one
            that fires: "counts", its spikes in the presentation, the default without `every`; "trace", its spikes
            filtered by exp(-t / tau_read), read in bins of `every`, the default with it; "first", -t / tau_read of its
            first spike, or of now while there is none, so that who fires first is the answer.
        tau_read : float, s
            Time constant of "trace" and "first".
        labels_into : Population, optional
            Encoder, one neuron for each class, whose `x` is 1 for the label's and 0 for the others while learning, and
            0 for all otherwise: for networks that learn from the label's spikes.
        threads : int
            Used for evaluation; the numbers are the same for any number.
        record : bool
            Keep the spikes: `spike_times` of the result is then a list of (time, population, id) arrays.

        Returns
        -------
        Presentations

        Raises
        ------
        NetworkError, ParameterError
            Before anything is shown.
        SimulationError
            When rates explode, or a potential is no finite number (grid engine).

        References
        ----------
        van Rossum (2001) Neural Comput. 13, 751 (distance of spike trains).
        """
        if self.network.currents:
            raise NetworkError(
                f"present: a current is injected into population {self.network.currents[0].population.name!r}, and "
                "currents follow the time of a run. Leave it out, or give the model a constant drive."
            )
        into = arguments.population_of("present: into", self.network, into)
        readout = arguments.population_of("present: readout", self.network, readout)
        if not arguments.plays_samples(into):
            arguments.encoder_of(into)
        if isinstance(readout.model, Source):
            raise NetworkError(f"present: readout {readout.name!r} is a source; give a population that integrates.")
        duration = arguments.duration_of("present: duration", duration)
        if duration == 0:
            raise ParameterError("present: duration is 0; give a positive time in seconds.")
        if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1:
            raise ParameterError(f"present: threads is {threads!r}; give a whole number, 1 or more.")
        x = arguments.samples_of(samples, into)
        if arguments.plays_samples(into):
            others = [
                p.name for p in self.network.populations.values() if isinstance(p.model, GivenSpikes) and p is not into
            ]
            if others:
                raise NetworkError(
                    f"present: population {others[0]!r} has given spikes of its own, beside the samples' spikes in "
                    f"{into.name!r}. Leave it out, or give it a source such as Regular."
                )
        y = arguments.labels_of(labels, x.shape[0], readout)
        if learn and labels is None and targets is None:
            raise ParameterError("present: learning needs labels or targets; give them, or learn=False.")
        if labels is not None and targets is not None:
            raise ParameterError("present: labels and targets are both given; give one of them.")
        plan = schedule(readout, duration, every, teach_from, code, tau_read, self.grid)
        drawn = [p.projection.source.name for p in self.built.projections.values() if p.group in self.built.drizzled]
        if record and drawn:
            raise RecordingError(
                f"present: record=True keeps the spikes of all neurons, but those of population {drawn[0]!r} are drawn "
                f"as numbers of arrivals. Give Simulator(..., record=[Spikes({drawn[0]})]), or leave out record=True."
            )
        aims = arguments.targets_of(targets, x.shape[0], readout, plan)
        if learn:
            check_learning(self.built, plan, labels is not None)
        index = arguments.order_of(order, x.shape[0])
        if labels_into is not None:
            if learn and labels is None:
                raise ParameterError("present: labels_into is given, and there are no labels; give them to learn.")
            arguments.encoder_of(arguments.population_of("present: labels_into", self.network, labels_into))
            if len(labels_into) != len(readout):
                raise NetworkError(
                    f"present: labels_into {labels_into.name!r} has {len(labels_into)} neurons, and readout "
                    f"{readout.name!r} {len(readout)}; give one for each class."
                )

        began = time.perf_counter()
        n = index.size
        out, potential = np.zeros((n, len(readout))), np.zeros((n, len(readout)))
        loss = np.full(n, math.nan) if labels is None and targets is None else np.zeros(n)
        over_time = np.zeros((n if plan.steps > 1 else 0, plan.steps * len(readout)))
        parts = 1 if learn or record else max(1, min(int(threads), n))
        bounds = np.linspace(0, n, parts + 1).astype(int)
        totals: list[_Counts] = []
        recorded: list[tuple[np.ndarray, np.ndarray]] = []
        lock = threading.Lock()

        def work(built: Built, lo: int, hi: int, meter: Any) -> None:
            before = _counts(built)
            built.refresh()
            e = built.engine
            lesson = Lesson(len(readout))
            declared = e.given_t, e.given_i
            first_spike = np.zeros(0, np.int64)
            if isinstance(samples, Events):
                first_spike, *played = _played(samples, built.offset[into.name], self.grid)
                give_spikes(e, *played)
            links = links_of(built, readout, lesson) if learn else Links([], [], e)
            driver = Links([exact.advance if self.grid is None else stepping.advance_grid], [e], e)
            shown = Struct(
                sample=lo, middle=0, rec_start=0, first=self.presented, readout=built.offset[readout.name],
                duration=float(duration), learn=bool(learn), record=bool(record), n_links=len(links.alive),
                x_start=np.zeros(0) if first_spike.size else _encoded(built, into), samples=x, first_spike=first_spike,
                potential=potential, fired=np.zeros(len(readout), np.int64),
                code=plan.code, step=0, n_steps=plan.steps, every=plan.every, ticks=plan.ticks,
                first_taught=plan.first_taught,
                share=1.0 / (plan.steps - plan.first_taught), tau_read=plan.tau, fade=math.exp(-plan.every / plan.tau),
                seen=0, n_fired=0, earliest=np.zeros(len(readout)), trace=np.zeros(len(readout)), targets=aims,
                over_time=over_time,
                label_start=np.zeros(0) if labels_into is None else _encoded(built, labels_into),
                labels=y, order=index, out=out, loss=loss,
                error=lesson.error, wanted=lesson.wanted, label=lesson.label, reward=lesson.reward,
                link_kernels=links.kernels, links=links.structs, engine_kernels=driver.kernels, engines=driver.structs,
            )  # fmt: skip
            few = 16
            try:
                while shown.sample < hi:
                    looked = time.perf_counter()
                    why = built.call(presenting.present, shown, min(hi, shown.sample + few))
                    took = time.perf_counter() - looked
                    # Ctrl+C and the progress meter are looked at between such stretches.
                    few = max(1, few // 2) if took > _STRETCH_SECONDS else min(512, 2 * few)
                    if why == exact.GROW:
                        grow(e)
                    elif why == presenting.RUNAWAY:
                        raise SimulationError(
                            f"present: sample {index[shown.sample]} has made more than {presenting.MOST} spikes for "
                            f"each neuron: rates have exploded. Lower the learning rate or the weights, or give "
                            f"neurons a refractory time."
                        )
                    elif why == stepping.BROKEN:
                        raise self._broken([e], f" of sample {index[shown.sample]}")
                    elif why == exact.FLUSH:
                        times, neurons = take_spikes(built)
                        if shown.middle:
                            times[shown.rec_start :] += (self.presented + shown.sample) * duration
                        recorded.append((times, neurons))
                        shown.rec_start = shown.seen = 0
                    meter.update(shown.sample - lo)
                if record:
                    recorded.append(take_spikes(built))
            finally:
                # Also where a sample has ended with an error, so that nothing of it is left for the next.
                e.n_rec = 0
                e.given_t, e.given_i = declared
            with lock:
                totals.append(_difference(_counts(built), before))

        self.built.settle()
        self._offset, self._stale = self.t, True
        if len(self.built.parts) > 1:
            # Every presentation starts afresh, on one engine.
            self.built = self._anew()
        with meters.progress(n, "presenting", progress) as meter:
            if parts == 1:
                work(self.built, 0, n, meter)
            else:
                built = [self.built, *(self._anew() for _ in range(parts - 1))]
                with ThreadPoolExecutor(parts) as threads_:
                    jobs = [
                        threads_.submit(
                            work, built[p], bounds[p], bounds[p + 1], meter if p == 0 else meters.NoProgress()
                        )
                        for p in range(parts)
                    ]
                    for job in jobs:
                        job.result()
        self.presented += n
        self._offset += n * duration
        counts, taught = _sum([t[1] for t in totals]), _sum([t[2] for t in totals])
        fired: np.ndarray = np.sum([t[0] for t in totals], axis=0)
        spikes = {
            name: int(fired[o : o + len(self.network.populations[name])].sum()) for name, o in self.built.offset.items()
        }
        events = int(sum(c[rows.N_EVENTS] for c in counts.values()))
        ledger = ledger_of(
            self.built, None, duration, fired=fired, counts=counts, taught=taught, presentations=n, learn=learn,
            readout=readout, errors=n * (plan.steps - plan.first_taught), signals=n * plan.steps,
            softmax=targets is None,
        )  # fmt: skip
        result = Presentations(
            out,
            potential,
            y[index] if y.size else None,
            loss,
            spikes,
            events,
            ledger,
            time.perf_counter() - began,
            over_time=over_time.reshape(n, plan.steps, len(readout)) if plan.steps > 1 else None,
        )
        if record:
            result.spike_times = _by_population(recorded, self.built)  # type: ignore[attr-defined]
        return result


def _played(events: Events, offset: int, grid: Grid | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each sample's spikes begin, their times, each sample's followed by one that never comes, and neurons.

    Times are in seconds, or in ticks of the grid.
    """
    n = len(events)
    sample, own, neurons = np.repeat(np.arange(n), np.diff(events.ptr)), events.times, events.ids + np.int32(offset)
    if grid is not None:
        own = grid.holding(own)
        order = np.lexsort((neurons, own, sample))
        own, neurons = own[order], neurons[order]
    at = np.arange(own.size) + sample
    times, ids = np.full(own.size + n, math.inf), np.zeros(own.size + n, np.int32)
    times[at], ids[at] = own, neurons
    return events.ptr[:-1] + np.arange(n), times, ids


def _encoded(built: Built, encoder: Population) -> np.ndarray:
    """The values that an encoder starts each presentation with."""
    block = built.blocks[list(built.network.populations).index(encoder.name)]
    values: np.ndarray = block.start[list(encoder.model.states("cell")).index("x")]
    return values


_Counts = tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]


def _counts(built: Built) -> _Counts:
    """Spikes of every neuron, counters of every projection and of every credit link, up to now."""
    return (
        built.engine.counts.copy(),
        {n: built.groups[p.group].count.copy() for n, p in built.projections.items()},
        {n: p.count.copy() for n, p in built.pathways.items()},
    )


def _difference(now: _Counts, before: _Counts) -> _Counts:
    def since(of: dict[str, np.ndarray], was: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: count - was.get(name, 0) for name, count in of.items()}

    return now[0] - before[0], since(now[1], before[1]), since(now[2], before[2])


def _sum(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: np.sum([part[name] for part in parts if name in part], axis=0) for name in names}


def _by_population(recorded: list[tuple[np.ndarray, np.ndarray]], built: Built) -> dict[str, SpikeData]:
    t = np.concatenate([r[0] for r in recorded]) if recorded else np.zeros(0)
    g = np.concatenate([r[1] for r in recorded]).astype(np.int64) if recorded else np.zeros(0, np.int64)
    found = {}
    for name, o in built.offset.items():
        size = len(built.network.populations[name])
        mine = (g >= o) & (g < o + size)
        order = np.lexsort((g[mine], t[mine]))
        found[name] = SpikeData(name, size, t[mine][order], g[mine][order] - o)
    return found


class _Taker:
    """Collects what a run records, or hands it to the file, piece by piece, so that little of it is in memory."""

    def __init__(self, simulator: Simulator, t_start: float) -> None:
        self.sim, self.built, self.writer = simulator, simulator.built, simulator._writer
        self.t_start, self.offset = t_start, simulator._offset
        self.raw: list[tuple[np.ndarray, np.ndarray]] = []
        self.samples: dict[int, list[tuple[float, np.ndarray]]] = {}
        self.next: dict[int, int] = {}
        self.last: dict[int, np.ndarray] = {}
        self.ends: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self.held, self.spilled = 0, time.perf_counter()
        self.before = {} if self.writer is None else self.writer.lengths()
        e = self.built.engine
        e.watch_row[:] = 0
        e.watch_cell[:] = 0
        e.watching = False
        for k, request in enumerate(simulator.requests):
            if isinstance(request, Spikes):
                continue
            self.samples[k] = []
            if isinstance(request, Weights):
                source, target = simulator.synapses(request.projection)
                chosen = np.arange(source.size) if request.synapses is None else np.asarray(request.synapses)
                self.ends[k] = chosen, source[chosen], target[chosen]
            if request.every is not None:
                # Samples are multiples of the interval; the tolerance is for products like 3 * 0.1.
                self.next[k] = math.ceil(t_start / request.every - 1e-9)
            elif isinstance(request, Weights) and not request.on_change:
                self._add(k, t_start, self._weights(request))
            if getattr(request, "on_events", False):
                self._watch(request.population, request.ids)
            if getattr(request, "on_change", False):
                self._watch(request.projection.target, None, request.projection)
                self.last[k] = self._weights(request)

    def _watch(self, population: Any, ids: Any, only: Any = None) -> None:
        """Stop after every event that can touch some neurons of a population."""
        b = self.built
        b.engine.watching = True
        o = b.offset[population.name]
        chosen = np.arange(len(population)) if ids is None else np.asarray(ids)
        b.engine.watch_cell[o + chosen] = 1
        for projection in b.projections.values():
            if projection.projection.target is population and (only is None or projection.projection is only):
                g = b.groups[projection.group]
                b.engine.watch_row[g.r0 : g.r1] = 1

    def _weights(self, request: Any) -> np.ndarray:
        w = self.sim.weights(request.projection)
        return w if request.synapses is None else w[request.synapses]

    def _due(self, r: int, t_end: float) -> float:
        """Engine's time of the next sample of a request; inf where it belongs to the next run."""
        every = self.sim.requests[r].every
        due = float(self.next[r] * every - self.offset)
        # An end that is meant to be a multiple of the interval may be so but for rounding.
        return due if due < t_end - 1e-9 * every else math.inf

    def next_sample(self, t_end: float) -> float:
        """Engine's time of the next sample that is due before t_end."""
        return min((self._due(r, t_end) for r in self.next), default=math.inf)

    def sample(self, t: float, t_end: float) -> None:
        """Take every sample that is due at the engine's time t (< t_end)."""
        for r, k in self.next.items():
            if self._due(r, t_end) <= t:
                request = self.sim.requests[r]
                self._add(r, k * request.every, self._value(request))
                self.next[r] = k + 1
        if self.writer is not None and time.perf_counter() - self.spilled > _SPILL_SECONDS:
            self.flush(self.built)

    def _add(self, r: int, t: float, value: np.ndarray) -> None:
        """Keep a sample, or bring all of them to the file when they are many."""
        self.samples[r].append((t, value))
        self.held += value.nbytes + _SAMPLE_BYTES
        if self.writer is not None and self.held > _SPILL_BYTES:
            self.flush(self.built)

    def _value(self, request: Any) -> np.ndarray:
        if isinstance(request, State):
            return self.sim.state(request.population, request.variable, request.ids)
        return self._weights(request)

    def watched(self) -> None:
        """The engine has stopped after an event that a recorder waits for."""
        t = self.built.engine.now + self.offset
        for r, request in enumerate(self.sim.requests):
            if getattr(request, "on_events", False):
                self._add(r, t, self._value(request))
            elif getattr(request, "on_change", False):
                w = self._weights(request)
                changed = np.flatnonzero(w != self.last[r])
                if changed.size:
                    self._add(r, t, np.stack([changed.astype(float), w[changed]]))
                    self.last[r] = w

    def flush(self, built: Built) -> None:
        """Take the spikes out of the engine's buffer; with a file, bring them and all samples there."""
        times, ids = take_spikes(built)
        self.raw.append((times + self.offset, ids))
        if self.writer is None:
            return
        for data in self._spikes(self.raw).values():
            self.writer.spikes(data.population, data.size, data.times, data.ids, recorded=data.recorded)
        for r in self.samples:
            self._write(self._data(r), self.sim.requests[r].every)
            self.samples[r] = []
        self.raw, self.held, self.spilled = [], 0, time.perf_counter()
        first = self.t_start if self.sim._file_span is None else self.sim._file_span[0]
        self.writer.span(first, self.sim.t - first)
        self.writer.flush()

    def _write(self, data: StateData | WeightData | WeightChanges, every: float | None) -> None:
        if isinstance(data, StateData):
            self.writer.state(data.population, data.variable, data.unit, data.ids, data.times, data.values, every)
        elif isinstance(data, WeightData):
            self.writer.weights(data.projection, data.sources, data.targets, data.times, data.values)
        else:
            self.writer.weight_changes(
                data.projection, data.times, data.synapses, data.sources, data.targets, data.values
            )

    def _spikes(self, raw: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, SpikeData]:
        if not any(isinstance(request, Spikes) for request in self.sim.requests):
            return {}
        every = _by_population(raw, self.built)
        found = {}
        for request in self.sim.requests:
            if isinstance(request, Spikes):
                data = every[request.population.name]
                if request.ids is not None:
                    keep = np.isin(data.ids, request.ids)
                    data = SpikeData(
                        data.population, data.size, data.times[keep], data.ids[keep], recorded=np.asarray(request.ids)
                    )
                found[request.population.name] = data
        return found

    def _data(self, r: int) -> StateData | WeightData | WeightChanges:
        """The samples of one request that are in memory."""
        request, taken = self.sim.requests[r], self.samples[r]
        times = np.array([t for t, _ in taken])
        if isinstance(request, State):
            pop = request.population
            ids = np.arange(len(pop)) if request.ids is None else np.asarray(request.ids)
            values = np.array([v for _, v in taken]).reshape(times.size, ids.size)
            return StateData(pop.name, request.variable, request.unit, times, ids, values)
        chosen, source, target = self.ends[r]
        name = request.projection.name
        if request.on_change:
            k = np.concatenate([v[0] for _, v in taken]).astype(np.int64) if taken else np.zeros(0, np.int64)
            w = np.concatenate([v[1] for _, v in taken]) if taken else np.zeros(0)
            t = np.repeat(times, [v.shape[1] for _, v in taken]) if taken else times
            return WeightChanges(name, t, chosen[k], source[k], target[k], w)
        values = np.array([v for _, v in taken]).reshape(times.size, chosen.size)
        return WeightData(name, times, source, target, values)

    def result(self, duration: float, ledger: Ledger) -> Result:
        """Everything that was recorded."""
        for r, request in enumerate(self.sim.requests):
            if isinstance(request, Weights) and request.every is None and not request.on_change:
                self._add(r, self.t_start + duration, self._weights(request))
        network = self.sim.network
        known: dict[str, Any] = {
            "duration": duration,
            "t_start": self.t_start,
            "ledger": ledger,
            "provenance": provenance(network),
            "network": self.sim._described,
            "rules": rule_sources(network),
        }
        if self.writer is not None:
            from .io import FileResult

            first, before = self.sim._file_span or (self.t_start, Ledger())
            self.sim._file_span = first, before + ledger
            self.writer.ledger(self.sim._file_span[1].to_json())
            self.flush(self.built)
            rows = {path: (self.before.get(path, 0), n) for path, n in self.writer.lengths().items()}
            return FileResult(self.writer, rows, **known)
        states: dict[tuple[str, str], StateData] = {}
        weights: dict[str, WeightData | WeightChanges] = {}
        for r in self.samples:
            data = self._data(r)
            if isinstance(data, StateData):
                states[data.population, data.variable] = data
            else:
                weights[data.projection] = data
        return Result(spikes=self._spikes(self.raw), states=states, weights=weights, **known)


__all__ = ["Presentations", "Simulator"]
