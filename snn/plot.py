"""Figures of results: rasters, traces, weights over time and weights as images.

Each function draws into the axes that it is given, or into a figure of its own, and returns what it drew into. Nothing
is shown or saved here: call `axes.figure.savefig(path)`, or `matplotlib.pyplot.show()`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ParameterError, RecordingError
from .plugin import is_whole
from .record import WeightChanges

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .record import Result, StateData

# Wong (2011) Nat. Methods 8, 441: told apart also by colour-blind readers.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_SHOWN_UNITS = {"V": ("mV", 1e3), "A": ("pA", 1e12), "S": ("nS", 1e9), "F": ("pF", 1e12), "s": ("ms", 1e3)}
_MOST_LINES = 20  # more lines than this are shown as their distribution
_MOST_VECTORS = 20_000  # marks; more are drawn as pixels, as a vector file would be huge
_DIMENSIONLESS = 0.2  # potentials that reach it are counted in thresholds, and none of a cell in volts does
_HELD = -1e29  # V; below are the placeholders of refractory cells


def raster(result: Result, population: Any = None, ax: Axes | None = None) -> Axes:
    """Spike times of neurons, one row each, the first neuron at the bottom.

    Parameters
    ----------
    result : Result
    population : Population, str or list of them, optional
        Default: all whose spikes were recorded, in order of declaration from bottom to top.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    if population is None:
        names = list(result.spikes)
    else:
        names = [_name(p) for p in (population if isinstance(population, (list, tuple)) else [population])]
    for name in names or [""]:
        _find(result.spikes, name, f"spikes of population {name!r}", "Spikes")
    data = [result.spikes[name] for name in names]
    bottoms = np.cumsum([0] + [s.size for s in data])
    ax = _axes(ax, height=min(6.0, 1.6 + 0.02 * bottoms[-1]))
    unit, scale = _time_unit(result.t_start + result.duration)
    # The mark is as high as a row, but stays visible in a crowd and small in a nearly empty figure.
    points = ax.get_window_extent().height * 72 / ax.figure.dpi
    height = float(np.clip(0.8 * points / max(1, bottoms[-1]), 1.0, 8.0))
    for k, s in enumerate(data):
        ax.plot(
            s.times * scale,
            s.ids + bottoms[k],
            "|" if height > 1.5 else ".",
            color=_COLOURS[k % len(_COLOURS)],
            markersize=height,
            markeredgewidth=0.8 if height > 1.5 else 0.0,
            rasterized=len(s) > _MOST_VECTORS,
        )
    ax.set(
        xlim=(result.t_start * scale, (result.t_start + result.duration) * scale) if result.duration > 0 else None,
        ylim=(-0.5, bottoms[-1] - 0.5),
        xlabel=f"time ({unit})",
    )
    if len(data) == 1:
        ax.set_ylabel(f"neuron of {names[0]}")
        ax.locator_params(axis="y", integer=True)
    else:
        ax.set_yticks((bottoms[:-1] + bottoms[1:] - 1) / 2, names)
        ax.tick_params(axis="y", length=0)
        for bottom in bottoms[1:-1]:
            ax.axhline(bottom - 0.5, color="0.8", linewidth=0.6, zorder=0)
        for label, k in zip(ax.get_yticklabels(), range(len(data)), strict=True):
            label.set_color(_COLOURS[k % len(_COLOURS)])
    return ax


def trace(result: Result, population: Any, variable: str, ids: Any = None, ax: Axes | None = None) -> Axes:
    """A state variable over time, one line for each neuron.

    Parameters
    ----------
    result : Result
    population : Population or str
    variable : str
    ids : int or (n,) int, optional
        Which of the recorded neurons. Default: the first 20.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    name = _name(population)
    found = _find(result.states, (name, variable), f"{variable!r} of population {name!r}", "State")
    columns = _columns(found, ids)
    shown = np.where(found.values[:, columns] < _HELD, np.nan, found.values[:, columns])
    unit, scale = _SHOWN_UNITS.get(found.unit, (found.unit, 1.0))
    if found.unit == "V" and (np.abs(shown) >= _DIMENSIONLESS).any():
        unit, scale = "1", 1.0
    ax = _axes(ax)
    time_unit, time_scale = _time_unit(found.times[-1] if found.times.size else 0.0)
    for k, column in enumerate(columns):
        label, colour = f"{name} {found.ids[column]}", _COLOURS[k % len(_COLOURS)]
        ax.plot(found.times * time_scale, shown[:, k] * scale, color=colour, linewidth=0.9, label=label)
    ax.margins(x=0)
    ax.set(xlabel=f"time ({time_unit})", ylabel=variable if unit == "1" else f"{variable} ({unit})")
    if 1 < len(columns) <= len(_COLOURS):
        _legend(ax)
    elif len(columns) == 1:
        ax.set_title(f"{name} {found.ids[columns[0]]}", fontsize="medium", loc="left")
    return ax


def weights(result: Result, projection: Any, synapses: Any = None, ax: Axes | None = None) -> Axes:
    """Weights over time: a line for each synapse, or where they are many, their median and central 50 % and 90 %.

    Parameters
    ----------
    result : Result
    projection : Projection or str
    synapses : int or (n,) int, optional
        Columns of the samples, or synapses of the changes. Default: all.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    name = _name(projection)
    found = _find(result.weights, name, f"weights of projection {name!r}", "Weights")
    ax = _axes(ax)
    stop = result.t_start + result.duration
    unit, scale = _time_unit(max(stop, found.times[-1] if found.times.size else 0.0))
    if isinstance(found, WeightChanges):
        known = np.unique(found.synapses)
        chosen = known[:_MOST_LINES] if synapses is None else np.atleast_1d(synapses)
        for k, synapse in enumerate(chosen):
            if synapse not in known:
                raise RecordingError(f"Synapse {synapse} of projection {name!r} has not changed. Plot one that has.")
            mine = found.synapses == synapse
            times, values = found.times[mine], found.values[mine]
            if stop > times[-1]:
                times, values = np.append(times, stop), np.append(values, values[-1])
            ax.step(times * scale, values, where="post", color=_COLOURS[k % len(_COLOURS)], linewidth=0.9)
    else:
        values = found.values
        if synapses is not None:
            chosen = np.atleast_1d(synapses)
            if chosen.min() < 0 or chosen.max() >= values.shape[1]:
                raise RecordingError(
                    f"synapses {chosen.tolist()} of projection {name!r}: {values.shape[1]} were recorded, "
                    f"give numbers from 0 to {values.shape[1] - 1}."
                )
            values = values[:, chosen]
        if values.shape[1] <= _MOST_LINES:
            for k, column in enumerate(values.T):
                ax.plot(found.times * scale, column, color=_COLOURS[k % len(_COLOURS)], linewidth=0.9)
        else:
            low, quarter, median, three_quarters, high = np.percentile(values, (5, 25, 50, 75, 95), axis=1)
            colour = _COLOURS[0]
            ax.fill_between(found.times * scale, low, high, color=colour, alpha=0.2, linewidth=0, label="90 %")
            ax.fill_between(
                found.times * scale, quarter, three_quarters, color=colour, alpha=0.35, linewidth=0, label="50 %"
            )
            ax.plot(found.times * scale, median, color=colour, linewidth=1.2, label="median")
            _legend(ax)
    ax.margins(x=0)
    ax.set(xlabel=f"time ({unit})", ylabel="weight")
    ax.set_title(name, fontsize="medium", loc="left")
    return ax


def weights_as_images(
    W: Any,
    shape: tuple[int, int],
    columns: int | None = None,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The incoming weights of each neuron as an image, all on one colour scale.

    Parameters
    ----------
    W : (n_pre, n_post) float
    shape : (rows, columns)
        Of the images; their product is n_pre.
    columns : int, optional
        Images side by side. Default: about square.
    limits : (low, high), optional
        Of the colours. Default: the range of W, about 0 where W has both signs.
    ax : Axes, optional

    Returns
    -------
    Figure
    """
    W = np.asarray(W, dtype=float)
    if W.ndim != 2 or W.shape[0] != shape[0] * shape[1] or W.shape[1] == 0:
        raise ParameterError(
            f"weights_as_images: W has shape {W.shape}; for images of {shape[0]} x {shape[1]} give "
            f"({shape[0] * shape[1]}, number of images)."
        )
    if columns is not None and not is_whole(columns, 1):
        raise ParameterError(f"weights_as_images: columns is {columns!r}; give a whole number, 1 or more.")
    if limits is None and np.isnan(W).all():
        raise ParameterError("weights_as_images: W holds nan only; give numbers, or the limits of the colours.")
    n = W.shape[1]
    columns = int(np.ceil(np.sqrt(n))) if columns is None else min(columns, n)
    rows = -(-n // columns)
    tiles = np.full((rows * (shape[0] + 1) - 1, columns * (shape[1] + 1) - 1), np.nan)
    for k, image in enumerate(W.T.reshape(n, *shape)):
        top, left = k // columns * (shape[0] + 1), k % columns * (shape[1] + 1)
        tiles[top : top + shape[0], left : left + shape[1]] = image
    low, high = (float(np.nanmin(W)), float(np.nanmax(W))) if limits is None else limits
    has_both_signs = low < 0 < high
    if limits is None and has_both_signs:
        low, high = -max(-low, high), max(-low, high)
    width = 5.0
    ax = _axes(ax, width=width, height=min(8.0, 0.85 * width * tiles.shape[0] / tiles.shape[1]))
    image = ax.imshow(
        tiles, cmap="RdBu_r" if has_both_signs else "viridis", vmin=low, vmax=high, interpolation="nearest"
    )
    ax.set_axis_off()
    figure = ax.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(image, ax=ax, shrink=0.8, aspect=25, pad=0.02)
    bar.set_label("weight")
    bar.outline.set_linewidth(0.6)
    return figure


class Plots:
    """The figures of one result: `result.plot.raster()`."""

    def __init__(self, result: Result) -> None:
        self._result = result

    def raster(self, population: Any = None, ax: Axes | None = None) -> Axes:
        """See :func:`snn.plot.raster`."""
        return raster(self._result, population, ax)

    def trace(self, population: Any, variable: str = "v", ids: Any = None, ax: Axes | None = None) -> Axes:
        """See :func:`snn.plot.trace`."""
        return trace(self._result, population, variable, ids, ax)

    def weights(self, projection: Any, synapses: Any = None, ax: Axes | None = None) -> Axes:
        """See :func:`snn.plot.weights`."""
        return weights(self._result, projection, synapses, ax)


def _axes(ax: Axes | None, width: float = 6.0, height: float = 3.0) -> Axes:
    if ax is None:
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise RecordingError("Figures need matplotlib, which is not installed. Install matplotlib.") from error
        _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _legend(ax: Axes) -> None:
    ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0)


def _time_unit(longest: float) -> tuple[str, float]:
    """Unit of the time axis and its number in a second."""
    return ("ms", 1e3) if longest <= 2.0 else ("s", 1.0)


def _name(thing: Any) -> str:
    return thing if isinstance(thing, str) else thing.name


def _find(kept: Any, key: Any, what: str, request: str) -> Any:
    if key not in kept:
        known = f"Recorded: {', '.join(map(str, kept))}." if kept else f"Give record=[{request}(...)] to the simulator."
        raise RecordingError(f"The result holds no {what}. {known}")
    return kept[key]


def _columns(data: StateData, ids: Any) -> list[int]:
    if ids is None:
        return list(range(min(_MOST_LINES, data.ids.size)))
    known = {neuron: column for column, neuron in enumerate(data.ids.tolist())}
    chosen = np.atleast_1d(ids).tolist()
    for neuron in chosen:
        if neuron not in known:
            raise RecordingError(
                f"{data.variable!r} of neuron {neuron} of population {data.population!r} was not recorded. "
                f"Recorded: {', '.join(map(str, data.ids[:10]))}{', ...' if data.ids.size > 10 else ''}."
            )
    return [known[neuron] for neuron in chosen]
