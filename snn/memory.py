"""How much memory there is, and whether a network fits into it."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import NetworkError, ParameterError
from .network import Network, readable_bytes
from .values import is_real


def available_memory() -> int | None:
    """Bytes that this process can still take: of the machine, or of the control group that it runs in.

    None where the system does not say.
    """
    found = [n for n in (_meminfo(), _group("memory.max", "memory.current")) if n is not None]
    old = _group("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")
    found += [] if old is None else [old]
    if not found:
        try:
            found = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
        except (AttributeError, OSError, ValueError):
            return None
    return max(0, min(found))


def _meminfo() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def _group(limit: str, used: str) -> int | None:
    """What is left of a control group's limit; None where there is none."""
    try:
        most, now = (Path("/sys/fs/cgroup", name).read_text().strip() for name in (limit, used))
        return int(most) - int(now)
    except (OSError, ValueError):  # no such file, or the limit "max"
        return None


def check_memory(network: Network, limit: float | None = None, *, on_grid: bool = False) -> None:
    """Refuse a network whose state alone takes more memory than there is; nothing has been allocated yet.

    Parameters
    ----------
    limit : float, bytes, optional
        None: what is available now; inf: no limit.

    Raises
    ------
    NetworkError
        With the estimate, and the largest part of it.
    ParameterError
        For a limit that is no number of bytes.
    """
    if limit is not None and not (is_real(limit) and limit > 0):
        raise ParameterError(f"Simulator.max_memory is {limit!r}; give a number of bytes above 0, or inf.")
    most = available_memory() if limit is None else float(limit)
    parts = network.memory(on_grid=on_grid)
    total = parts.pop("total")
    if most is None or total <= most:
        return
    name = max(parts, key=lambda part: parts[part])
    kind, _, label = name.partition("/")
    there = "this machine has" if limit is None else "Simulator.max_memory is"
    raise NetworkError(
        f"The network needs at least {readable_bytes(total)} of memory, {readable_bytes(parts[name])} of it for "
        f"{kind} {label!r}, and {there} {readable_bytes(most)}. Make it smaller, keep weights in dtype='float32', or "
        "give Simulator(..., max_memory=inf) to try it all the same."
    )


__all__ = ["available_memory", "check_memory"]
