"""Train one task by several rules and by backpropagation through time, on the same network, and print who gains what.

The frozen control (the same network, hidden weights as drawn) and BPTT are always run, at every width. The credit gain
of a rule is G = (accuracy - frozen) / (BPTT - frozen). The learning curve is drawn on validation samples: the task's
own, or a share of its training samples that is then not trained on. Test samples are shown once for each seed, at the
end.

  python scripts/compare.py --task yin-yang --rules symmetric dfa --seeds 3 --plot curves.png --json rows.json
  python scripts/compare.py --task mnist --data FOLDER --rules all --hidden 100 500 --validation 0
  python scripts/compare.py --task delayed-feedback:delay=0 delayed-feedback:delay=0.1 --rules symmetric
  python scripts/compare.py --task mnist --rules dfa --tune --set credit.scale=0.2 rule.eta=0.004
  python scripts/compare.py --task yin-yang --rules symmetric dfa --set net.steps=40

Networks run in continuous time; with net.steps, in so many time steps for a presentation (BPTT has bptt.steps).
Settings are those of scripts/settings.toml. A run that fails (numbers that are not finite, rates that explode, layers
that fall silent, accuracy at chance) says so under the table and in the row's "faults".
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models import Latency, Playback
from models.augment import warp
from models.bptt import BPTT
from models.burst_classifier import BurstClassifier
from models.classifier import LatencyClassifier
from models.error_neurons import ErrorNeuronClassifier, LocalTargetClassifier
from models.recurrent import RecurrentNetwork
from models.tasks import TASKS, Task, load
from rules import DFA, PATHWAYS, BurstProp, Delta, DeltaSum, ErrorNeurons, LocalTarget, ThreeFactor
from snn import SnnError
from snn.errors import ParameterError
from snn.events import Events
from snn.plugin import is_whole
from snn.progress import Progress, progress

SETTINGS = Path(__file__).with_name("settings.toml")
PARTS = (
    "net", "rule", "readout", "credit", "bptt", "erbp", "erbp_rule", "erbp_readout", "recurrent", "eprop", "vary",
)  # fmt: skip
CONTROL, BASELINE = "frozen", "bptt"
# Networks whose errors are spikes: the rule and the classifier of each.
SPIKING_ERRORS = {
    "erbp": (ErrorNeurons, ErrorNeuronClassifier),
    "local-target": (LocalTarget, LocalTargetClassifier),
    "burstprop": (BurstProp, BurstClassifier),
}
# Recurrent networks, and the same with recurrent weights as drawn.
EPROP, EPROP_CONTROL = "eprop", "eprop-frozen"
RULES = (*PATHWAYS, *SPIKING_ERRORS, EPROP, EPROP_CONTROL, BASELINE)
# Spikes of a hidden neuron in one sample, mean over all: above the first a run is reported, above the second ended. In
# long samples a rate (Hz) of ten times as many in a second is what is too much.
MANY, TOO_MANY = 10.0, 100.0
PICTURES = (".png", ".pdf", ".svg")
PROBED = 500  # samples that a layer is watched on for silent neurons


class Stopped(Exception):
    """A run that is of no use any more; the text says why."""


def settings_of(book: dict[str, Any], task: str, rule: str, hidden: str) -> dict[str, Any]:
    """Everything that is set for one network, the more special before the more general.

    Parameters
    ----------
    book : dict
        The table of settings.toml.
    task, rule : str
    hidden : str
        Hidden layers, such as "500-500"; empty where the task's own are asked for.
    """
    found: dict[str, Any] = {part: {} for part in PARTS}
    for section in (book["default"], book.get(task, {})):
        for level in (section, section.get("widths", {}).get(hidden, {})):
            for entry in (level, level.get("rules", {}).get(rule, {})):
                for key, value in entry.items():
                    if key in PARTS:
                        found[key] = found[key] | value
                    elif key in ("epochs", "hidden"):
                        found[key] = value
                    elif key not in ("rules", "widths"):
                        raise ParameterError(f"settings: {key!r} of {task!r} is none of: epochs, hidden, {PARTS}.")
    return found


def overrides(found: dict[str, Any], given: list[str]) -> dict[str, Any]:
    """Settings changed by `part.name=value` (TOML values)."""
    for text in given:
        name, equals, value = text.partition("=")
        part, dot, key = name.partition(".")
        try:
            if not (equals and dot) or part not in PARTS:
                raise ValueError
            found[part] = found[part] | {key: tomllib.loads(f"x = {value}")["x"]}
        except ValueError as error:
            raise ParameterError(f"--set: {text!r} is not part.name=value, part of {', '.join(PARTS)}.") from error
    return found


def network(rule: str, task: Task, settings: dict[str, Any], seed: int) -> Any:
    """An untrained network; `fit` and `show` of both kinds are alike."""
    sizes = (task.n_in, *map(int, settings["hidden"].split("-")), task.n_classes)
    net = dict(settings["net"])
    if isinstance(task.train_x, Events):
        net["duration"] = task.duration
    duration, delay = net.get("duration", 0.03), task.feedback_delay
    if rule == BASELINE:
        # Its own time steps, whatever the network has otherwise.
        return BPTT(sizes, seed=seed, **lengthened(net | {"steps": 40} | settings["bptt"], duration, delay))
    if rule in SPIKING_ERRORS:
        if isinstance(task.train_x, Events):
            raise ParameterError(f"Task {task.name!r} has spikes for samples, which rule {rule!r} cannot be shown.")
        # Its readout fires, so that the scale of a readout that sums says nothing about its weights.
        own = {key: value for key, value in settings["net"].items() if key != "w_out"} | settings["erbp"]
        own = lengthened(own, own.get("duration", 0.05), delay)
        learns, classifier = SPIKING_ERRORS[rule]
        rules = learns(**settings["erbp_rule"]), learns(**settings["erbp_readout"])
        return classifier(sizes, *rules, seed=seed, **own)
    if rule in (EPROP, EPROP_CONTROL):
        return recurrent(rule, task, settings, duration, seed)
    credit = None
    if rule != CONTROL:
        own = dict(settings["credit"])
        if rule == "kolen-pollack":
            # Forward and feedback weights have to learn alike.
            own = {key: settings["readout"][key] for key in ("eta", "decay") if key in settings["readout"]} | own
        credit = PATHWAYS[rule](**own)
    if isinstance(task.train_x, Events):
        net["encoder"] = Playback()
    rules = None if credit is None else ThreeFactor(**settings["rule"]), Delta(**settings["readout"])
    return LatencyClassifier(sizes, *rules, credit, seed=seed, **lengthened(net, duration, delay))


def lengthened(net: dict[str, Any], duration: float, delay: float) -> dict[str, Any]:
    """Settings of a network for presentations that are longer by `delay` (s); time steps are as long as before."""
    longer = net | {"duration": duration + delay}
    if delay > 0.0 and is_whole(net.get("steps"), 1):
        longer["steps"] = round(net["steps"] * longer["duration"] / duration)
    return longer


def recurrent(rule: str, task: Task, settings: dict[str, Any], duration: float, seed: int) -> RecurrentNetwork:
    """A recurrent network, half of its neurons adaptive, that is told of errors in the last `taught` seconds."""
    net, n = settings["net"], sum(map(int, settings["hidden"].split("-")))
    steps = {"steps": net["steps"]} if "steps" in net else {}
    own = lengthened(steps | settings["recurrent"], duration, task.feedback_delay)
    taught, readout = own.pop("taught", own["duration"]), DeltaSum(eta=own.pop("eta_readout", 0.001))
    if not isinstance(task.train_x, Events):
        own["encoder"] = Latency(**{key: net[key] for key in ("t_last", "low", "period") if key in net})
    return RecurrentNetwork(
        task.n_in,
        task.n_classes,
        leaky=n - n // 2,
        adaptive=n // 2,
        rule=settings["eprop"] if rule == EPROP else None,
        readout_rule=readout,
        credit=DFA(**settings["credit"]),
        teach_from=max(0.0, own["duration"] - taught),
        seed=seed,
        **own,
    )


def spikes_by_neuron(net: Any, samples: Any) -> dict[str, np.ndarray]:
    """Spikes of each neuron of each hidden layer over some samples."""
    if isinstance(net, BPTT):
        return net.show(samples).neuron_spikes
    shown = net.show(samples, record=True)
    return {p.name: np.bincount(shown.spike_times[p.name].ids, minlength=len(p)) for p in net.hidden}


def bound(net: Any, spikes: float) -> float:
    """So many spikes of a neuron are too many in a sample of this network."""
    return max(spikes, 10.0 * spikes * net.duration)


def is_finite(net: Any) -> bool:
    """Whether every weight is a finite number; others silence neurons without a word."""
    weights = net.weights if isinstance(net, BPTT) else [net.sim.weights(p) for p in net.projections]
    return all(np.isfinite(w).all() for w in weights)


class Watch:
    """Told after each pass: notes validation accuracy and the time this takes, and ends runs that are lost."""

    def __init__(self, net: Any, task: Task, done: Any) -> None:
        self.net, self.task, self.done = net, task, done
        self.valid: list[float] = []
        self.seconds = 0.0

    def update(self, epoch: int) -> None:
        began = time.thread_time()
        self.done()
        if not is_finite(self.net):
            raise Stopped(f"weights are not finite after pass {epoch}")
        if self.task.valid_y is not None:
            shown = self.net.show(self.task.valid_x, self.task.valid_y)
            self.valid.append(shown.accuracy)
            per_neuron = _hidden_rate(self.net, shown)
            if per_neuron > bound(self.net, TOO_MANY):
                raise Stopped(f"rates exploded: {per_neuron:.0f} spikes per hidden neuron and sample in pass {epoch}")
        self.seconds += time.thread_time() - began


def _hidden_rate(net: Any, shown: Any) -> float:
    """Spikes per hidden neuron and sample."""
    sizes = net.sizes[1:-1] if isinstance(net, BPTT) else [len(p) for p in net.hidden]
    layers = {name for name in shown.spikes if name.startswith("hidden")} or {"leaky", "adaptive"}
    fired = sum(n for name, n in shown.spikes.items() if name in layers)
    return float(fired / sum(sizes) / max(1, len(shown)))


def train(rule: str, task: Task, settings: dict[str, Any], seed: int, tune: bool, done: Any) -> dict[str, Any]:
    """Train and judge one network; what one row is averaged from. `done()` is called after each pass.

    Times are of the CPU that the thread used, so that a busy machine changes little.
    """
    vary = partial(warp, **settings["vary"]) if settings["vary"] else None
    run: dict[str, Any] = {"seed": seed, "accuracy": math.nan, "faults": [], "online": [], "valid": []}
    net = network(rule, task, settings, seed)
    watch = Watch(net, task, done)
    began = time.thread_time()
    try:
        passes = net.fit(task.train_x, task.train_y, settings["epochs"], meter=watch, vary=vary)
    except (SnnError, Stopped) as error:
        run["faults"].append(f"training ended: {error}")
        run["valid"] = watch.valid
        return run
    seconds = time.thread_time() - began - watch.seconds
    n = settings["epochs"] * len(task.train_y)
    run |= {
        "online": [p.accuracy for p in passes],
        "valid": watch.valid,
        "spikes": sum(sum(p.spikes.values()) for p in passes) / n,
        "events": sum(p.synaptic_events for p in passes) / n,
        "updates": sum(p.ledger.updates for p in passes) / n,
        "updates_at_most": any("updates" in p.ledger.at_most for p in passes),
        "seconds": seconds / settings["epochs"],
    }
    judged = net.show(task.valid_x, task.valid_y) if tune else net.show(task.test_x, task.test_y)
    run["accuracy"] = judged.accuracy
    run["faults"] += faults(net, task, judged)
    return run


def faults(net: Any, task: Task, judged: Any) -> list[str]:
    """What is wrong with a trained network."""
    found = []
    if judged.accuracy <= 1.1 * np.bincount(judged.labels).max() / len(judged.labels):
        found.append(f"accuracy {judged.accuracy:.3f} is hardly above that of the commonest class")
    per_neuron = _hidden_rate(net, judged)
    if per_neuron > bound(net, MANY):
        found.append(f"rates exploded: {per_neuron:.0f} spikes per hidden neuron and sample")
    for layer, spikes in spikes_by_neuron(net, task.train_x[:PROBED]).items():
        silent = float(np.mean(spikes == 0))
        if silent > 0.5:
            found.append(f"{layer}: {100 * silent:.0f} % of its neurons never fire")
    return found


def row(task: Task, rule: str, settings: dict[str, Any], runs: list[dict[str, Any]]) -> dict[str, Any]:
    """One line of the table: means over the runs that ended; accuracy is nan where one did not, and faults say why."""
    names = {
        CONTROL: ("frozen", "none"),
        BASELINE: ("BPTT", "backprop"),
        "erbp": ("error neurons", "spikes"),
        "local-target": ("local target", "spikes"),
        "burstprop": ("burstprop", "bursts"),
        EPROP: ("e-prop", "dfa"),
        EPROP_CONTROL: ("recurrent", "none"),
    }
    accuracy = np.array([r["accuracy"] for r in runs])

    def mean(key: str) -> float:
        values = [r[key] for r in runs if key in r]
        return float(np.mean(values)) if values else math.nan

    shown, credit = names.get(rule, ("three-factor", rule))
    return {
        "task": task.name,
        "rule": shown,
        "credit": credit,
        "hidden": settings["hidden"],
        "epochs": settings["epochs"],
        "seeds": [r["seed"] for r in runs],
        "accuracy_mean": float(accuracy.mean()),
        "accuracy_sd": float(accuracy.std(ddof=1)) if len(runs) > 1 else 0.0,
        "gain": math.nan,
        "spikes_per_sample": mean("spikes"),
        "synaptic_events_per_sample": mean("events"),
        "weight_updates_per_sample": mean("updates"),
        "seconds_per_epoch": mean("seconds"),
        "updates_at_most": any(r.get("updates_at_most", False) for r in runs),
        "accuracies": accuracy.tolist(),
        "valid": [r["valid"] for r in runs],
        "online": [r["online"] for r in runs],
        "faults": [f"seed {r['seed']}: {text}" for r in runs for text in r["faults"]],
        "settings": {part: settings[part] for part in PARTS if settings[part]},
    }


def add_gains(rows: list[dict[str, Any]]) -> None:
    """Credit gain of each row over the frozen control of its task and width, as a share of BPTT's."""
    for r in rows:
        same = [other for other in rows if (other["task"], other["hidden"]) == (r["task"], r["hidden"])]
        by_rule = {other["rule"]: other["accuracy_mean"] for other in same}
        low, high = by_rule.get("frozen", math.nan), by_rule.get("BPTT", math.nan)
        r["gain"] = (r["accuracy_mean"] - low) / (high - low) if high != low else math.nan


def table(rows: list[dict[str, Any]]) -> str:
    """The rows for people."""
    head = (
        f"{'task':23} {'rule':13} {'credit':14} {'hidden':>8} {'epochs':>6} {'seeds':>5} {'accuracy %':>14} "
        f"{'gain':>6} {'spikes':>8} {'syn.ev.':>9} {'updates':>9} {'s/epoch':>8}"
    )
    lines = [head, "-" * len(head)]
    for r in rows:
        updates = f"{'≤' if r['updates_at_most'] else ''}{r['weight_updates_per_sample']:.0f}"
        lines.append(
            f"{r['task']:23} {r['rule']:13} {r['credit']:14} {r['hidden']:>8} {r['epochs']:6d} {len(r['seeds']):5d} "
            f"{100 * r['accuracy_mean']:7.2f} ± {100 * r['accuracy_sd']:4.2f} {r['gain']:6.2f} "
            f"{r['spikes_per_sample']:8.1f} {r['synaptic_events_per_sample']:9.0f} "
            f"{updates:>9} {r['seconds_per_epoch']:8.2f}"
        )
    return "\n".join(lines)


def _without_nan(value: Any) -> Any:
    """The same with None for numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _without_nan(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Learning curves: validation accuracy after each pass, and accuracy on training samples just before learning."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    tasks = list(dict.fromkeys(r["task"] for r in rows))
    fig, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
    for k, r in enumerate(rows):
        name = r["credit"] if r["rule"] == "three-factor" else r["rule"]
        name += f" {r['hidden']}" if len(tasks) == 1 else f" {r['hidden']}, {r['task']}"
        for ax, key in zip(axes, ("valid", "online"), strict=True):
            # Runs that were ended have shorter curves.
            length = min((len(curve) for curve in r[key]), default=0)
            if not length:
                continue
            curves = 100 * np.array([curve[:length] for curve in r[key]])
            x, mean, sd = np.arange(1, length + 1), curves.mean(axis=0), curves.std(axis=0)
            style = {CONTROL: ":", "BPTT": "--"}.get(r["rule"], "-")
            ax.plot(x, mean, style, color=f"C{k % 10}", label=name)
            ax.fill_between(x, mean - sd, mean + sd, color=f"C{k % 10}", alpha=0.15, lw=0)
    titles = ("validation samples, after each pass", "training samples, each before it is learned from")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("pass")
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy (%)")
    handles, labels = axes[1].get_legend_handles_labels()
    if handles:
        axes[1].legend(handles, labels, fontsize=8)
    fig.suptitle(f"{', '.join(tasks)}: mean and s.d. over seeds")
    fig.savefig(path, dpi=130)
    plt.close(fig)


def jobs_of(args: argparse.Namespace, plain: str, book: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(rule, settings) of each row of the task named `plain`, control and baseline included."""
    named = [*PATHWAYS, *SPIKING_ERRORS] if args.rules == ["all"] else list(args.rules)
    unknown = [rule for rule in named if rule not in RULES]
    if unknown:
        raise ParameterError(f"--rules: there is no {unknown[0]!r}; there are: all, {', '.join(RULES)}.")
    local = [rule for rule in named if rule not in (CONTROL, BASELINE)]
    # While settings are being tuned, only what is asked for.
    order = named if args.tune else [CONTROL, *local, BASELINE]
    jobs = []
    for hidden in args.hidden or [""]:
        for rule in order:
            found = settings_of(book, plain, rule, hidden)
            if hidden:
                found["hidden"] = hidden
            if not all(n.isdigit() and int(n) > 0 for n in found["hidden"].split("-")):
                raise ParameterError(f"--hidden: {found['hidden']!r} is no list of layers, such as 500 or 500-500.")
            if args.epochs is not None:
                found["epochs"] = args.epochs
            jobs.append((rule, overrides(found, args.set)))
    return jobs


def prepared(args: argparse.Namespace, name: str) -> tuple[list[Task], list[tuple[str, dict[str, Any]]]]:
    """The task as each seed sees it, and the rule and settings of each of its rows."""
    task = load(name, data=args.data, download=args.download)
    if args.folds is not None:
        seen = [task.fold(seed % args.folds, args.folds) for seed in range(args.seeds)]
    elif args.validation != 0:
        seen = [task.hold_out(args.validation)] * args.seeds
    elif args.tune:
        raise ParameterError("--tune judges by validation samples; give --validation above 0, or --folds.")
    else:
        seen = [task] * args.seeds
    try:
        book = tomllib.loads(args.settings.read_text())
    except (OSError, ValueError) as error:
        raise ParameterError(f"--settings: {args.settings} cannot be read as TOML: {error}.") from error
    return seen, jobs_of(args, name.partition(":")[0], book)


def compare(
    args: argparse.Namespace, seen: list[Task], jobs: list[tuple[str, dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    """Every row of one task, as it ends."""
    task = seen[0]
    print(task)
    total = sum(found["epochs"] for _, found in jobs) * args.seeds
    lock, finished = threading.Lock(), [0]
    print("compiling kernels once ...", end=" ", flush=True)
    began = time.perf_counter()
    # In one thread first: two would compile the same kernels twice.
    x, y = task.train_x[:2], task.train_y[:2]
    few = replace(task, train_x=x, train_y=y, valid_x=x, valid_y=y)
    for rule, found in jobs:
        try:
            train(rule, few, found | {"epochs": 1}, 0, True, lambda: None)
        except TypeError as error:
            if "unexpected keyword" not in str(error) and "required keyword" not in str(error):
                raise
            raise ParameterError(f"settings of {rule!r}: {error}.") from error
    print(f"{time.perf_counter() - began:.1f} s", flush=True)
    with progress(total, "training", args.progress, unit="passes") as meter, ThreadPoolExecutor(args.jobs) as pool:

        def done(meter: Progress = meter) -> None:
            with lock:
                finished[0] += 1
                meter.update(finished[0])

        # The slowest begin first, so that no core is left without work at the end.
        runs: dict[int, list[Future[dict[str, Any]]]] = {}
        for k, (rule, found) in sorted(enumerate(jobs), key=lambda job: job[1][0] not in SPIKING_ERRORS):
            runs[k] = [pool.submit(train, rule, t, found, seed, args.tune, done) for seed, t in enumerate(seen)]
        for k, (rule, found) in enumerate(jobs):
            yield row(task, rule, found, [run.result() for run in runs[k]])


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = f"of: {', '.join(TASKS)}; options follow a name: randman:classes=5"
    made.add_argument("--task", required=True, nargs="+", help=names)
    made.add_argument("--rules", nargs="+", default=["symmetric", "dfa"], help=f"all, or of: {', '.join(RULES)}")
    made.add_argument("--hidden", nargs="+", help="networks: hidden layers of each, such as 100 500 500-500")
    made.add_argument("--seeds", type=int, default=3, help="networks for each row (default 3), seeds 0, 1, ...")
    made.add_argument("--epochs", type=int, help="passes over the training samples, in place of the settings'")
    made.add_argument("--data", type=Path, help="folder of data files (default: SNN_DATA, ../shared/data, the cache)")
    made.add_argument("--download", action="store_true", help="fetch data that is not found (needs pooch)")
    made.add_argument("--validation", type=float, default=0.1, help="share of training samples held out (default 0.1)")
    made.add_argument("--folds", type=int, help="in place of --validation: seed k holds out the k-th of so many shares")
    made.add_argument("--tune", action="store_true", help="only the rules named, judged by validation samples")
    made.add_argument("--set", nargs="+", default=[], metavar="PART.NAME=VALUE", help="change settings of every row")
    made.add_argument("--settings", type=Path, default=SETTINGS, help="table of settings (scripts/settings.toml)")
    made.add_argument("--jobs", type=int, default=2, help="networks trained at a time (default 2)")
    made.add_argument("--json", type=Path, help="write the rows here, each as it ends")
    made.add_argument("--plot", type=Path, help="draw the learning curves here")
    made.add_argument("--progress", action="store_const", const=True, help="a bar also where stderr is no terminal")
    return made


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    for name, least in (("seeds", 1), ("jobs", 1), ("epochs", 1), ("folds", 2)):
        if getattr(args, name) is not None and getattr(args, name) < least:
            parser().error(f"--{name} is {getattr(args, name)}; give {least} or more.")
    for path in (args.json, args.plot):
        if path is not None and not path.parent.is_dir():
            parser().error(f"there is no folder {path.parent} for {path.name}; make it first.")
    if args.plot is not None and args.plot.suffix not in PICTURES:
        parser().error(f"--plot is {args.plot}; give a name that ends in one of: {', '.join(PICTURES)}.")
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    try:
        # What is misspelt or missing is said before anything is trained.
        tasks = [prepared(args, name) for name in args.task]
        for r in (r for task in tasks for r in compare(args, *task)):
            rows.append(r)
            add_gains(rows)
            if args.json:
                args.json.write_text(json.dumps(_without_nan(rows), indent=1, allow_nan=False))
    except SnnError as error:
        if rows:
            print(table(rows))
        print(f"compare: {error}", file=sys.stderr)
        return 1
    print(table(rows))
    judged = "validation samples; the test samples were not touched" if args.tune else "test samples, shown once"
    print(f"\naccuracy on {judged}. Spikes, synaptic events, updates: per sample. s/epoch: seconds of CPU for a pass.")
    if any(r["updates_at_most"] for r in rows):
        print("≤: at most; the rule changes a weight only under a condition, and every time that it looks is counted.")
    for r in rows:
        for text in r["faults"]:
            print(f"FAULT {r['task']} {r['rule']} {r['credit']} {r['hidden']}, {text}")
    if args.json:
        print(args.json)
    if args.plot:
        draw(rows, args.plot)
        print(args.plot)
    print(f"took {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
