"""What learning costs: exact counts first, prices second.

A :class:`Ledger` holds integers, keyed by (phase, where, operation). A :class:`PriceBook` turns them into a
:class:`Bill`. An operation the book has no price for is listed with its count as unpriced, never as zero.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ParameterError
from .values import is_real

PHASES = ("forward", "trace", "error", "credit", "update", "control")

# Operation -> (arithmetic and memory words that one of it takes, what it is).
OPS: dict[str, tuple[dict[str, int], str]] = {
    "syn_ac": ({"add": 1}, "accumulate of a delivered spike at one synapse"),
    "mac": ({"add": 1, "mul": 1}, "multiply-accumulate"),
    "add": ({"add": 1}, "addition, subtraction or comparison"),
    "mul": ({"mul": 1}, "multiplication"),
    "exp": ({"exp": 1}, "exponential, logarithm or division"),
    "w_read": ({"word": 1}, "weight read"),
    "w_write": ({"word": 1}, "weight written"),
    "state_rw": ({"word": 1}, "word of neuron state, trace, eligibility or activation read or written"),
    "acc_rw": ({"word": 1}, "the same, of a neuron that a row of synapses leads to, at one synapse: a running sum"),
    "transport": ({"word": 1}, "word that the credit path fetches: a forward weight, a feedback weight or an error"),
    "queue": ({}, "event pushed to or popped from the queue"),
    "spike_emit": ({}, "spike sent out"),
}

ACCUMULATORS = {
    "memory": "in memory, one read and one write for each value added, on every side",
    "register": "in registers, on every side; their accesses at synapses (acc_rw) cost nothing",
}

Key = tuple[str, str, str, int]


@dataclass
class Ledger:
    """Counts of what was done, exact but for those that `at_most` names.

    Attributes
    ----------
    counts : dict
        (phase, where, operation, footprint) -> int; the footprint (bytes) is that of the array an access goes to, 0 for
        arithmetic.
    samples : int
        Presentations that were counted (0: a free run).
    updates : int
        Weight updates: how often a weight was written, whether or not it changed.
    transport : str
        What the credit path carries: "W^T", "B fixed", "none", ...
    held_bytes : int
        Bytes that exist during a presentation only because an update is pending.
    at_most : tuple of str
        Operations, and "updates", whose counts are upper bounds: a rule does them only under a condition on its state,
        and each call of its hook has been counted as the dearest, see :mod:`snn.tally`.
    """

    counts: dict[Key, int] = field(default_factory=dict)
    samples: int = 0
    updates: int = 0
    transport: str = "none"
    held_bytes: int = 0
    at_most: tuple[str, ...] = ()

    def add(self, phase: str, where: str, op: str, n: int, footprint: int = 0) -> None:
        """Count `n` operations."""
        if phase not in PHASES:
            raise ParameterError(f"Ledger.add: phase is {phase!r}; give one of {', '.join(PHASES)}.")
        if op not in OPS:
            raise ParameterError(f"Ledger.add: op is {op!r}; give one of {', '.join(OPS)}.")
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
            raise ParameterError(f"Ledger.add: n is {n!r}; counts are integers, 0 or more.")
        if n:
            key = (phase, where, op, int(footprint))
            self.counts[key] = self.counts.get(key, 0) + int(n)

    def bound(self, *names: str) -> None:
        """Say that the counts of these operations, or of "updates", are upper bounds."""
        self.at_most = tuple(sorted({*self.at_most, *names}))

    def total(self, op: str | None = None, phase: str | None = None) -> int:
        """Sum of the counts of one operation, one phase, or both."""
        return sum(n for (p, _, o, _), n in self.counts.items() if op in (None, o) and phase in (None, p))

    def __iter__(self) -> Iterator[tuple[Key, int]]:
        return iter(sorted(self.counts.items()))

    def __add__(self, other: Ledger) -> Ledger:
        both = Ledger(
            dict(self.counts),
            self.samples + other.samples,
            self.updates + other.updates,
            joined(self.transport, other.transport),
            max(self.held_bytes, other.held_bytes),
        )
        both.bound(*self.at_most, *other.at_most)
        for (phase, where, op, footprint), n in other.counts.items():
            both.add(phase, where, op, n, footprint)
        return both

    def price(self, book: PriceBook | str | Path = "horowitz45-fp32", accumulators: str = "memory") -> Bill:
        """The bill at one book's prices.

        Parameters
        ----------
        book : PriceBook, str or path
            See :meth:`PriceBook.load`.
        accumulators : {"memory", "register"}
            Where the state of the neurons that a row of synapses leads to is kept while the row is worked on: membrane
            potentials and traces of a spiking network, sums and deltas of an MLP. In registers, the accesses that
            ``acc_rw`` counts cost nothing; the bill says so and lists them.
        """
        return Bill(self, book if isinstance(book, PriceBook) else PriceBook.load(book), accumulators)

    def to_json(self) -> dict[str, Any]:
        """A JSON-able form; :meth:`from_json` reads it."""
        rows = [[*key, n] for key, n in sorted(self.counts.items())]
        return {
            "samples": self.samples,
            "updates": self.updates,
            "transport": self.transport,
            "held_bytes": self.held_bytes,
            "at_most": list(self.at_most),
            "counts": rows,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Ledger:
        """The ledger that :meth:`to_json` described."""
        counts = {(p, w, o, int(f)): int(n) for p, w, o, f, n in data["counts"]}
        bounds = tuple(data.get("at_most", ()))  # which older files do not have
        return cls(counts, data["samples"], data["updates"], data["transport"], data["held_bytes"], bounds)

    def __repr__(self) -> str:
        done, updates = sum(self.counts.values()), f"{self.updates} weight updates"
        return (
            f"Ledger({_at_most(len(self.at_most) > 0)}{done} operations in {self.samples} samples, "
            f"{_at_most('updates' in self.at_most)}{updates})"
        )

    def table(self) -> str:
        """The counts for people."""
        rows = [f"{'phase':9} {'where':24} {'operation':10} {'count':>14}  array"]
        for (phase, where, op, footprint), n in self:
            rows.append(f"{phase:9} {where:24} {op:10} {n:14d}  {_size(footprint)}")
        return "\n".join(rows + self.bounds())

    def bounds(self) -> list[str]:
        """A line for people that names the counts that are upper bounds, if there are any."""
        if not self.at_most:
            return []
        return [f"upper bounds, as hooks branch on state: {', '.join(self.at_most)}"]


def joined(mine: str, theirs: str) -> str:
    """Both tags of what a credit path carries, each once."""
    return " and ".join(dict.fromkeys(tag for tag in (mine, theirs) if tag != "none")) or "none"


def _at_most(is_bound: bool) -> str:
    return "at most " if is_bound else ""


def _size(n: int) -> str:
    return "" if n == 0 else f"{n / 1024:.1f} KiB"


@dataclass(frozen=True)
class Price:
    """Energy of one operation (pJ) with its band."""

    pj: float
    low: float
    high: float
    kind: str = ""
    note: str = ""


@dataclass(frozen=True)
class PriceBook:
    """Prices of one technology, from a data file; memory is priced by the size of the array it belongs to.

    The TOML file has a `name`, a `node` and a `source`, and for each price its `pj`, `low` and `high`: in a table
    ``[op.NAME]`` that of an operation that the ledger counts (:data:`OPS`), in ``[[memory]]`` that of a word of an
    array of at most so many `bytes`. An operation that has no price of its own is priced by what it takes: additions,
    multiplications, exponentials and words.
    """

    name: str
    node: str
    source: str
    ops: dict[str, Price]
    memory: tuple[tuple[float, Price], ...]

    @classmethod
    def load(cls, name: str | Path) -> PriceBook:
        """A book that ships with the package, or a TOML file of your own by its path.

        Raises
        ------
        ParameterError
            If there is no such book, or its file is none.
        """
        if not isinstance(name, (str, Path)):
            raise ParameterError(f"PriceBook: {name!r} is no name and no path of a book; give one, such as 'unit'.")
        folder = Path(__file__).parent / "prices"
        path = Path(name) if Path(name).suffix == ".toml" else folder / f"{name}.toml"
        if not path.exists():
            known = ", ".join(sorted(p.stem for p in folder.glob("*.toml")))
            raise ParameterError(
                f"PriceBook: there is no {str(name)!r}; give a path to a .toml file or one of: {known}."
            )
        try:
            data = tomllib.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ParameterError(f"PriceBook: {path} cannot be read as TOML: {error}.") from error
        for key in ("name", "node", "source"):
            if not isinstance(data.get(key), str):
                raise ParameterError(f'PriceBook: {path} has no {key}; write {key} = "..." above its tables.')
        ops, memory = data.get("op", {}), data.get("memory", [])
        if not isinstance(ops, dict) or not isinstance(memory, list):
            raise ParameterError(f"PriceBook: {path} has no tables of prices; write [op.add] and [[memory]].")
        unknown = next((op for op in ops if op not in OPS), None)
        if unknown is not None:
            raise ParameterError(f"PriceBook: {path} prices {unknown!r}, which is not counted; {', '.join(OPS)} are.")
        return cls(
            data["name"],
            data["node"],
            data["source"],
            {op: _price(f"PriceBook: op.{op} of {path}", entry) for op, entry in ops.items()},
            tuple(sorted((_class(f"PriceBook: a memory of {path}", m) for m in memory), key=lambda m: m[0])),
        )

    def unit_price(self, part: str, footprint: int) -> tuple[str, Price] | None:
        """Name and price of an operation, or of a part of one (add, mul, exp, word); None where the book has none."""
        if part != "word":
            return (part, self.ops[part]) if part in self.ops else None
        for limit, price in self.memory:
            # Without the size of its array an access cannot be placed, so it has no price.
            if 0 < footprint <= limit:
                return f"word<={limit:g}", price
        return None


def _positive(where: str, entry: Any, key: str) -> float:
    """A number above 0 of a table of a price book."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if value is None:
        raise ParameterError(f"{where} has no {key}; write {key} = and a number.")
    if not (is_real(value) and value > 0):
        raise ParameterError(f"{where}: {key} is {value!r}; give a number above 0, or leave out what has no price.")
    return float(value)


def _price(where: str, entry: Any) -> Price:
    """The price that a table of a price book says."""
    pj, low, high = (_positive(where, entry, key) for key in ("pj", "low", "high"))
    if not low <= pj <= high < math.inf:
        raise ParameterError(f"{where}: pj is {pj:g}, in a band from {low:g} to {high:g}; give low <= pj <= high.")
    return Price(pj, low, high, str(entry.get("kind", "")), str(entry.get("note", "")))


def _class(where: str, entry: Any) -> tuple[float, Price]:
    """Size (bytes) of the largest array of a class of memory, and the price of a word of it."""
    return _positive(where, entry, "bytes"), _price(where, entry)


class Bill:
    """A priced ledger.

    Attributes
    ----------
    rows : list of (phase, where, op, count, pJ, low, high)
    unpriced : list of (phase, where, op, count)
    in_registers : list of (phase, where, op, count)
        Accesses that cost nothing as `accumulators` is "register".
    """

    def __init__(self, ledger: Ledger, book: PriceBook, accumulators: str = "memory") -> None:
        if accumulators not in ACCUMULATORS:
            raise ParameterError(f"price: accumulators is {accumulators!r}; give 'memory' or 'register'.")
        self.ledger, self.book, self.accumulators = ledger, book, accumulators
        self.in_registers: list[tuple[str, str, str, int]] = []
        self.rows: list[tuple[str, str, str, int, float, float, float]] = []
        self.unpriced: list[tuple[str, str, str, int]] = []
        self._parts: dict[str, tuple[Price, int]] = {}
        for (phase, where, op, footprint), n in ledger:
            if op == "acc_rw" and accumulators == "register":
                self.in_registers.append((phase, where, op, n))
                continue
            takes = {op: 1} if op in book.ops else OPS[op][0]
            parts = [(book.unit_price(part, footprint), k) for part, k in takes.items()]
            if not parts or any(p is None for p, _ in parts):
                self.unpriced.append((phase, where, op, n))
                continue
            pj = low = high = 0.0
            for found, k in parts:
                assert found is not None
                name, price = found
                pj, low, high = pj + n * k * price.pj, low + n * k * price.low, high + n * k * price.high
                self._parts[name] = (price, self._parts.get(name, (price, 0))[1] + n * k)
            self.rows.append((phase, where, op, n, pj, low, high))

    def pj(self, phase: str | None = None) -> float:
        """Total energy (pJ), of one phase if given."""
        return sum(row[4] for row in self.rows if phase in (None, row[0]))

    def nj_per_sample(self, phase: str | None = None) -> float:
        """nJ per presentation."""
        return self.pj(phase) / 1000.0 / max(1, self.ledger.samples)

    @property
    def pj_per_update(self) -> float:
        """pJ of everything but the forward pass, per weight update; nan where nothing was updated.

        No bound where the ledger's `at_most` names "updates": both are upper bounds then.
        """
        if not self.ledger.updates:
            return math.nan
        return (self.pj() - self.pj("forward")) / self.ledger.updates

    def odds_below(self, other: Bill, draws: int = 1000, seed: int = 0) -> float:
        """Share of draws of the prices from their bands (log-uniform, the same for both) in which this bill is lower.

        Both bills are taken per sample.

        Raises
        ------
        ParameterError
            If the bills are of different books.
        """
        if self.book != other.book:
            raise ParameterError(
                f"odds_below: one bill has prices of {self.book.name!r}, the other of {other.book.name!r}; price both "
                "ledgers by one book."
            )
        rng = np.random.Generator(np.random.Philox(seed))
        names = sorted(self._parts.keys() | other._parts.keys())
        lower = np.zeros(draws)
        for name in names:
            price = (self._parts.get(name) or other._parts[name])[0]
            drawn = np.exp(rng.uniform(math.log(price.low), math.log(price.high), draws))
            mine = self._parts.get(name, (price, 0))[1] / max(1, self.ledger.samples)
            theirs = other._parts.get(name, (price, 0))[1] / max(1, other.ledger.samples)
            lower += drawn * (mine - theirs)
        return float(np.mean(lower < 0))

    def table(self) -> str:
        """The bill for people, with the assumptions it rests on."""
        sizes = sorted({footprint for (_, _, _, footprint), _ in self.ledger if footprint})
        placed = []
        for n in sizes:
            found = self.book.unit_price("word", n)
            placed.append(f"{_size(n)} -> {found[1].note.split(',')[0] if found else 'unpriced'}")
        lines = [
            f"prices: {self.book.name} ({self.book.node}); {self.book.source}",
            f"arrays placed by size: {'; '.join(placed) or 'none'}",
            f"accumulators: {ACCUMULATORS[self.accumulators]}",
            f"weight transport: {self.ledger.transport}; held for a pending update: {self.ledger.held_bytes} bytes",
            f"{'phase':9} {'where':24} {'operation':10} {'count':>14} {'nJ':>12} {'low':>12} {'high':>12}",
        ]
        for phase, where, op, n, pj, low, high in self.rows:
            lines.append(f"{phase:9} {where:24} {op:10} {n:14d} {pj / 1e3:12.3f} {low / 1e3:12.3f} {high / 1e3:12.3f}")
        for rows, words in ((self.unpriced, "unpriced"), (self.in_registers, "register")):
            for phase, where, op, n in rows:
                lines.append(f"{phase:9} {where:24} {op:10} {n:14d} {words:>12}")
        return "\n".join(lines + self.ledger.bounds())
