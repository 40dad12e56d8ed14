"""localspike: spiking networks at exact spike times, learning rules as plugins, and a bill for every update."""

from __future__ import annotations

from typing import Any

from . import units
from .connect import (
    all_to_all,
    distance_dependent,
    fixed_in_degree,
    fixed_out_degree,
    fixed_probability,
    fixed_total_number,
    from_arrays,
    from_sparse,
    one_to_one,
    small_world,
)
from .distance import boxcar, exponential, gaussian
from .errors import (
    ExportError,
    Interrupted,
    NetworkError,
    ParameterError,
    PluginError,
    RecordingError,
    SimulationError,
    SnnError,
)
from .network import Network, Population, Projection
from .plugin import Credit, Current, Model, Modes, Rule, Source, param, state
from .random import lognormal, normal, uniform
from .record import Result, Spikes, State, Weights
from .units import (
    A,
    F,
    Gohm,
    Hz,
    J,
    Mohm,
    S,
    V,
    fJ,
    kHz,
    kohm,
    mJ,
    mS,
    ms,
    mV,
    nA,
    nF,
    nJ,
    nS,
    ns,
    ohm,
    pA,
    pF,
    pJ,
    s,
    uA,
    uF,
    uJ,
    uS,
    us,
    uV,
)

__version__ = "0.1.0"

# Loaded on first use: these need Numba or HDF5, which would double the time of `import snn`.
_LATER = {
    "Simulator": ("simulator", "Simulator"),
    "Presentations": ("presentations", "Presentations"),
    "Ledger": ("ledger", "Ledger"),
    "PriceBook": ("ledger", "PriceBook"),
    "load": ("io", "load"),
    "load_spikes": ("io", "load_spikes"),
    "clear_cache": ("cache", "clear_cache"),
}


_MODULES = ("events", "io", "plot", "statistics", "testing", "validation")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        from importlib import import_module

        return import_module(f".{name}", __name__)
    if name in _LATER:
        from importlib import import_module

        from .collector import uncollected

        module, attribute = _LATER[name]
        with uncollected():
            return getattr(import_module(f".{module}", __name__), attribute)
    raise AttributeError(f"module 'snn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LATER, *_MODULES])


__all__ = [
    "A",
    "Credit",
    "Current",
    "ExportError",
    "F",
    "Gohm",
    "Hz",
    "Interrupted",
    "J",
    "Ledger",
    "Model",
    "Modes",
    "Mohm",
    "Network",
    "NetworkError",
    "ParameterError",
    "PluginError",
    "Population",
    "Presentations",
    "PriceBook",
    "Projection",
    "RecordingError",
    "Result",
    "Rule",
    "S",
    "SimulationError",
    "Simulator",
    "SnnError",
    "Source",
    "Spikes",
    "State",
    "V",
    "Weights",
    "all_to_all",
    "boxcar",
    "clear_cache",
    "distance_dependent",
    "exponential",
    "fJ",
    "fixed_in_degree",
    "fixed_out_degree",
    "fixed_probability",
    "fixed_total_number",
    "from_arrays",
    "from_sparse",
    "gaussian",
    "kHz",
    "kohm",
    "load",
    "load_spikes",
    "lognormal",
    "mJ",
    "mS",
    "mV",
    "ms",
    "nA",
    "nF",
    "nJ",
    "nS",
    "normal",
    "ns",
    "ohm",
    "one_to_one",
    "pA",
    "pF",
    "pJ",
    "param",
    "s",
    "small_world",
    "state",
    "uA",
    "uF",
    "uJ",
    "uS",
    "uV",
    "uniform",
    "units",
    "us",
]
