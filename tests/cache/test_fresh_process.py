"""Machine code on disk: found by the next process, never stale. Each run is a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
from models import LIF, SpikeTimes
from snn import Network, Rule, Simulator, all_to_all, ms
from snn.engine import rows
from helper import step

class Mine(Rule):
    def on_pre(self, syn, pre, post, t):
        syn.w += step(syn.w)

net = Network(1)
a = net.population("a", SpikeTimes([0], [1 * ms]), 1)
b = net.population("b", LIF(), 1)
net.connect(a, b, all_to_all(), weight=0.5, rule=Mine(), name="p")
sim = Simulator(net)
sim.run(5 * ms)
stats = rows.group.stats
print(float(sim.weights("p")[0]), sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def run(folder: Path, helper: str) -> tuple[float, int, int]:
    (folder / "helper.py").write_text(helper)
    (folder / "script.py").write_text(SCRIPT)
    root = Path(__file__).parents[2]
    env = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": str(root),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    w, hits, misses = done.stdout.split()
    return float(w), int(hits), int(misses)


def test_rule_of_the_main_script_is_cached_and_recompiled_when_its_helper_changes(tmp_path):
    first = run(tmp_path, "def step(w):\n    return 0.25 * w\n")
    again = run(tmp_path, "def step(w):\n    # only a comment\n    return 0.25 * w\n")
    edited = run(tmp_path, "def step(w):\n    return 1.0 * w\n")
    assert first == (0.625, 0, 1)
    assert again == (0.625, 1, 0)
    assert edited == (1.0, 0, 1)
