"""Shared pieces of the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder with real data sets: SNN_DATA, or ../shared/data; tests that need it skip where it is absent."""
    for candidate in (os.environ.get("SNN_DATA"), Path(__file__).parents[2] / "shared" / "data"):
        if candidate and Path(candidate).is_dir():
            return Path(candidate)
    pytest.skip("no data folder: set SNN_DATA to one with MNIST and the SONATA examples")
