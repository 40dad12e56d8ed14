"""Machine code on disk: found by the next process, never stale. Each run is a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SCRIPT = """
from models import LIF, SpikeTimes
from snn import Network, Rule, Simulator, all_to_all, ms
from snn.engine.group import row_group
from helper import step

class Mine(Rule):
    def on_pre(self, syn, pre, post, t):
        print("arrived at", t)
        syn.w += step(syn.w)

net = Network(1)
a = net.population("a", SpikeTimes([0], [1 * ms]), 1)
b = net.population("b", LIF(), 1)
net.connect(a, b, all_to_all(), weight=0.5, rule=Mine(), name="p")
sim = Simulator(net)
sim.run(5 * ms)
stats = row_group.stats
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
    # What methods print has to be seen by those who compile them and by those who load them.
    *printed, result = done.stdout.splitlines()
    assert printed[-1] == "arrived at 0.001"
    w, hits, misses = result.split()
    return float(w), int(hits), int(misses)


def test_rule_of_the_main_script_is_cached_and_recompiled_when_its_helper_changes(tmp_path):
    first = run(tmp_path, "def step(w):\n    return 0.25 * w\n")
    again = run(tmp_path, "def step(w):\n    # only a comment\n    return 0.25 * w\n")
    edited = run(tmp_path, "def step(w):\n    return 1.0 * w\n")
    assert first == (0.625, 0, 1)
    assert again == (0.625, 1, 0)
    assert edited == (1.0, 0, 1)


FIRST_SPIKE = """
from models import LIF
from snn import Network, Simulator, fixed_probability, ms
net = Network(1)
cells = net.population("cells", LIF(drive=1.2), 100)
net.connect(cells, cells, fixed_probability(0.1), weight=0.01, delay=1.5 * ms)
assert len(Simulator(net).run(0.1, progress=False).spikes["cells"])
from snn.engine import cells, exact
from snn.engine.group import row_group
for kernel in (exact.advance, cells.one_block, row_group):
    print(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()))
"""


def counts(folder: Path, script: str) -> list[str]:
    """Hits and misses of the driver, a block and a group, one after the other."""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_second_process_compiles_nothing(tmp_path):
    # Each is compiled once, by this process or by the one beside it.
    assert sorted(counts(tmp_path, FIRST_SPIKE)) == ["0"] * 3 + ["1"] * 3
    assert counts(tmp_path, FIRST_SPIKE) == ["1", "0"] * 3


def test_everything_is_compiled_here_where_another_process_fails(tmp_path):
    for name in ("gone", shutil.which("false") or "false"):
        script = f"import sys; sys.executable = {name!r}\n" + FIRST_SPIKE
        assert counts(tmp_path / Path(name).name, script) == ["0", "1"] * 3


def test_a_network_of_known_models_and_rules_compiles_nothing_new(tmp_path):
    """Kernels belong to kinds of blocks and groups: another size and another wiring use the same ones."""
    alone = "import sys; sys.executable = ''\n"
    other = FIRST_SPIKE.replace("100)", "37, init={'v': 0.5})").replace(
        "net.connect(", "net.connect(cells, cells, weight=-0.01, delay=2 * ms, port='inh', name='more')\nnet.connect("
    )
    assert counts(tmp_path, alone + FIRST_SPIKE) == ["0", "1"] * 3
    # The dense projection is a kind of its own; nothing else is new.
    assert counts(tmp_path, alone + other) == ["1", "0"] * 2 + ["1", "1"]


def test_without_a_folder_for_machine_code_kernels_are_compiled_for_the_process(tmp_path):
    root = Path(__file__).parents[2]
    # A file in each place where there would be a folder: not even root can write there.
    for package in ("snn", "rules", "models"):
        shutil.copytree(root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in {path.parent for path in tmp_path.rglob("*.py")}:
        (folder / "__pycache__").touch()
    (tmp_path / "helper.py").write_text("def step(w):\n    return 0.25 * w\n")
    (tmp_path / "script.py").write_text("import models.backprop\n" + SCRIPT)
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    env |= {"XDG_CACHE_HOME": str(tmp_path / "script.py"), "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-2:] == ["arrived at 0.001", "0.625 0 1"]
    assert done.stderr.count("Set NUMBA_CACHE_DIR") == 1
    assert not list(tmp_path.rglob("*.nb[ci]"))
