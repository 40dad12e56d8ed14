"""Names of files with machine code, and two processes that compile from one list."""

from __future__ import annotations

import pickle
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import pytest
from numba import types
from numba.core.caching import CacheImpl

from models import LIF
from rules import PairSTDP
from snn import Rule, cache, wire
from snn.driver import driver_type
from snn.engine import beside, disk
from snn.engine.grid import advance_grid
from snn.engine.jit import COMPILED
from snn.engine.struct import Struct, signature


class Elsewhere(Rule):
    def on_pre(self, syn, pre, post, t):
        syn.w += 1.0


def test_a_file_says_what_it_holds(tmp_path):
    files = disk._Files(str(tmp_path), "entry", "snn.wire")
    files.save(("int64",), "one")
    files.save(("float64",), "another")
    assert (files.load(("int64",)), files.load(("float64",)), files.load(("bool",))) == ("one", "another", None)
    assert len(list(tmp_path.iterdir())) == 2
    files.flush()
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_cut_short_or_holds_something_else_is_not_used(tmp_path):
    files = disk._Files(str(tmp_path), "entry", "snn.wire")
    files.save("key", list(range(100)))
    whole = files.path("key").read_bytes()
    for part in (0, 1, len(whole) // 2, len(whole) - 1):
        files.path("key").write_bytes(whole[:part])
        assert files.load("key") is None
    files.path("key").write_bytes(pickle.dumps(("another key", 1)))
    assert files.load("key") is None


def test_code_of_a_module_that_cannot_be_imported_is_compiled_again(tmp_path, monkeypatch):
    gone = ModuleType("made_meanwhile")
    gone.Kind = type("Kind", (), {"__module__": "made_meanwhile", "__qualname__": "Kind"})
    monkeypatch.setitem(sys.modules, "made_meanwhile", gone)
    files = disk._Files(str(tmp_path), "entry", "snn.wire")
    files.save("key", gone.Kind())
    assert type(files.load("key")) is gone.Kind
    monkeypatch.delitem(sys.modules, "made_meanwhile")
    assert files.load("key") is None


def test_code_of_other_sources_is_not_found_and_makes_room(tmp_path, monkeypatch):
    files = disk._Files(str(tmp_path), "entry", "snn.wire")
    files.save("key", "old")
    monkeypatch.setattr(disk, "_stamp", lambda module: "edited")
    assert files.load("key") is None
    files.save("other", "new")
    assert [path.name.split(".")[1] for path in tmp_path.iterdir()] == ["edited"]


def test_code_that_cannot_be_written_is_done_without(tmp_path):
    files = disk._Files(str(tmp_path / "gone"), "entry", "snn.wire")
    with pytest.warns(UserWarning, match="not kept on disk.*gone.*Set NUMBA_CACHE_DIR"):
        files.save("key", "code")
    assert files.load("key") is None


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled")
def test_sources_are_those_of_all_compiled_functions_that_an_entry_can_reach():
    names = {module.__name__ for module in disk._compiled_from(wire, set())}
    assert {"snn.wire", "snn.engine.rng"} <= names


def test_only_plugins_of_the_library_are_compiled_by_another_process():
    def names(*plugins):
        struct = Struct(rule=plugins[0], block=Struct(model=plugins[1]), n=1)
        return list(beside._plugins((types.int64, struct.type_)))

    found = names(PairSTDP(), LIF())
    assert sorted(name.rpartition(".")[2] for name in found) == ["LIF", "PairSTDP"]
    assert all(map(beside._is_ours, found))
    assert not all(map(beside._is_ours, names(Elsewhere(), LIF())))


def test_clearing_finds_each_place_that_numba_has_for_our_sources_and_leaves_others_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_ROOT", tmp_path / "library")
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path / "given"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))

    def kept(source):
        """A file of machine code in each place that Numba may choose for a source."""
        path = tmp_path / "library" / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        for locator in CacheImpl._locator_classes[:3]:
            code = Path(locator.from_function(kept, str(path)).get_cache_path()) / f"{path.stem}.f-1.py311.1.nbc"
            code.touch()
            yield code

    ours = [code for source in ("snn/wire.py", "snn/engine/cells.py", "models/bptt.py") for code in kept(source)]
    foreign = list(kept("other/bptt.py"))
    assert len({*ours, *foreign}) == 12
    assert cache.clear_cache() == 9
    assert not any(code.exists() for code in ours) and all(code.exists() for code in foreign)


class Entry:
    """Something to compile, which notes that it was."""

    def __init__(self, name, done):
        self.py_func, self.done = name, done

    def compile(self, signature):
        self.done.append(self.py_func)


def helper(current, *waiting):
    done = []
    h = beside._Helper()
    h.current = (current, ()) if current else None
    h.waiting = {(name, ()): Entry(name, done) for name in waiting}
    return h, done


def test_what_this_process_needs_is_off_the_list_at_once():
    h, done = helper(None, "a", "b")
    h.settle(("a", ()))
    assert not done and list(h.waiting) == [("b", ())]


def test_while_the_other_process_compiles_what_is_needed_the_rest_of_the_list_is_compiled_here():
    h, done = helper("a", "b", "c")
    waits = threading.Thread(target=h.settle, args=[("a", ())])
    waits.start()
    while len(done) < 2:
        time.sleep(0.001)
    waits.join(0.01)
    assert waits.is_alive()
    with h.changed:
        h.current = None
        h.changed.notify_all()
    waits.join(10)
    assert not waits.is_alive() and sorted(done) == ["b", "c"]


def test_a_process_that_compiles_for_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(beside, "_LONGEST", 0.01)
    h, done = helper("a")
    h.settle(("a", ()))
    assert h.current is None and not done


@pytest.mark.skipif(beside.cores() < 2 or not COMPILED, reason="no core to spare")
def test_the_other_process_leaves_machine_code_on_disk(tmp_path, monkeypatch):
    """All of it: the types of a struct of plugins are told, and the file has the name that is looked for here."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(beside.config, "CACHE_DIR", str(tmp_path))
    kept = disk.Kept(advance_grid.py_func)
    types_ = signature(driver_type(), driver_type())
    assert not kept.holds(types_, advance_grid.targetctx)
    h = beside._Helper()
    h.offer(advance_grid, types_)
    ends = time.monotonic() + 100
    while not kept.holds(types_, advance_grid.targetctx) and time.monotonic() < ends:
        time.sleep(0.05)
    assert kept.load_overload(types_, advance_grid.targetctx) is not None


@pytest.mark.parametrize("executable", ["gone", "false"])
def test_where_there_is_no_other_process_nothing_is_waited_for(monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    h = beside._Helper()
    for name in "abc":
        h.offer(Entry(lambda: None, []), (name,))
    begun = time.monotonic()
    for key in list(h.waiting):
        h.settle(key)
    while h.process is not None and time.monotonic() < begun + 10:
        time.sleep(0.01)
    assert h.process is None and h.current is None
