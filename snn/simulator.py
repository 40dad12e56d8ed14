"""Running a network: `run` for a stretch of time, `present` for a data set."""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from . import arguments
from . import progress as meters
from .account import ledger_of
from .build import Built, build, plugins_of, read_state, start
from .collector import uncollected
from .counts import Counts
from .declared import declarations, follow
from .driver import grow
from .engine import exact, rows
from .engine import grid as stepping
from .engine.types import digests_of, recall
from .errors import ExportError, Interrupted, NetworkError, ParameterError, RecordingError, SimulationError
from .grid import Grid, choose_engine
from .interrupt import STRETCH_SECONDS, Deferred
from .memory import check_memory
from .network import CreditLink, Network, Population, Projection
from .presentations import Presentations, exhibition, show
from .provenance import provenance, rule_sources
from .record import Result, Spikes, State, Weights, check_requests
from .recorder import FileSpan, Recorder
from .stability import check_bounds, check_sources, check_weights, not_finite, stuck
from .teach import pathway_of
from .threads import advance, check_threads, choose_threads, share


class Simulator:
    """A network made ready to run.

    Parameters
    ----------
    network : Network
    record : sequence of Spikes, State, Weights
        What to keep; the default is every population's spikes.
    to : path, optional
        HDF5 file that recordings go to while the simulation runs, a few megabytes or seconds after they were taken. It
        is ``<path>.partial`` until `close`, or the end of ``with Simulator(...) as sim:``; so a run that is killed
        leaves it, too.
    overwrite : bool
        Whether a file that is there already may be replaced.
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
            window = arguments.duration_of("Simulator.window", window, plausible=1.0, positive=True)
        self.network, self.ties, self.window = network, ties, window
        self.engine, self.engine_reason = choose_engine(network, engine, dt)
        check_threads(threads)
        self.grid = None
        if self.engine == "grid":
            dt = 0.1e-3 if dt is None else dt
            self.grid = Grid(arguments.duration_of("Simulator.dt", dt, plausible=0.1, positive=True), round_delays)
        if isinstance(record, (Spikes, State, Weights)):
            raise RecordingError(f"record is {record!r}; give a list: record=[{type(record).__name__}(...)].")
        self.requests: list[Any] = [Spikes(p) for p in network.populations.values()] if record is None else list(record)
        self._check_requests()
        check_memory(network, max_memory, on_grid=self.grid is not None)
        self._digests = digests_of(map(type, plugins_of(network)))
        self.built = self._build()
        for name, p in self.built.projections.items():
            check_bounds(name, p.rule, p.weight)
        for request in self.requests:
            if isinstance(request, Weights):
                request.indices(self._projection(request.projection).n_synapses)
        self.threads, self.threads_reason = choose_threads(self.built, threads, self.requests)
        start(self.built)
        share(self.built, self.threads)
        self._declared = declarations(network)
        self._busy = threading.Lock()
        self.presented = 0
        # Time of the engine's clock 0, and whether the engine is still in its last presentation.
        self._offset, self._stale = 0.0, False
        self._stretch = 0.0  # s, that the last run was simulated at a time
        self._file_span: FileSpan | None = None
        self._writer: Any = None
        if to is not None:
            from .writer import Writer

            self._writer = Writer(
                to,
                network=self._described,
                provenance=provenance(network),
                rules=rule_sources(network),
                overwrite=overwrite,
            )

    def _check_requests(self) -> None:
        known = [*self.network.populations.values(), *self.network.projections.values()]
        for request in check_requests(self.requests):
            owner: Any = request.projection if isinstance(request, Weights) else request.population
            if owner not in known:
                raise RecordingError(f"{request!r} records {owner!r}, which does not belong to this network.")
            if self.grid is None:
                continue
            if getattr(request, "on_events", False) or getattr(request, "on_change", False):
                raise RecordingError(
                    f"{request!r} waits for single events, but the grid engine serves all of a time step at once. Give "
                    f"every={self.grid.dt:g}, or engine='exact'."
                )
            if not isinstance(request, Spikes) and request.every is not None:
                self.grid.whole(f"every of {request!r}", request.every)

    @uncollected()
    def _build(self) -> Built:
        # Engines that are made later do what the first one does.
        recall(self._digests)
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

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise SimulationError(
            "A Simulator cannot be copied or pickled. Copy its network, which can, and make another Simulator of it; "
            "sim.checkpoint(path) and restore(path) carry the state over, also between processes."
        )

    # ------------------------------------------------------------------------------------------------- reading

    def weights(self, projection: Projection | str) -> np.ndarray:
        """The present weights, float64 (n_synapses,), sorted by (source, target); a copy."""
        built = self._projection(projection)
        self.built.settle()
        return built.weights()

    def synapses(self, projection: Projection | str) -> tuple[np.ndarray, np.ndarray]:
        """(source, target) of every synapse, in the order of `weights`."""
        return self._projection(projection).sources_targets()

    def delays(self, projection: Projection | str) -> np.ndarray:
        """The delay (s) of every synapse, float64 (n_synapses,), in the order of `weights`; on the grid as rounded."""
        built = self._projection(projection)
        group = self.built.parts[0].groups[built.group]
        step = 1.0 if self.grid is None else self.grid.dt
        return step * built.delays(self.built.engine.row_delay[group.r0 : group.r1])

    def set_weights(self, projection: Projection | str, weights: Any) -> None:
        """Replace the weights; same order and shape as `weights` returns.

        Raises
        ------
        ParameterError
            Also where weights differ, and spikes of the source are drawn as numbers of arrivals, of one weight: on the
            grid, of a Poisson population that is not recorded and drives another neuron by neuron.
        """
        built = self._projection(projection)
        name = built.projection.name
        w = arguments.weights_of(name, weights, built.n_synapses, built.weight.dtype)
        drizzled = built.group in self.built.drizzled
        if drizzled and (w != w[0]).any():
            source = built.projection.source.name
            raise ParameterError(
                f"weights of projection {name!r} go from {w.min():g} to {w.max():g}, but spikes of population "
                f"{source!r} are drawn as numbers of arrivals, of one weight. Give equal weights, or let each spike be "
                f"made: Simulator(..., record=[Spikes({source})])."
            )
        self.built.settle()
        if drizzled:
            built.weight = w[:1].astype(built.weight.dtype)
            self.built.put_weights(built)
            return
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
        NetworkError
            When declarations have changed since the simulator was made; but for parameters of sources, which act.
        SimulationError
            When a neuron or a source fires without end at one instant, or a rule has made weights that are no finite
            numbers; on the grid also when a potential is no finite number, or sources fire more spikes than a time step
            has room for.
        """
        duration = arguments.duration_of("Simulator.run: duration", duration, plausible=1e5)
        if self.grid is not None and duration > 0:
            self.grid.whole("Simulator.run: duration", duration)
        with self._alone(), Deferred() as interrupt:
            result = self._run(duration, progress, interrupt)
        if interrupt.asked:
            raise Interrupted(f"Ctrl+C has ended the run at t = {self.t:g} s; `result` is what was recorded.", result)
        return result

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise SimulationError(
                "This simulator is running already, in another thread or around the function that calls it. Give each "
                "thread a Simulator of its own."
            )
        try:
            yield
        finally:
            self._busy.release()

    def _follow(self) -> list[str]:
        """Names of populations whose sources have changed; every other change of the network is refused."""
        changed = follow(self.network, self._declared, self.built.drawn)
        if changed:
            self.__dict__.pop("_described", None)
        return changed

    def _run(self, duration: float, progress: Any, interrupt: Deferred) -> Result:
        changed = self._follow()
        if self._stale:
            self._renew()
        b = self.built
        b.refresh()
        b.redraw(changed)
        t_start, t_end = b.engine.now, b.engine.now + duration
        recorder = Recorder(self, self.t)
        began = time.perf_counter()
        b.settle()
        before = Counts.of(b)
        try:
            stop = self._simulate(t_start, t_end, recorder, progress, interrupt)
            # Post spikes that no row has caught up with belong to this run's bill.
            b.settle()
            check_weights(b)
        except BaseException:
            recorder.abandon()
            raise
        if stop < t_end:
            duration = b.engine.now - t_start
        recorder.flush()
        ledger = ledger_of(b, Counts.of(b) - before)
        result = recorder.result(duration, ledger)
        result.provenance["wall_seconds"] = time.perf_counter() - began
        return result

    def _simulate(self, t_start: float, t_end: float, recorder: Recorder, progress: Any, interrupt: Deferred) -> float:
        """Go on to the engine's time t_end, or to where an interrupt is heard of; returns how far it has come."""
        b = self.built
        # Threads that meet every few ticks would mostly wait for one another; what was short enough in the last run may
        # be long in this one.
        duration = t_end - t_start
        stretch = max(duration / 200.0, b.engine.h, min(duration / 20.0, self._stretch))
        with meters.progress(duration, "simulating", progress) as meter:
            stop = t_start
            while True:
                looked = time.perf_counter()
                change = math.inf if b.switch is None else b.switch.next_change(stop)
                limit = stop + stretch
                stop = min(recorder.next_sample(t_end), t_end, limit, change)
                self._advance(stop, recorder)
                if b.switch is not None and stop == change:
                    b.switch.change(stop)
                if interrupt.asked:
                    # A sample of this instant belongs to the next run.
                    break
                recorder.sample(stop, t_end)
                meter.update(stop - t_start)
                if stop >= t_end:
                    break
                took = time.perf_counter() - looked
                if took > STRETCH_SECONDS:
                    stretch = max(stretch / 2.0, b.engine.h)
                elif stop == limit and took < STRETCH_SECONDS / 4.0:
                    stretch *= 2.0
        self._stretch = stretch
        return stop

    def _advance(self, stop: float, recorder: Recorder) -> None:
        b = self.built
        while True:
            reasons = advance(b, float(stop))
            if all(why == exact.DONE for why in reasons):
                check_sources(b)
                return
            if stepping.BROKEN in reasons:
                raise not_finite(b)
            if exact.STUCK in reasons:
                raise stuck(b)
            for part, why in zip(b.parts, reasons, strict=True):
                if why == exact.GROW:
                    grow(part.engine)
            if exact.FLUSH in reasons:
                recorder.flush()
            if exact.WATCH in reasons:
                recorder.watched()

    def _anew(self) -> Built:
        """The network as declared, for one engine, but for weights, synapse states and rules."""
        old, new = self.built, self._build()
        for name, p in new.projections.items():
            own, learned = new.groups[p.group], old.groups[old.projections[name].group]
            p.weight, p.w_kind = old.projections[name].weight, old.projections[name].w_kind
            own.syn = learned.syn
            new.put_weights(p)
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

        if self._writer is not None and self._writer.path.resolve() == Path(path).resolve():
            raise ExportError(f"{path} is where this simulator records. Give the checkpoint another path.")
        checkpoint.save(self, path, overwrite)

    def restore(self, path: Any) -> None:
        """Go on from a checkpoint of the same network, seed and engine, also in another process.

        Where parameters of sources were changed while the network ran, give the sources of this one theirs before.
        """
        from . import checkpoint

        checkpoint.restore(self, path)
        self._declared = declarations(self.network)

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
            Keep the spikes, as `spike_times` of the result.
        progress : bool or callable, optional
            As in :meth:`run`; by default nothing.

        Returns
        -------
        Presentations

        Raises
        ------
        NetworkError, ParameterError
            Before anything is shown.
        SimulationError
            When rates explode; on the grid also as in :meth:`run`.
        KeyboardInterrupt
            On Ctrl+C, between two samples. What has been learned until then stays, and `t` is as before.

        References
        ----------
        van Rossum (2001) Neural Comput. 13, 751 (distance of spike trains).
        """
        began = time.perf_counter()
        with self._alone():
            self._follow()
            asked = exhibition(
                self.built, samples, labels, into=into, readout=readout, duration=duration, learn=learn, order=order,
                targets=targets, every=every, teach_from=teach_from, code=code, tau_read=tau_read,
                labels_into=labels_into, threads=threads, record=record,
            )  # fmt: skip
            self.built.settle()
            self._offset, self._stale = self.t, True
            if len(self.built.parts) > 1:
                # Every presentation starts afresh, on one engine.
                self.built = self._anew()
            engines = [self.built, *(self._anew() for _ in range(asked.parts - 1))]
            shown = show(engines, asked, first=self.presented, began=began, progress=progress)
            self.presented += len(shown)
            self._offset += len(shown) * asked.duration
        return shown


__all__ = ["Simulator"]
