"""Where data files are, and how they get there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from snn.errors import ExportError

ROOT = Path(__file__).parents[2]


def cache_folder() -> Path:
    """Where downloads go: ``$XDG_CACHE_HOME/localspike``, by default ``~/.cache/localspike``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "localspike"


def folders(data: Any = None) -> list[Path]:
    """Where data files are looked for: `data` if given; else SNN_DATA, ``../shared/data`` and the cache."""
    if data is not None:
        return [Path(data)]
    named = os.environ.get("SNN_DATA")
    return [*([Path(named)] if named else []), ROOT.parent / "shared" / "data", cache_folder()]


def find(task: str, names: list[str], data: Any = None, hint: str = "") -> list[Path]:
    """Paths of the files `names`, all in one folder, or in its subfolder `task`.

    Raises
    ------
    ExportError
        With the places that were looked at and what to do, where no folder has all of them.
    """
    places = [place for folder in folders(data) for place in (folder / task, folder)]
    for place in places:
        if all((place / name).is_file() for name in names):
            return [place / name for name in names]
    raise ExportError(
        f"Task {task!r} needs {', '.join(names)}, but none of these folders has them all: "
        f"{', '.join(map(str, places))}. Give their folder (data=, --data) or set SNN_DATA{hint}."
    )


def download(task: str, sources: dict[str, tuple[str, str]]) -> list[Path]:
    """Fetch files into the cache, once; `sources` is name -> (address, sha256)."""
    try:
        import pooch
    except ImportError as error:
        raise ExportError(
            f"Downloading task {task!r} needs pooch: pip install 'localspike[data]', or get the files by hand and give "
            "their folder."
        ) from error
    folder = cache_folder() / task
    try:
        return [
            Path(pooch.retrieve(url, known_hash=f"sha256:{digest}", fname=name, path=folder))
            for name, (url, digest) in sources.items()
        ]
    except (OSError, ValueError) as error:
        raise ExportError(f"Downloading task {task!r} into {folder} failed: {error}") from error
