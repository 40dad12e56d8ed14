"""The machine code that is kept on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def _folders() -> Iterator[Path]:
    """Where Numba keeps machine code of sources of this library, and of nothing else."""
    from numba import config
    from numba.core.caching import _CacheLocator
    from numba.misc.appdirs import AppDirs

    shared = [Path(AppDirs(appname="numba", appauthor=False).user_cache_dir)]
    if config.CACHE_DIR:
        shared.append(Path(config.CACHE_DIR))
    for source in {path.parent for package in ("snn", "rules", "models") for path in (_ROOT / package).rglob("*.py")}:
        yield source / "__pycache__"
        own = _CacheLocator.get_suitable_cache_subpath(str(source / "__init__.py"))
        yield from (folder / own for folder in shared)


def clear_cache() -> int:
    """Delete every compiled kernel of this library from disk, wherever Numba keeps it; returns how many files went."""
    files = [file for folder in _folders() for file in folder.glob("*.nb[ci]")]
    for file in files:
        file.unlink(missing_ok=True)
    return len(files)
