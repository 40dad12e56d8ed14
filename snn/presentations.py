"""Presenting a data set: what is asked for is checked, shown in parts, and summed up."""

from __future__ import annotations

import functools
import math
import operator
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np

from . import arguments
from . import progress as meters
from .account import ledger_of
from .build import Built
from .counts import Counts
from .driver import give_spikes, grow
from .engine import exact, rows
from .engine import grid as stepping
from .engine import present as presenting
from .engine.struct import Links, Struct
from .errors import NetworkError, ParameterError, RecordingError, SimulationError
from .events import Events
from .grid import Grid
from .interrupt import STRETCH_SECONDS
from .ledger import Ledger
from .network import Network, Population
from .plugin import GivenSpikes, Source, is_whole
from .record import SpikeData
from .recorder import spikes_by_population
from .schedule import Schedule, schedule
from .stability import check_sources, check_weights, not_finite, stuck
from .teach import Lesson, check_learning, links_of
from .threads import take_spikes


@dataclass(repr=False, eq=False)
class Presentations:
    """What :meth:`snn.Simulator.present` returns.

    Attributes
    ----------
    outputs : (n, n_readout) float64
        What the readout says, as `code` has it, at the end of each presentation; the mean over all errors with `every`.
    potentials : (n, n_readout) float64
        The potentials in any case; -1e30, below every threshold, where a neuron is refractory at the end.
    labels : (n,) int64 or None, in the order shown
    loss : (n,) float64
        Cross-entropy of softmax(y), the mean over errors; with targets, the sum of (y - target)^2 / 2 over outputs and
        errors; nan without either.
    spikes : dict of str to int
        Spikes of each population over all presentations.
    synaptic_events : int
    ledger : Ledger
    seconds : float
        Wall time.
    over_time : (n, duration / every, n_readout) float64 or None
        Outputs at every error, with `every`.
    spike_times : dict of str to SpikeData, or None
        Spikes of each population, with `record`. Times (s) go on from one presentation to the next: number k that the
        simulator shows, from 0 on, begins at k times the duration.
    neuron_spikes : dict of str to (size,) array, or None
        Spikes of each neuron over all presentations, where networks count them without `record` (BPTT).
    """

    outputs: np.ndarray
    potentials: np.ndarray
    labels: np.ndarray | None
    loss: np.ndarray
    spikes: dict[str, int]
    synaptic_events: int
    ledger: Ledger
    seconds: float
    over_time: np.ndarray | None = None
    spike_times: dict[str, SpikeData] | None = None
    neuron_spikes: dict[str, np.ndarray] | None = None

    @property
    def weight_updates(self) -> int:
        return self.ledger.updates

    @property
    def predictions(self) -> np.ndarray:
        """The largest output of each presentation, (n,) int64; among equal ones that of the highest potential."""
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
        most = "at most " if "updates" in self.ledger.at_most else ""
        return (
            f"<{len(self)} presentations: accuracy {self.accuracy:.4f}, spikes per sample {spikes}, "
            f"{self.synaptic_events / n:.0f} synaptic events and {most}{self.weight_updates / n:.0f} weight updates "
            f"per sample, {self.seconds:.2f} s>"
        )


# ----------------------------------------------------------------------------------------------------- what is asked


@dataclass
class Exhibition:
    """What is to be shown, known to be possible.

    Attributes
    ----------
    into, readout : Population
    labels_into : Population or None
    samples : (n, size of `into`) float32; (n, 0) where there are `events`
    events : Events or None
    labels : (n,) int64; (0,) where there are none
    targets : (n, steps * n_readout) float64; (0, .) where there are none
    order : (m,) int64
    duration : float, s
    plan : Schedule
    learn, record : bool
    parts : int
        How many engines show a part each.
    """

    into: Population
    readout: Population
    labels_into: Population | None
    samples: np.ndarray
    events: Events | None
    labels: np.ndarray
    targets: np.ndarray
    order: np.ndarray
    duration: float
    plan: Schedule
    learn: bool
    record: bool
    parts: int


def exhibition(
    built: Built,
    samples: Any,
    labels: Any,
    *,
    into: Any,
    readout: Any,
    duration: Any,
    learn: bool,
    order: Any,
    targets: Any,
    every: float | None,
    teach_from: float,
    code: str | None,
    tau_read: float,
    labels_into: Any,
    threads: int,
    record: bool,
) -> Exhibition:
    """Check what :meth:`snn.Simulator.present` is asked for.

    Raises
    ------
    NetworkError, ParameterError, RecordingError
    """
    network = built.network
    if network.currents:
        raise NetworkError(
            f"present: a current is injected into population {network.currents[0].population.name!r}, and currents "
            "follow the time of a run. Leave it out, or give the model a constant drive."
        )
    into = _input_of(network, into)
    readout = arguments.population_of("present: readout", network, readout)
    if isinstance(readout.model, Source):
        raise NetworkError(f"present: readout {readout.name!r} is a source; give a population that integrates.")
    duration = arguments.duration_of("present: duration", duration)
    if duration == 0:
        raise ParameterError("present: duration is 0; give a positive time in seconds.")
    if not is_whole(threads, 1):
        raise ParameterError(f"present: threads is {threads!r}; give a whole number, 1 or more.")
    x = arguments.samples_of(samples, into)
    y = arguments.labels_of(labels, x.shape[0], readout)
    if learn and labels is None and targets is None:
        raise ParameterError("present: learning needs labels or targets; give them, or learn=False.")
    if labels is not None and targets is not None:
        raise ParameterError("present: labels and targets are both given; give one of them.")
    if labels_into is not None:
        if learn and labels is None:
            raise ParameterError("present: labels_into is given, and there are no labels; give them to learn.")
        labels_into = _label_input_of(network, labels_into, readout)
    plan = schedule(readout, duration, every, teach_from, code, tau_read, built.grid)
    aims = arguments.targets_of(targets, x.shape[0], readout, plan)
    if learn:
        check_learning(built, plan, labels is not None)
    if record:
        _check_spikes_are_made(built)
    index = arguments.order_of(order, x.shape[0])
    return Exhibition(
        into=into,
        readout=readout,
        labels_into=labels_into,
        samples=x,
        events=samples if isinstance(samples, Events) else None,
        labels=y,
        targets=aims,
        order=index,
        duration=duration,
        plan=plan,
        learn=bool(learn),
        record=bool(record),
        parts=1 if learn or record else max(1, min(int(threads), index.size)),
    )


def _input_of(network: Network, given: Any) -> Population:
    """The population that samples go to."""
    into = arguments.population_of("present: into", network, given)
    if not arguments.plays_samples(into):
        arguments.encoder_of(into)
        return into
    for other in network.populations.values():
        if isinstance(other.model, GivenSpikes) and other is not into:
            raise NetworkError(
                f"present: population {other.name!r} has given spikes of its own, beside the samples' spikes in "
                f"{into.name!r}. Leave it out, or give it a source such as Regular."
            )
    return into


def _label_input_of(network: Network, given: Any, readout: Population) -> Population:
    """The population that labels go to."""
    into = arguments.population_of("present: labels_into", network, given)
    arguments.encoder_of(into)
    if len(into) != len(readout):
        raise NetworkError(
            f"present: labels_into {into.name!r} has {len(into)} neurons, and readout {readout.name!r} {len(readout)}; "
            "give one for each class."
        )
    return into


def _check_spikes_are_made(built: Built) -> None:
    """Refuse to record where spikes of a population are drawn as numbers of arrivals."""
    for name in built.drawn:
        raise RecordingError(
            f"present: record=True keeps the spikes of all neurons, but those of population {name!r} are drawn as "
            f"numbers of arrivals. Give Simulator(..., record=[Spikes({name})]), or leave out record=True."
        )


# ----------------------------------------------------------------------------------------------------------- showing


@dataclass
class _Sheet:
    """What the compiled loop writes down, a row for each presentation, and spikes."""

    outputs: np.ndarray
    potentials: np.ndarray
    loss: np.ndarray
    over_time: np.ndarray
    recorded: list[tuple[np.ndarray, np.ndarray]]

    @classmethod
    def empty(cls, asked: Exhibition) -> _Sheet:
        n, n_out, steps = asked.order.size, len(asked.readout), asked.plan.steps
        judged = asked.labels.size > 0 or asked.targets.shape[0] > 0
        return cls(
            outputs=np.zeros((n, n_out)),
            potentials=np.zeros((n, n_out)),
            loss=np.zeros(n) if judged else np.full(n, math.nan),
            over_time=np.zeros((n if steps > 1 else 0, steps * n_out)),
            recorded=[],
        )


def show(engines: Sequence[Built], asked: Exhibition, *, first: int, began: float, progress: Any) -> Presentations:
    """Show it on one engine, or a part of it on each of several at once.

    Parameters
    ----------
    first : int
        Number of the first presentation, which says what is random in it.
    began : float, s
        When this was asked for, as time.perf_counter() has it.
    progress : see :meth:`snn.Simulator.run`
    """
    n, sheet = asked.order.size, _Sheet.empty(asked)
    bounds = np.linspace(0, n, len(engines) + 1).astype(int).tolist()
    with meters.progress(n, "presenting", progress, unit="samples") as meter:

        def part(k: int, tell: Callable[[int], None]) -> Counts:
            return _show_part(engines[k], asked, sheet, bounds[k], bounds[k + 1], first, tell)

        counts = part(0, meter.update) if len(engines) == 1 else _side_by_side(part, len(engines), meter)
    built, plan = engines[0], asked.plan
    ledger = ledger_of(
        built, counts, presentations=n, learn=asked.learn, readout=asked.readout,
        errors=n * (plan.steps - plan.first_taught), signals=n * plan.steps, softmax=asked.targets.shape[0] == 0,
    )  # fmt: skip
    return Presentations(
        outputs=sheet.outputs,
        potentials=sheet.potentials,
        labels=asked.labels[asked.order] if asked.labels.size else None,
        loss=sheet.loss,
        spikes=counts.spikes(built),
        synaptic_events=int(sum(c[rows.N_EVENTS] for c in counts.rows.values())),
        ledger=ledger,
        seconds=time.perf_counter() - began,
        over_time=sheet.over_time.reshape(n, plan.steps, len(asked.readout)) if plan.steps > 1 else None,
        spike_times=spikes_by_population(sheet.recorded, built) if asked.record else None,
    )


def _side_by_side(part: Callable[[int, Callable[[int], None]], Counts], n: int, meter: meters.Progress) -> Counts:
    """Show all parts, a thread for each; an error in one, or in the meter, or Ctrl+C ends the others."""
    done, ended = [0] * n, Event()

    def tell(k: int, shown: int) -> None:
        done[k] = shown
        if ended.is_set():
            raise CancelledError

    with ThreadPoolExecutor(n) as pool:
        jobs = [pool.submit(part, k, functools.partial(tell, k)) for k in range(n)]
        try:
            left: set[Any] = set(jobs)
            while left:
                ready, left = wait(left, STRETCH_SECONDS, FIRST_EXCEPTION)
                for job in ready:
                    job.result()
                meter.update(sum(done))
            return functools.reduce(operator.add, (job.result() for job in jobs))
        except BaseException:
            ended.set()
            raise


def _show_part(
    built: Built,
    asked: Exhibition,
    sheet: _Sheet,
    begin: int,
    end: int,
    first: int,
    tell: Callable[[int], None],
) -> Counts:
    """Show presentations `begin` to `end` on one engine; what it has counted in them.

    `tell` hears how many have been shown, now and then.
    """
    before = Counts.of(built)
    built.refresh()
    e = built.engine
    lesson = Lesson(len(asked.readout))
    declared = e.given_t, e.given_i
    try:
        links = links_of(built, asked.readout, lesson) if asked.learn else Links([], [], e)
        runner = Links([exact.advance if built.grid is None else stepping.advance_grid], [e], e)
        shown = _loop_struct(built, asked, sheet, lesson, links, runner, begin, first)
        _loop(built, shown, end, sheet.recorded, tell)
    finally:
        # Also where a sample has ended with an error, so that nothing of it is left for the next.
        e.n_rec = 0
        e.given_t, e.given_i = declared
    return Counts.of(built) - before


def _loop_struct(
    built: Built, asked: Exhibition, sheet: _Sheet, lesson: Lesson, links: Links, runner: Links, begin: int, first: int
) -> Struct:
    """What the compiled loop reads and writes; it holds addresses in `links` and `runner`, not the objects."""
    plan, n_out = asked.plan, len(asked.readout)
    played = np.zeros(0, np.int64)
    if asked.events is not None:
        played, *spikes = _played(asked.events, built.offset[asked.into.name], built.grid)
        give_spikes(built.engine, *spikes)
    return Struct(
        sample=begin, middle=0, rec_start=0, first=first, readout=built.offset[asked.readout.name],
        duration=asked.duration, learn=asked.learn, record=asked.record, n_links=len(links.alive),
        x_start=np.zeros(0) if played.size else _encoded(built, asked.into), samples=asked.samples,
        first_spike=played, potential=sheet.potentials, fired=np.zeros(n_out, np.int64),
        code=plan.code, step=0, n_steps=plan.steps, every=plan.every, ticks=plan.ticks,
        first_taught=plan.first_taught,
        share=1.0 / (plan.steps - plan.first_taught), tau_read=plan.tau, fade=math.exp(-plan.every / plan.tau),
        seen=0, n_fired=0, earliest=np.zeros(n_out), trace=np.zeros(n_out), targets=asked.targets,
        over_time=sheet.over_time,
        label_start=np.zeros(0) if asked.labels_into is None else _encoded(built, asked.labels_into),
        labels=asked.labels, order=asked.order, out=sheet.outputs, loss=sheet.loss,
        error=lesson.error, wanted=lesson.wanted, label=lesson.label, reward=lesson.reward,
        link_kernels=links.kernels, links=links.structs, engine_kernels=runner.kernels, engines=runner.structs,
    )  # fmt: skip


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


def _loop(
    built: Built, shown: Struct, end: int, recorded: list[tuple[np.ndarray, np.ndarray]], tell: Callable[[int], None]
) -> None:
    """Run the compiled loop up to presentation `end`, in stretches between which it can be stopped."""
    begin, few = shown.sample, 16
    while shown.sample < end:
        looked = time.perf_counter()
        why = built.call(presenting.present, shown, min(end, shown.sample + few))
        few = max(1, few // 2) if time.perf_counter() - looked > STRETCH_SECONDS else min(512, 2 * few)
        if why == exact.GROW:
            grow(built.engine)
        elif why == exact.FLUSH:
            times, neurons = take_spikes(built)
            if shown.middle:
                # The loop has moved those of whole presentations to their place.
                times[shown.rec_start :] += (shown.first + shown.sample) * shown.duration
            recorded.append((times, neurons))
            shown.rec_start = shown.seen = 0
        elif why == presenting.RUNAWAY:
            raise SimulationError(
                f"present: sample {shown.order[shown.sample]} has made more than {presenting.MOST} spikes for each "
                "neuron: rates have exploded. Lower the learning rate or the weights, or give neurons a refractory "
                "time."
            )
        elif why == stepping.BROKEN:
            raise not_finite(built, f" of sample {shown.order[shown.sample]}")
        elif why == exact.STUCK:
            raise stuck(built, f" of sample {shown.order[shown.sample]}")
        elif why == exact.DONE:
            check_sources(built)
            if shown.learn:
                check_weights(built)
        tell(shown.sample - begin)
    if shown.record:
        recorded.append(take_spikes(built))


__all__ = ["Presentations"]
