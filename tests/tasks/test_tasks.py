"""Generated tasks are what was published; files are read byte by byte, and refused with a reason."""

from __future__ import annotations

import gzip
import math
import sys

import numpy as np
import pytest

from models.tasks import TASKS, Task, load
from models.tasks.evidence import read_trials
from models.tasks.idx import read_idx
from models.tasks.nmnist import decode, read_events
from models.tasks.randman import manifold
from models.tasks.shd import read_shd
from snn import ExportError, ParameterError
from snn.events import Events


def test_yin_yang_is_the_published_data_set():
    """Numbers printed by the generator of Kriener, Goeltz & Petrovici (2022) for seeds 42, 41 and 40."""
    task = load("yin-yang")
    assert (task.n_in, task.n_classes) == (5, 3)
    for x, y, first, sums, counts in (
        (task.train_x, task.train_y, (0.68030754, 0.45049925), (2528.32245657, 2505.76686175), (1681, 1702, 1617)),
        (task.valid_x, task.valid_y, (0.68057273, 0.32097339), (496.40889649, 493.64854667), (316, 336, 348)),
        (task.test_x, task.test_y, (0.23409665, 0.40172498), (498.25698935, 488.78023568), (350, 316, 334)),
    ):
        assert x[0, :2] == pytest.approx(first, abs=1e-8)
        assert x[:, :2].sum(axis=0) == pytest.approx(sums, abs=1e-7)
        assert tuple(np.bincount(y)) == counts
        assert np.array_equal(x[:, 2:4], 1.0 - x[:, :2]) and (x[:, 4] == 1.0).all()


def test_randman_is_its_sum_of_sines():
    points = np.array([[0.1, 0.7], [0.4, 0.2], [0.9, 0.5]])
    seen = manifold(np.random.default_rng(5), points, 2, alpha=1.0, precision=0.2)
    theta = np.random.default_rng(5).random((2, 2, 3, 5))
    raw = np.zeros((3, 2))
    for n, c in np.ndindex(3, 2):
        factors = []
        for d in range(2):
            a, b, phase = theta[c, d]
            terms = [a[k] / (k + 1) * math.sin(2 * math.pi * (k * b[k] * points[n, d] + phase[k])) for k in range(1, 5)]
            factors.append(sum(terms))
        raw[n, c] = math.prod(factors)
    assert seen == pytest.approx((raw - raw.min(axis=0)) / (raw.max(axis=0) - raw.min(axis=0)))


def test_randman_repeats_and_keeps_its_parts_apart():
    one, two = (load("randman:classes=3,inputs=8,per_class=20") for _ in range(2))
    assert np.array_equal(one.train_x, two.train_x)
    assert [np.bincount(y).tolist() for y in (one.train_y, one.valid_y, one.test_y)] == [[14] * 3, [2] * 3, [4] * 3]
    rows = np.concatenate([one.train_x, one.valid_x, one.test_x])
    assert len(np.unique(rows, axis=0)) == 60 and rows.min() > 0 and rows.max() <= 1


def test_evidence_is_labelled_by_the_side_with_more_cues():
    task = load("evidence:trials=20,delay=0.2,seed=3")
    assert task.duration == pytest.approx(7 * 0.15 + 0.2 + 0.15)
    for k in range(20):
        ids, times = task.train_x[k]
        # A cue of 100 ms makes about 40 spikes of its group, in slots of 150 ms.
        slots = (times[ids < 10] // 0.15).astype(int), (times[(ids >= 10) & (ids < 20)] // 0.15).astype(int)
        left, right = (len(set(s)) for s in slots)
        assert left + right == 7 and task.train_y[k] == int(right > left)
        assert times[(ids >= 20) & (ids < 30)].min() >= 7 * 0.15 + 0.2


@pytest.mark.parametrize(("given", "p"), [("", 0.7), (",p=0.9", 0.9)])
def test_evidence_is_as_often_decided_by_one_cue_as_seven_draws_are(given, p):
    task = load(f"evidence:trials=1200,delay=0{given}")
    margins = []
    for ids, times in (task.train_x[k] for k in range(1200)):
        # A cue of 100 ms makes about 40 spikes of its group, in slots of 150 ms.
        left, right = (len(set((times[(ids // 10) == side] // 0.15).astype(int))) for side in (0, 1))
        margins.append(abs(left - right))
    for margin in (1, 3, 5, 7):
        more = (7 + margin) // 2
        expected = math.comb(7, more) * (p**more * (1 - p) ** (7 - more) + p ** (7 - more) * (1 - p) ** more)
        # Four standard deviations of a share of 1200.
        assert np.mean(np.equal(margins, margin)) == pytest.approx(expected, abs=4 * math.sqrt(0.25 / 1200))


def test_delayed_feedback_changes_only_the_delay():
    pytest.importorskip("sklearn")
    task, plain = load("delayed-feedback", delay=0.03), load("digits")
    assert task.feedback_delay == 0.03 and task.name == "delayed-feedback 30 ms"
    assert np.array_equal(task.train_x, plain.train_x)


def test_held_out_samples_are_a_share_of_each_class():
    x = np.arange(100.0)[:, None] / 100
    y = np.repeat([0, 1], [60, 40])
    task = Task("toy", x, y, x[:2], y[:2]).hold_out(0.1, seed=4)
    assert np.bincount(task.valid_y).tolist() == [6, 4] and np.bincount(task.train_y).tolist() == [54, 36]
    assert sorted([*task.train_x[:, 0], *task.valid_x[:, 0]]) == sorted(x[:, 0])
    assert np.array_equal(task.valid_y, (100 * task.valid_x[:, 0] >= 60).astype(int))


def test_folds_hold_out_every_training_sample_once_in_shares_of_each_class():
    x = np.arange(100.0)[:, None]
    y = np.repeat([0, 1], [58, 42])
    whole = Task("toy", x, y, x[:2], y[:2])
    folds = [whole.fold(k, 5, seed=4) for k in range(5)]
    assert sorted(np.concatenate([fold.valid_x[:, 0] for fold in folds])) == sorted(x[:, 0])
    for fold in folds:
        assert sorted([*fold.train_x[:, 0], *fold.valid_x[:, 0]]) == sorted(x[:, 0])
        assert np.array_equal(fold.valid_y, (fold.valid_x[:, 0] >= 58).astype(int))
        assert np.bincount(fold.valid_y).tolist() in ([12, 8], [11, 9])
    assert not np.array_equal(folds[0].valid_x, whole.fold(0, 5, seed=5).valid_x)
    for k, n in ((5, 5), (-1, 5), (0, 1)):
        with pytest.raises(ParameterError, match=f"k is {k} of n = {n}; give n of 2 or more"):
            whole.fold(k, n)


def test_own_validation_samples_are_kept():
    task = load("yin-yang")
    assert task.hold_out(0.5) is task


@pytest.mark.parametrize(("name", "mean"), [("mnist", 0.13066), ("fashion-mnist", 0.28604)])
def test_idx_files_hold_the_published_images(data_folder, name, mean):
    """Means of the training pixels as published; every class of Fashion-MNIST has 6000 images."""
    if not (data_folder / name).is_dir():
        pytest.skip(f"{data_folder} has no folder {name}")
    task = load(name, data=data_folder)
    assert task.train_x.shape == (60000, 784) and task.test_x.shape == (10000, 784)
    assert task.train_x.mean(dtype=float) == pytest.approx(mean, abs=5e-6)
    counts = np.bincount(task.train_y)
    assert (counts.tolist() == [6000] * 10) if name == "fashion-mnist" else (counts[0], counts[1]) == (5923, 6742)


def test_small_idx_files_are_read_and_damaged_ones_refused(tmp_path):
    path, values = tmp_path / "x.gz", np.arange(12, dtype=np.uint8)
    head = b"\0\0\x08\x02" + (3).to_bytes(4, "big") + (4).to_bytes(4, "big")
    path.write_bytes(gzip.compress(head + values.tobytes()))
    assert np.array_equal(read_idx(path), values.reshape(3, 4))
    for content, reason in (
        (gzip.compress(head + values[1:].tobytes()), "holds 11 values"),
        (gzip.compress(b"hello"), "no IDX file"),
        (path.read_bytes()[:-9], "cannot be read"),
        (b"plain", "cannot be read"),
    ):
        path.write_bytes(content)
        with pytest.raises(ExportError, match=reason):
            read_idx(path)


def test_only_some_images_are_trained_on_where_samples_says_so(tmp_path):
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (9, 28, 28), np.uint8), rng.integers(0, 10, 9, np.uint8)
    for part, n in (("train", 9), ("t10k", 5)):
        for kind, values in (("images-idx3", pixels[:n]), ("labels-idx1", labels[:n])):
            head = bytes((0, 0, 8, values.ndim)) + b"".join(k.to_bytes(4, "big") for k in values.shape)
            (tmp_path / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + values.tobytes()))
    task = load("mnist:samples=4", data=tmp_path)
    assert task.test_x.shape == (5, 784) and task.train_y.tolist() == labels[:4].tolist()
    assert task.train_x == pytest.approx(pixels[:4].reshape(4, 784) / 255.0, abs=1e-7)
    assert len(load("mnist", data=tmp_path).train_x) == 9
    for samples in (0, 10, 2.5):
        with pytest.raises(ParameterError, match=f"samples is {samples}; give a whole number from 1 to 9"):
            load("mnist", data=tmp_path, samples=samples)


def test_missing_files_are_told_with_the_folders_and_the_remedy(tmp_path, monkeypatch):
    with pytest.raises(ExportError, match=r"train-images-idx3-ubyte\.gz.*mnist.*set SNN_DATA, or download=True"):
        load("mnist", data=tmp_path)
    monkeypatch.setenv("SNN_DATA", str(tmp_path))
    with pytest.raises(ExportError, match=f"{tmp_path}/shd.*zenkelab"):
        load("shd")


def test_download_without_pooch_is_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ExportError, match=r"pip install 'localspike\[data\]'"):
        load("mnist", data=tmp_path, download=True)


def test_events_of_a_recording_are_decoded_bit_by_bit(tmp_path):
    # x = 3, y = 33, off, 65 538 us; x = 32, y = 0, on, 4 194 305 us.
    raw = bytes([3, 33, 1, 0, 2, 32, 0, 0x80 | 0x40, 0, 1])
    (tmp_path / "1.bin").write_bytes(raw)
    ids, times = read_events(tmp_path / "1.bin")
    assert ids.tolist() == [33 * 34 + 3, 34 * 34 + 32]
    assert times == pytest.approx([65538e-6, 4194305e-6])
    pooled, _ = read_events(tmp_path / "1.bin", pool=2)
    assert pooled.tolist() == [16 * 17 + 1, 17 * 17 + 16]
    with pytest.raises(ExportError, match="11 bytes"):
        decode(raw + b"\0", "here")
    with pytest.raises(ExportError, match=r"pixel \(40, 0\)"):
        decode(bytes([40, 0, 0, 0, 0]), "here")


def test_nmnist_subset_has_every_event(data_folder):
    """4 518 827 events and times up to 336 040 us, as its description says."""
    if not (data_folder / "nmnist-small").is_dir():
        pytest.skip(f"{data_folder} has no folder nmnist-small")
    task = load("nmnist-small", data=data_folder)
    assert (len(task.train_x), len(task.test_x), task.n_in) == (1000, 100, 578)
    assert task.train_x.times.size + task.test_x.times.size == 4_518_827
    assert max(task.train_x.times.max(), task.test_x.times.max()) <= 0.336041
    assert task.train_y[:2].tolist() == [5, 0]  # the first labels of MNIST


def test_trials_of_a_text_file_are_read(tmp_path):
    path = tmp_path / "trials.dat"
    path.write_text("2\n35, 4\n3, 50\n-2, 1\n-1, 2250\n0, 7\n-2, 0\n-1, 2250\n")
    events, labels = read_trials(path)
    assert labels.tolist() == [1, 0]
    assert events[0][0].tolist() == [35, 3] and events[0][1].tolist() == pytest.approx([4e-3, 50e-3])
    path.write_text("3\n35, 4\n-2, 1\n-1, 2250\n")
    with pytest.raises(ExportError, match="1 trials and 1 labels; its first line says 3"):
        read_trials(path)


def test_cue_accumulation_is_labelled_by_the_side_with_more_spikes(data_folder):
    if not (data_folder / "cue-accumulation").is_dir():
        pytest.skip(f"{data_folder} has no folder cue-accumulation")
    task = load("cue-accumulation", data=data_folder)
    assert (len(task.train_x), len(task.test_x), task.n_in) == (50, 50, 40)
    spikes = task.train_x.counts()
    assert np.array_equal(spikes[:, 10:20].sum(axis=1) > spikes[:, :10].sum(axis=1), task.train_y == 1)


def test_shd_files_are_read_and_channels_pooled(tmp_path):
    import h5py

    with h5py.File(tmp_path / "shd_train.h5", "w") as file:
        spikes = file.create_group("spikes")
        units = spikes.create_dataset("units", (2,), h5py.vlen_dtype(np.uint16))
        times = spikes.create_dataset("times", (2,), h5py.vlen_dtype(np.float16))
        units[0], times[0] = np.array([699, 4], np.uint16), np.array([0.5, 0.25], np.float16)
        units[1], times[1] = np.array([5], np.uint16), np.array([1.0], np.float16)
        file["labels"] = np.array([19, 3])
    events, labels = read_shd(tmp_path / "shd_train.h5", pool=5)
    assert labels.tolist() == [19, 3] and events.size == 140
    assert events[0][0].tolist() == [0, 139] and events[0][1].tolist() == [0.25, 0.5]
    (tmp_path / "shd_test.h5").write_bytes(b"no")
    with pytest.raises(ExportError, match=r"shd_test\.h5 is no SHD file"):
        load("shd", data=tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("randman:per_class=4", "per_class is 4; give a whole number, 5 or more"),
        ("randman:alpha=x", "alpha is 'x'; give a number above 0"),
        ("randman:precision=2", "precision is 2; give a number above 0 and below 1"),
        ("evidence:trials=abc", "trials is 'abc'; give a whole number, 2 or more"),
        ("evidence:trials=4,delay=inf", "delay is inf; give a finite time in seconds"),
        ("evidence:p=x", "p is 'x'; give a probability, 0.5 to 1"),
        ("evidence:p=0.3", "p is 0.3; give a probability, 0.5 to 1"),
        ("evidence:seed=-1", "seed is -1; give a whole number, 0 or more"),
        ("delayed-feedback:delay=x", "delay is 'x'; give one number, a time in seconds"),
        ("delayed-feedback:delay=50", r"delay is 50 s; .*Did you mean 50 \* ms"),
        ("shd:pool=0", "pool is 0"),
        ("nmnist-small:pool=x", "pool is 'x'"),
    ],
)
def test_options_that_cannot_be_used_are_named(name, message):
    with pytest.raises(ParameterError, match=message):
        load(name)


def test_few_samples_of_a_class_are_for_training_and_testing():
    task = load("randman:classes=3,inputs=4,per_class=5")
    assert np.bincount(task.train_y).tolist() == [4] * 3 and np.bincount(task.test_y).tolist() == [1] * 3
    assert np.bincount(task.hold_out(0.25).valid_y).tolist() == [1] * 3


def test_archives_of_recordings_are_read_and_damaged_ones_refused(tmp_path):
    import zipfile

    path, listing = tmp_path / "nmnist_small.zip", "1 7\n"
    for lists, recording, wrong in (
        (("train1K.txt", "test100.txt"), bytes([3, 33, 0x81, 0, 2]), None),
        (("train1K.txt",), bytes(5), "no archive of train1K.txt and test100.txt.*no item named 'test100.txt'"),
        (("train1K.txt", "test100.txt"), bytes(4), "4 bytes; events take 5 bytes"),
    ):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("1.bs2", recording)
            for name in lists:
                file.writestr(name, listing)
        if wrong is None:
            task = load("nmnist-small", data=tmp_path)
            assert task.train_y.tolist() == [7] and task.train_x.times == pytest.approx([65538e-6])
            continue
        with pytest.raises(ExportError, match=wrong):
            load("nmnist-small", data=tmp_path)
    path.write_bytes(b"no")
    with pytest.raises(ExportError, match="no archive of train1K.txt.*not a zip file"):
        load("nmnist-small", data=tmp_path)


def test_events_choose_samples_and_refuse_nonsense():
    events = Events.from_lists([([1, 0], [2e-3, 1e-3]), ([], []), ([2, 2], [0.0, 3e-3])], 3)
    assert len(events) == 3 and events[0][0].tolist() == [0, 1]
    assert events.counts().tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 2]]
    assert events[np.array([2, 0])].counts().tolist() == [[0, 0, 2], [1, 1, 0]]
    assert len(events[np.array([False, True, False])]) == 1 and len(events[1:]) == 2
    for ids, times, reason in (([3], [0.0], "0 to 2"), ([0], [-1.0], "finite times"), ([0, 1], [0.0], "shape")):
        with pytest.raises(ParameterError, match=reason):
            Events.from_lists([(ids, times)], 3)


def test_unknown_tasks_and_options_are_refused_with_what_there_is():
    with pytest.raises(ParameterError, match="there are: digits, yin-yang"):
        load("cifar")
    with pytest.raises(ParameterError, match="no option 'clases'; it has: classes, inputs"):
        load("randman:clases=4")
    with pytest.raises(ParameterError, match="it has: none"):
        load("yin-yang", seed=3)
    assert set(TASKS) >= {"digits", "yin-yang", "mnist", "fashion-mnist", "randman", "shd", "nmnist-small", "evidence"}
