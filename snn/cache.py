"""The machine code that is kept on disk."""

from __future__ import annotations

from pathlib import Path


def clear_cache() -> int:
    """Delete every compiled kernel of this package from disk; returns how many files went."""
    import numba

    folders = [Path(__file__).parent]
    if numba.config.CACHE_DIR:
        folders.append(Path(numba.config.CACHE_DIR))
    files = [f for folder in folders if folder.exists() for f in folder.rglob("*.nb[ci]")]
    for f in files:
        f.unlink(missing_ok=True)
    return len(files)
