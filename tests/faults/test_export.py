"""A file that cannot be written is refused early, and a run that fails leaves what it had, under another name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from snn.errors import ExportError
from snn.io import load, save
from snn.record import Result, SpikeData
from snn.writer import Writer

pytest.importorskip("h5py")

ROOT = Path(__file__).parents[2]


def result() -> Result:
    return Result(spikes={"cells": SpikeData("cells", 3, [0.1, 0.2], [0, 2])}, duration=1.0)


def run_python(code: str, *arguments: object, mount: str = "") -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process; `mount` is a shell line that is run first, in a mount namespace of its own."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    if mount:
        command = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh", *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd="/", env=environment)


@pytest.fixture(scope="module")
def can_mount() -> None:
    """Skip where small disks cannot be made."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed, so that no small disk can be mounted")
    try:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"], capture_output=True, timeout=20
        )
    except subprocess.TimeoutExpired:
        pytest.skip("mounting a small disk took too long")
    if done.returncode:
        pytest.skip("mounting a small disk needs root")


def test_a_path_that_is_a_folder_is_refused(tmp_path):
    with pytest.raises(ExportError, match=r"is a folder. Give a file in it"):
        Writer(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ExportError, match=r"nowhere does not exist. Create it"):
        Writer(tmp_path / "nowhere" / "run.h5")


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="file is not a folder"):
        Writer(tmp_path / "file" / "run.h5")


def test_an_existing_file_is_kept_unless_overwriting_is_asked_for(tmp_path):
    path = tmp_path / "run.h5"
    path.write_text("precious")
    with pytest.raises(ExportError, match="overwrite=True"):
        save(result(), path)
    assert path.read_text() == "precious"
    save(result(), path, overwrite=True)
    assert load(path).spikes["cells"].times.tolist() == [0.1, 0.2]
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


def test_an_old_file_stays_until_its_successor_is_complete(tmp_path):
    path = tmp_path / "run.h5"
    save(result(), path)
    with pytest.raises(ZeroDivisionError), Writer(path, overwrite=True) as writer:
        writer.spikes("cells", 3, [0.5], [1])
        _ = 1 / 0
    assert load(path).spikes["cells"].times.tolist() == [0.1, 0.2]
    assert load(tmp_path / "run.h5.partial").spikes["cells"].times.tolist() == [0.5]


def test_a_file_that_appears_during_the_run_is_kept(tmp_path):
    path = tmp_path / "run.h5"
    writer = Writer(path)
    path.write_text("precious")
    with pytest.raises(ExportError, match=r"complete in .*run.h5.partial"):
        writer.close()
    assert path.read_text() == "precious"
    assert load(tmp_path / "run.h5.partial").spikes == {}


def test_the_rest_of_an_unfinished_run_is_kept_unless_overwriting_is_asked_for(tmp_path):
    path = tmp_path / "run.h5"
    writer = Writer(path)
    writer.spikes("cells", 3, [0.5], [1])
    writer.abandon()
    with pytest.raises(ExportError, match="left of a run that did not finish"):
        Writer(path)
    assert load(tmp_path / "run.h5.partial").spikes["cells"].times.tolist() == [0.5]
    save(result(), path, overwrite=True)
    assert load(path).spikes["cells"].times.tolist() == [0.1, 0.2]


def test_two_writers_do_not_share_a_file(tmp_path):
    with (
        Writer(tmp_path / "run.h5") as writer,
        pytest.raises(ExportError, match="being written by another run"),
    ):
        writer.spikes("cells", 3, [0.5], [1])
        Writer(tmp_path / "run.h5", overwrite=True)
    assert load(tmp_path / "run.h5").spikes["cells"].times.tolist() == [0.5]


def test_an_error_during_the_run_keeps_the_data_but_gives_no_final_name(tmp_path):
    with pytest.raises(KeyboardInterrupt), Writer(tmp_path / "run.h5") as writer:
        writer.spikes("cells", 3, [0.1], [1])
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5.partial"]
    assert load(tmp_path / "run.h5.partial").spikes["cells"].times.tolist() == [0.1]


def test_a_flush_that_is_interrupted_half_way_is_taken_up_again(tmp_path, monkeypatch):
    from snn.hdf5 import Column

    real, calls = Column.write, []

    def interrupted(self, file):
        calls.append(self.path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(self, file)

    with pytest.raises(KeyboardInterrupt), Writer(tmp_path / "run.h5") as writer:
        writer.spikes("cells", 3, [0.1, 0.2], [1, 2])
        monkeypatch.setattr(Column, "write", interrupted)
        writer.flush()
    found = load(tmp_path / "run.h5.partial").spikes["cells"]
    assert (found.times.tolist(), found.ids.tolist()) == ([0.1, 0.2], [1, 2])


def test_a_folder_without_write_permission_is_refused_before_the_run(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere; the read-only disk is tested instead")
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(ExportError, match=r"is not allowed. Change the permissions"):
            Writer(tmp_path / "run.h5")
    finally:
        tmp_path.chmod(0o755)


def test_a_read_only_disk_is_refused_before_the_run(tmp_path, can_mount):
    code = """
        import sys
        from snn.errors import ExportError
        from snn.writer import Writer
        try:
            Writer(sys.argv[1] + "/run.h5")
        except ExportError as error:
            print(error)
    """
    done = run_python(code, tmp_path, mount=f"mount -t tmpfs -o ro tmpfs '{tmp_path}'")
    assert "writing in" in done.stdout, done.stderr
    assert "is not allowed" in done.stdout


def test_a_full_disk_is_refused_before_the_run(tmp_path, can_mount):
    code = """
        import os, sys
        from snn.errors import ExportError
        from snn.writer import Writer
        try:
            Writer(sys.argv[1] + "/run.h5")
        except ExportError as error:
            print(error)
        print(os.listdir(sys.argv[1]))
    """
    done = run_python(code, tmp_path, mount=f"mount -t tmpfs -o size=64k tmpfs '{tmp_path}'")
    assert done.returncode == 0, done.stderr
    assert "the disk is full. Free space" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_disk_that_fills_during_the_run_leaves_everything_up_to_the_last_flush(tmp_path, can_mount):
    code = """
        import os, sys
        import numpy as np
        from snn.errors import ExportError
        from snn.io import load
        from snn.writer import Writer
        folder, n = sys.argv[1], 0
        try:
            with Writer(folder + "/run.h5") as writer:
                while True:
                    writer.spikes("cells", 1, np.arange(n, n + 10_000) * 1e-3, np.zeros(10_000))
                    writer.state("cells", "v", "V", [0], np.arange(n, n + 10_000) * 1e-3, np.zeros((10_000, 1)), 1e-3)
                    writer.flush()
                    n += 10_000
        except ExportError as error:
            print(error)
        print(os.listdir(folder))
        found = load(folder + "/run.h5.partial")
        print(n > 0, np.array_equal(found.spikes["cells"].times, np.arange(n) * 1e-3), len(found.states) == 1)
    """
    done = run_python(code, tmp_path, mount=f"mount -t tmpfs -o size=4m tmpfs '{tmp_path}'")
    # HDF5 by itself ends with a segmentation fault here: 0 says that the disk was tried before it.
    assert done.returncode == 0, done.stderr
    error, folder, found = done.stdout.splitlines()
    assert "the disk is full" in error
    assert "run.h5.partial; load() reads it" in error
    assert folder == "['run.h5.partial']"
    assert found == "True True True"


def test_a_killed_run_leaves_everything_up_to_the_last_flush(tmp_path):
    code = """
        import sys, time
        import numpy as np
        from snn.writer import Writer
        writer = Writer(sys.argv[1], network={"a": 1})
        for k in range(20):
            times = (np.arange(1000) + 1000 * k) * 1e-3
            writer.spikes("cells", 1, times, np.zeros(1000))
            writer.state("cells", "v", "V", [0, 1], times, np.full((1000, 2), float(k)), 1e-3)
            writer.weight_changes("p", times, *np.zeros((3, 1000)), times)
            writer.ledger({"k": k})
            writer.span(0.0, k + 1.0)
            writer.flush()
        # Not flushed: does not survive, and must do no harm.
        writer.spikes("cells", 1, times + 100, np.zeros(1000))
        print("flushed", flush=True)
        time.sleep(60)
    """
    path = tmp_path / "run.h5"
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    with child.stdout as printed:
        assert printed.readline() == "flushed\n"
        child.send_signal(signal.SIGKILL)
        assert child.wait(timeout=30) == -signal.SIGKILL
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5.partial"]
    import h5py

    with h5py.File(tmp_path / "run.h5.partial") as file:
        assert len(file["snn/ledger"]) == 20
    with h5py.File(tmp_path / "run.h5.partial", "r+") as file:
        del file["snn/ledger"]  # not one that a Ledger would write
    found = load(tmp_path / "run.h5.partial")
    times = np.arange(20_000) * 1e-3
    np.testing.assert_array_equal(found.spikes["cells"].times, times)
    np.testing.assert_array_equal(found.states["cells", "v"].values[:, 1], np.arange(20.0).repeat(1000))
    np.testing.assert_array_equal(found.weights["p"].values, times)
    assert found.duration == 20.0


def test_a_file_that_is_being_written_by_another_process_is_not_read(tmp_path):
    with Writer(tmp_path / "run.h5"):
        code = """
            import sys
            from snn.errors import ExportError
            from snn.io import load
            try:
                load(sys.argv[1])
            except ExportError as error:
                print(error)
        """
        done = run_python(code, tmp_path / "run.h5.partial")
    assert "is being written" in done.stdout, done.stderr
