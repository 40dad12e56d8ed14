"""From the engine's spike counts to the ledger; nothing here is counted per synapse while the network runs.

One machine runs both sides, the spiking network and the MLP of :mod:`models.backprop`: an event-driven core of minimal
design with words of 32 bits, whatever the simulation computes in. It goes row by row, a row being the synapses of one
source neuron (a spike's axon; the weights of one input of an MLP that is not zero), and one rule says where things are:

source    what belongs to the source (input value, presynaptic trace, time factors) is fetched and computed once a row;
synapse   what belongs to a synapse (weight, eligibility) is in memory, one access each time it is read or written;
target    what belongs to the neurons that a row leads to (membrane potential, postsynaptic trace, learning signal; sum
          and delta of the MLP) is counted as ``acc_rw``, once each time it is read or written at a synapse: an
          accumulator pays one read and one write for every value added. ``Ledger.price(accumulators="register")``
          takes all of these to stay in registers, on both sides alike.

Both sides are given the list of their active inputs. What one event of each kind does:

forward   a spike reaches a synapse: accumulate, multiply by the row's decay factor where the target leaks, compare
          where it has a threshold; weight read; membrane read and written. Each row: one exponential where the target
          leaks (each synapse, for a model without :meth:`~snn.plugin.Model.modes`). A neuron fires: subtraction,
          membrane read and written. A presentation starts: every state of every neuron written.
trace     on_pre, pre_spike, post_spike, post_signal of a rule, see :mod:`snn.tally`. A presentation starts: every trace
          written.
error     see :func:`count_error` and :func:`count_distance`.
credit    signal of a hidden neuron: for each readout one multiply-accumulate, one fetched word and one error read; the
          sum runs along the row, stays in a register and is written once. Of a label: one fetched word. Of a reward:
          one multiplication, the nudge read. From the layer above: each of its signals times its gain. A readout of a
          layer's own: one multiply-accumulate for each class and neuron that has fired, and its softmax. Feedback
          weights that learn: the pathway's own operations, weight read and written, error read; a moment of noise
          also goes through the forward synapses.
update    on_post, on_signal, on_end of a rule, see :mod:`snn.tally`. What a rule does under a condition on its state is
          counted in every call; `at_most` of the ledger names it.
control   each row of a spike is pushed to the queue and popped.

Not counted: predictions of threshold crossings (one logarithm or more for each neuron that a constant drive, or a
current, takes across its threshold), the drawing of random spikes, and the reading of results. Of a network on the
grid the same is counted: what its events would cost on that core, not the moving of every neuron in every time step.
"""

from __future__ import annotations

import numpy as np

from .build import Built, resolve_rule
from .counts import Counts
from .engine import present, rows
from .layout import BuiltProjection, NoRule
from .ledger import Ledger, joined
from .network import CreditLink, Population
from .plugin import Model, Rule
from .tally import Tally, tally, tally_credit


def ledger_of(
    built: Built,
    counts: Counts,
    *,
    presentations: int = 0,
    learn: bool = True,
    readout: Population | None = None,
    errors: int = 0,
    signals: int = 0,
    softmax: bool = True,
) -> Ledger:
    """The ledger of a run, or of presentations, in which this has been counted.

    `signals` is how often in all presentations rules were told of an error, `errors` how often there was one.
    """
    ledger = Ledger(samples=presentations)
    spikes = counts.spikes(built)
    for name, population in built.network.populations.items():
        n = len(population)
        ledger.add("forward", name, "spike_emit", spikes[name])
        if isinstance(population.model, Model):
            ledger.add("forward", name, "add", spikes[name])
            written = presentations * n * len(population.model.states("cell"))
            ledger.add("forward", name, "state_rw", 2 * spikes[name] + written, 4 * n)
    teaches = learn and presentations > 0 and readout is not None
    for name, p in built.projections.items():
        _count_projection(ledger, name, p, counts.rows[name])
        if isinstance(p.rule, NoRule) or (presentations and not learn):
            continue
        _count_rule(ledger, name, p, counts.rows[name], presentations, signals)
        if teaches and p.rule.needs_signal:
            # Eligibility and traces live on only until the signal comes, each once, however often its axon fires.
            used = {"pre": int(counts.rows[name][rows.N_USED_ROWS]), "syn": int(counts.rows[name][rows.N_USED])}
            used["post"] = presentations * len(p.projection.target)
            ledger.held_bytes += sum(4 * len(p.rule.states(kind)) * n // presentations for kind, n in used.items())
    if teaches:
        assert readout is not None
        if softmax:
            count_error(ledger, readout.name, errors, len(readout))
        else:
            count_distance(ledger, readout.name, errors, len(readout))
        for link in built.network.credits:
            ledger.transport = joined(ledger.transport, link.pathway.carries)
            if link.pathway.carries != "none":
                _count_link(ledger, link, counts.links, errors)
    return ledger


def count_error(ledger: Ledger, where: str, n: int, n_out: int, phase: str = "error") -> None:
    """Softmax less one-hot label over `n_out` readouts, `n` times, in three passes over the readouts.

    Largest value (compare); exponential of the distance to it, and its sum; division by the sum; then one subtraction
    at the label. Each pass reads its values, the last two write theirs.
    """
    ledger.add(phase, where, "exp", n * 2 * n_out)
    ledger.add(phase, where, "add", n * (3 * n_out + 1))
    ledger.add(phase, where, "state_rw", n * (5 * n_out + 2), 4 * n_out)


def count_distance(ledger: Ledger, where: str, n: int, n_out: int) -> None:
    """Outputs less targets, `n` times: both read, the error written."""
    ledger.add("error", where, "add", n * n_out)
    ledger.add("error", where, "state_rw", n * 3 * n_out, 4 * n_out)


def count_credit(ledger: Ledger, where: str, n: int, size: int, n_out: int) -> None:
    """`n` learning signals of a population of `size`, each the sum over `n_out` errors times a feedback weight."""
    ledger.add("credit", where, "mac", n * n_out)
    ledger.add("credit", where, "transport", n * n_out, 4 * size * n_out)
    ledger.add("credit", where, "acc_rw", n * n_out, 4 * n_out)
    ledger.add("credit", where, "state_rw", n, 4 * size)


def _count_link(ledger: Ledger, link: CreditLink, taught: dict[str, np.ndarray], presentations: int) -> None:
    """Everything that a credit link does in its presentations."""
    pathway, where, size, n_error = link.pathway, link.to.name, len(link.to), len(link.error)
    n, words = presentations * size, 4 * size * n_error
    counted = taught.get(link.name, np.zeros(3, np.int64))
    heard, learned, mirrored = (int(counted[k]) for k in (present.N_HEARD, present.N_LEARNED, present.N_MIRRORED))

    def operations(method: str, level: str, times: int) -> None:
        cost = tally_credit(pathway, method)
        done = getattr(cost, level)
        for op in ("add", "mul", "exp"):
            ledger.add("credit", where, op, times * done[op])
        _bound(ledger, cost, times)

    if pathway.hears == "label":
        # One feedback weight for each neuron, as it is.
        ledger.add("credit", where, "transport", n, words)
        ledger.add("credit", where, "state_rw", n, 4 * size)
    elif pathway.hears == "reward":
        ledger.add("credit", where, "add", presentations)  # less what was expected
        ledger.add("credit", where, "mul", n)
        ledger.add("credit", where, "transport", n, 4)
        ledger.add("credit", where, "state_rw", 2 * n, 4 * size)  # the nudge read, the signal written
    else:
        count_credit(ledger, where, n, size, n_error)
    if pathway.hears == "own":
        ledger.add("credit", where, "mac", heard * n_error)
        ledger.add("credit", where, "w_read", heard * n_error, words)
        ledger.add("credit", where, "acc_rw", 2 * heard * n_error, 4 * n_error)
        ledger.add("credit", where, "state_rw", heard, 4 * size)
        count_error(ledger, where, presentations, n_error, "credit")
    elif pathway.hears == "error" and link.error.model.threshold:  # type: ignore[union-attr]
        # The layer above: its signals times its gains.
        above = presentations * n_error
        ledger.add("credit", where, "mul", above)
        ledger.add("credit", where, "state_rw", 3 * above, 4 * n_error)
    if pathway.overrides("perturb"):
        operations("perturb", "each", n)
        ledger.add("credit", where, "add", n)
        ledger.add("credit", where, "state_rw", 3 * n, 4 * size)  # potential read and written, the nudge kept
    if pathway.overrides("expect"):
        operations("expect", "each", presentations)
    for method, rows_used in (("learn", learned), ("mirror", size * mirrored)):
        if pathway.overrides(method):
            operations(method, "shared", rows_used)
            operations(method, "each", rows_used * n_error)
            ledger.add("credit", where, "state_rw", rows_used, 4 * size)
            ledger.add("credit", where, "acc_rw", rows_used * n_error, 4 * n_error)
            ledger.add("credit", where, "w_read", rows_used * n_error, words)
            ledger.add("credit", where, "w_write", rows_used * n_error, words)
    if mirrored:
        # The noise goes through the forward synapses.
        ledger.add("credit", where, "mac", mirrored * size * n_error)
        ledger.add("credit", where, "w_read", mirrored * size * n_error, words)
        ledger.add("credit", where, "acc_rw", 2 * mirrored * size * n_error, 4 * n_error)


def _count_projection(ledger: Ledger, name: str, p: BuiltProjection, counts: np.ndarray) -> None:
    """Delivery of spikes."""
    arrivals, events = int(counts[rows.N_ARRIVALS]), int(counts[rows.N_EVENTS])
    target, learner = p.projection.target, p.projection.teaches
    model = target.model
    assert isinstance(model, Model)
    if learner is not None:
        # Spikes of error neurons are the credit path; each carries a fixed weight to what a rule keeps of a neuron.
        ledger.transport = joined(ledger.transport, "B fixed")
        ledger.add("control", name, "queue", 2 * arrivals)
        ledger.add("credit", name, "transport", events, 4 * p.weight.size)
        assert learner.rule is not None
        _count_calls(ledger, name, "credit", resolve_rule(learner.rule, model), "on_teach", arrivals, events, p)
        return
    modes = model.modes()
    leaks = modes is None or bool(np.isfinite(modes.taus).any())
    ledger.add("control", name, "queue", 2 * arrivals)
    ledger.add("forward", name, "syn_ac", events)
    if leaks:
        ledger.add("forward", name, "exp", events if modes is None else arrivals)
        ledger.add("forward", name, "mul", events)
    if model.threshold:
        ledger.add("forward", name, "add", events)
    ledger.add("forward", name, "w_read", events, 4 * p.weight.size)
    ledger.add("forward", name, "acc_rw", 2 * events, 4 * len(target))


def _count_rule(
    ledger: Ledger, name: str, p: BuiltProjection, counts: np.ndarray, presentations: int, signals: int
) -> None:
    """Plasticity."""
    n_rows, n_post = p.ptr.size - 1, len(p.projection.target)
    traces = len(p.rule.states("pre")) * n_rows, len(p.rule.states("post")) * n_post
    ledger.add("trace", name, "state_rw", presentations * traces[0], 4 * n_rows)
    ledger.add("trace", name, "state_rw", presentations * traces[1], 4 * n_post)
    arrivals, posts = int(counts[rows.N_ARRIVALS]), int(counts[rows.N_POST_SPIKES])
    # Phase, passes, synapses visited.
    visits = {
        "on_pre": ("trace", arrivals, int(counts[rows.N_EVENTS])),
        "on_post": ("update", posts, int(counts[rows.N_ON_POST])),
        "pre_spike": ("trace", 0, arrivals),
        "post_spike": ("trace", 0, posts),
        "post_signal": ("trace", 0, signals * n_post),
        "on_signal": ("update", int(counts[rows.N_SIGNAL_ROWS]), int(counts[rows.N_SIGNAL])),
        "on_end": ("update", n_rows * presentations, p.n_synapses * presentations),
    }
    for hook, (phase, passes, synapses) in visits.items():
        if not p.rule.overrides(hook):
            continue
        if _count_calls(ledger, name, phase, p.rule, hook, passes, synapses, p):
            ledger.updates += synapses
            if "w_write" in ledger.at_most:
                ledger.bound("updates")


def _count_calls(
    ledger: Ledger, name: str, phase: str, rule: Rule, hook: str, passes: int, synapses: int, p: BuiltProjection
) -> bool:
    """Passes of a hook along some synapses of a projection; whether it writes weights."""
    cost = tally(rule, hook)
    n_rows, n_post = 4 * (p.ptr.size - 1), 4 * len(p.projection.target)
    near, far = (n_post, n_rows) if hook in ("on_post", "post_spike", "post_signal") else (n_rows, n_post)
    syn_bytes = 4 * p.n_synapses
    for n, done in ((passes, cost.shared), (synapses, cost.each)):
        for op in ("add", "mul", "exp"):
            ledger.add(phase, name, op, n * done[op])
        ledger.add(phase, name, "state_rw", n * done["near"], near)
        ledger.add(phase, name, "state_rw", n * done["syn"], syn_bytes)
        ledger.add(phase, name, "acc_rw", n * done["far"], far)
        ledger.add(phase, name, "w_read", n * done["w_read"], syn_bytes)
        ledger.add(phase, name, "w_write", n * done["w_write"], syn_bytes)
    _bound(ledger, cost, passes + synapses)
    return bool(cost.each["w_write"])


def _bound(ledger: Ledger, cost: Tally, times: int) -> None:
    """Say for which operations of something that was done so many times branches leave only an upper bound."""
    if times:
        memory = {"syn": "state_rw", "near": "state_rw", "far": "acc_rw"}
        ledger.bound(*(memory.get(what, what) for what in cost.at_most))
