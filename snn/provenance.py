"""Where a result comes from: versions, seed, command, and the source of every rule that ran."""

from __future__ import annotations

import functools
import inspect
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from .network import Network
from .plugin import Plugin


@functools.cache
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


@functools.cache
def _git() -> str | None:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            timeout=5,
            capture_output=True,
            text=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def provenance(network: Network) -> dict[str, Any]:
    """Versions, machine, seed and command line of this process."""
    return {
        "versions": {p: _version(p) for p in ("localspike", "numpy", "numba", "h5py")},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "git": _git(),
        "seed": network.seed,
        "command": sys.argv,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def rule_sources(network: Network) -> list[dict[str, str]]:
    """Name, digest and source text of every rule and pathway of a network, each once."""
    from .engine.types import known

    classes: set[type[Plugin]] = {type(p.rule) for p in network.projections.values() if p.rule is not None}
    classes |= {type(link.pathway) for link in network.credits}
    classes |= {type(i.current) for i in network.currents}
    found = []
    for cls in sorted(classes, key=lambda c: c.__qualname__):
        try:
            source = inspect.getsource(cls)
        except (OSError, TypeError):
            source = ""
        name, code = known(cls)
        found.append({"qualname": name, "digest": code, "source": source})
    return found
