"""Figures of ``validate.py``: what is ours, and over it what it is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from snn.record import SpikeData
from snn.statistics import cv_isi, rates

matplotlib.use("agg")
import matplotlib.pyplot as plt

OURS, THEIRS = {"color": "#0072B2"}, {"color": "#D55E00"}


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=120)
    plt.close(figure)


def convergence_figure(path: Path, case: str, dts: Any, errors: Any) -> None:
    """Median difference of spike times against the time step, with the line of first order."""
    figure, ax = plt.subplots(figsize=(4.5, 3.5), layout="constrained")
    ax.loglog(np.array(dts) * 1e3, np.array(errors) * 1e3, "o", label="median difference", **OURS)
    ax.loglog(np.array(dts) * 1e3, errors[0] * np.array(dts) / dts[0] * 1e3, "--", label="proportional to dt", **THEIRS)
    ax.set(title=case, xlabel="dt (ms)", ylabel="difference of spike times (ms)")
    ax.legend()
    _save(figure, path)


def curves_figure(path: Path, case: str, x: Any, curves: dict[str, Any], xlabel: str, ylabel: str) -> None:
    """Ours as a wide line, what it is compared with as a thin dashed one over it."""
    figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for (label, y), style in zip(
        curves.items(), ({"lw": 4, "alpha": 0.5, **OURS}, {"lw": 1, "ls": "--", **THEIRS}, {"lw": 1, "color": "k"}),
        strict=False,
    ):  # fmt: skip
        ax.plot(x, y, label=label, **style)
    ax.set(title=case, xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    _save(figure, path)


def scatter_figure(path: Path, case: str, ours: Any, theirs: Any, what: str) -> None:
    """Ours against theirs, with the diagonal."""
    figure, ax = plt.subplots(figsize=(4, 4), layout="constrained")
    ends = [min(np.min(ours), np.min(theirs)), max(np.max(ours), np.max(theirs))]
    ax.plot(ends, ends, lw=1, color="k")
    ax.plot(theirs, ours, ".", **OURS)
    ax.set(title=case, xlabel=f"{what} in Brian2", ylabel=f"{what} here")
    _save(figure, path)


def network_figure(
    path: Path, case: str, trains: list[SpikeData], span: tuple[float, float], rows: list[dict[str, Any]]
) -> None:
    """Distributions over neurons for the first seed, and what is compared for every seed."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.5), layout="constrained")
    values = [rates(s, *span) for s in trains], [cv_isi(s, *span, least=4) for s in trains]
    for ax, both, name in zip(axes, values, ("rate (Hz)", "CV of intervals"), strict=False):
        bins = np.histogram_bin_edges(np.concatenate([v[np.isfinite(v)] for v in both]), 40)
        ax.hist(both[0], bins, histtype="stepfilled", alpha=0.5, label="here", **OURS)
        ax.hist(both[1], bins, histtype="step", label="Brian2", **THEIRS)
        ax.set(xlabel=name, ylabel="neurons")
    axes[0].legend()
    compared = [r for r in rows if "brian2" in r]
    for k, r in enumerate(compared):
        middle, spread = np.mean(r["brian2"]), np.std(r["brian2"], ddof=1)
        for shift, side, style in ((-0.12, "here", OURS), (0.12, "brian2", THEIRS)):
            z = (np.array(r[side]) - middle) / spread
            axes[2].plot(np.full(z.size, k + shift), z, "o", ms=4, alpha=0.6, **style)
    names = [r["metric"].partition(":")[0].partition(" (")[0] for r in compared]
    axes[2].set_xticks(range(len(compared)), names, rotation=20, ha="right")
    axes[2].set(ylabel="seeds, in s.d. of Brian2's")
    figure.suptitle(case)
    _save(figure, path)
