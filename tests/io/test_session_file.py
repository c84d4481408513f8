"""Session files and recovery folders: everything comes back to the bit, damage is told, and no moment loses a run."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from making import pictures

import gsp_studio as gs
from gsp_studio.core.edits import Kill, Split
from gsp_studio.core.nmf import factorize
from gsp_studio.core.params import same_value
from gsp_studio.io import recovery
from gsp_studio.io.atomic import WriteError, write_whole
from gsp_studio.io.export.run_folder import export_run
from gsp_studio.io.hdf5_content import SessionError, read_text, write_array, write_text
from gsp_studio.io.recovery import Recovery, read_folder
from gsp_studio.io.run_record import ExportedRun
from gsp_studio.io.saved_run import SavedRun, read_run, write_run
from gsp_studio.io.session_file import SavedSession, describe, read_session, write_session
from gsp_studio.io.versions import versions_now

N, H, W = 30, 9, 7
OLD = Path(__file__).parents[1] / "data" / "session-format-1.gsps"


@pytest.fixture
def data(tmp_path):
    np.save(tmp_path / "x.npy", pictures(N, H, W))
    return gs.load_dataset(tmp_path / "x.npy")


def ran(dataset, params=None, steering=None, mask=None):
    params = params or gs.Params(4, sparsity=0.5, max_iter=12)
    result = factorize(dataset.X, params, steering=steering, mask=mask)
    steps = [(n, step) for n, changes in (steering or {}).items() for step in changes]
    return ExportedRun(
        result=result,
        start=params,
        interventions=steps,
        reason="all iterations done",
        backend="auto",
        threads=2,
        mask=mask,
        fingerprint=dataset.fingerprint,
        versions=versions_now(),
    )


def assert_same_run(a, b):
    for one in ("W", "H", "dense"):
        x, y = getattr(a.run.result, one), getattr(b.run.result, one)
        assert x.dtype == y.dtype
        assert np.array_equal(x, y)
        assert x.flags.f_contiguous == y.flags.f_contiguous
    for part in fields(a.run.result.history):
        assert np.array_equal(getattr(a.run.result.history, part.name), getattr(b.run.result.history, part.name), True)
    assert a.run.fingerprint == b.run.fingerprint
    assert a.run.versions == b.run.versions
    assert np.array_equal(a.run.result.gram.A, b.run.result.gram.A)
    for name in ("error", "n_iter", "best_iter", "backend", "dead", "stop"):
        assert getattr(a.run.result, name) == getattr(b.run.result, name)
    for one, other in ((a.run.start, b.run.start), (a.run.result.params, b.run.result.params)):
        assert all(same_value(getattr(one, part.name), getattr(other, part.name)) for part in fields(one))
    assert [n for n, _ in a.run.interventions] == [n for n, _ in b.run.interventions]
    assert (a.number, a.details, a.run.reason, a.run.threads) == (b.number, b.details, b.run.reason, b.run.threads)


def runs_of(dataset):
    rng = np.random.default_rng(0)
    m, n = dataset.X.shape
    start = (rng.random((m, 3)), rng.random((3, n)))
    weights = rng.random(m)
    steered = {3: [Split(0)], 6: [Kill(1), gs.Params(4, sparsity=0.7, max_iter=12)]}
    reweighted = {4: [gs.Params(3, "wsnmf", 0.4, max_iter=12, weights=rng.random(m))]}
    return [
        SavedRun(1, ran(dataset), {"note": "a first look", "choice": {"rank": 4}}),
        SavedRun(2, ran(dataset, steering=steered), {"texts": ["split", "killed"]}),
        SavedRun(3, ran(dataset, gs.Params(3, "ahals", max_iter=5, init=start))),
        SavedRun(4, ran(dataset, gs.Params(3, "wsnmf", 0.4, max_iter=12, weights=weights), reweighted)),
        SavedRun(7, ran(dataset, mask=rng.random(dataset.X.shape) < 0.1)),
        SavedRun(8, ran(dataset, gs.Params(3, sparsity=0.5, max_iter=25, continuation=20, held_out=0.05))),
    ]


def test_everything_comes_back_to_the_bit(data, tmp_path):
    runs = runs_of(data)
    weights = np.linspace(0, 1, H * W)
    state = {"choice": {"rank": 9}, "view": {"contrast": "tile"}, "docks": "AAAA" * 30000}
    session = SavedSession(describe(data), None, tuple(runs), weights, state)
    write_session(tmp_path / "s.gsps", session)
    back = read_session(tmp_path / "s.gsps")
    assert back.problems == ()
    assert back.state == state
    assert np.array_equal(back.weights, weights)
    assert len(back.runs) == len(runs)
    for a, b in zip(runs, back.runs, strict=True):
        assert_same_run(a, b)
    assert np.array_equal(back.runs[-2].run.mask, runs[-2].run.mask)
    assert back.runs[-1].run.result.held_out_error == runs[-1].run.result.held_out_error
    again = gs.load_dataset(back.find_data(tmp_path / "s.gsps"), back.options)
    assert again.fingerprint == data.fingerprint == back.data["fingerprint"]
    write_session(tmp_path / "s.gsps", back)
    assert_same_run(read_session(tmp_path / "s.gsps").runs[1], runs[1])


def test_a_run_that_was_read_goes_on_repeating(data, tmp_path):
    saved = runs_of(data)[3]
    write_run(tmp_path / "run.h5", saved)
    back = read_run(tmp_path / "run.h5").run
    again = factorize(data.X, back.start, steering=dict(back.interventions))
    assert np.array_equal(again.W, saved.run.result.W)


def test_a_run_of_extreme_size_comes_back(tmp_path):
    np.save(tmp_path / "x.npy", np.ldexp(pictures(N, H, W).astype(np.float64), 900))
    data = gs.load_dataset(tmp_path / "x.npy")
    write_run(tmp_path / "run.h5", SavedRun(1, ran(data)))
    back = read_run(tmp_path / "run.h5").run.result
    assert 0.0 < back.error < 1.0
    assert back.gram.relative_error(back.W) == pytest.approx(back.error, rel=1e-6)


def test_arrays_that_the_app_knows_besides(data, tmp_path):
    rng = np.random.default_rng(2)
    arrays = {"spread": np.asfortranarray(rng.random((H * W, 4), np.float32)), "more": rng.random(3)}
    path = tmp_path / "run.h5"
    write_run(path, SavedRun(3, ran(data), {"note": "n"}, arrays))
    back = read_run(path)
    assert back.arrays.keys() == arrays.keys()
    assert all(np.array_equal(back.arrays[name], arrays[name]) for name in arrays)
    with h5py.File(path, "r+") as file:
        del file["beside/more"]
        file["beside/more"] = h5py.SoftLink("/nowhere")
    damaged = read_run(path)
    assert list(damaged.arrays) == ["spread"]
    assert_same_run(damaged, back)
    with h5py.File(path, "r+") as file:
        del file["beside"]  # as files of the first day, which had none
    assert read_run(path).arrays == {}
    assert_same_run(read_run(path), back)


def test_data_are_found_where_they_were_moved_with_the_session(data, tmp_path):
    (tmp_path / "a").mkdir()
    shutil.move(tmp_path / "x.npy", tmp_path / "a" / "x.npy")
    data = gs.load_dataset(tmp_path / "a" / "x.npy")
    write_session(tmp_path / "a" / "s.gsps", SavedSession(describe(data)))
    shutil.move(tmp_path / "a", tmp_path / "b")
    back = read_session(tmp_path / "b" / "s.gsps")
    assert back.find_data(tmp_path / "b" / "s.gsps").resolve() == tmp_path / "b" / "x.npy"
    (tmp_path / "b" / "x.npy").unlink()
    with pytest.raises(SessionError, match=r"the images of s\.gsps are not there any more; looked for at .*x\.npy and"):
        back.find_data(tmp_path / "b" / "s.gsps")


def test_data_can_be_copied_in(tmp_path):
    np.save(tmp_path / "c.npy", np.stack([pictures(N, H, W, seed) for seed in range(3)], axis=-1))
    for k, choices in enumerate(({}, {"samples": "pixels", "colour": "grey"}, {"storage": "disk"})):
        data = gs.load_dataset(tmp_path / "c.npy", **choices)
        path = tmp_path / f"{k}.gsps"
        write_session(path, SavedSession(describe(data), data))
        back = read_session(path).dataset
        assert np.array_equal(back.X, data.X[:, :])
        assert (back.grid, back.channels, tuple(back.names)) == (data.grid, data.channels, tuple(data.names))
        if k < 2:
            assert back.fingerprint == data.fingerprint


def test_a_damaged_file_opens_as_far_as_it_can_be_read(data, tmp_path):
    runs = runs_of(data)[:3]
    path = tmp_path / "s.gsps"
    write_session(path, SavedSession(describe(data), None, tuple(runs), np.ones(H * W), {"choice": {}}))
    with h5py.File(path, "r+") as file:
        del file["runs/000002/W"]
        del file["weights"]
        file["weights"] = h5py.ExternalLink("elsewhere.h5", "/x")
    back = read_session(path)
    assert [run.number for run in back.runs] == [1, 3]
    assert set(back.problems) == {
        "run 2 cannot be read: W is missing",
        "the painted weights cannot be read: weights leads to another place, which is not followed",
    }
    assert_same_run(back.runs[1], runs[2])


def test_flipped_bytes_end_in_a_session_or_a_sentence(data, tmp_path):
    path = tmp_path / "s.gsps"
    write_session(path, SavedSession(describe(data), data, tuple(runs_of(data)[:2]), np.ones(H * W), {}))
    sound = path.read_bytes()
    rng, told = np.random.default_rng(0), 0
    for _ in range(300):
        content = bytearray(sound)
        for at in rng.integers(0, len(content), 8):
            content[at] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(bytes(content) if rng.random() < 0.8 else bytes(content[: rng.integers(1, len(content))]))
        try:
            told += bool(read_session(path).problems)
        except SessionError:
            told += 1
    assert told > 100


def test_flipped_bits_of_the_marks_of_arrays_end_in_a_session_or_a_sentence(data, tmp_path):
    """HDF5 trusts the members of an enumeration, and a process that hands it damaged ones ends without a word."""
    path = tmp_path / "s.gsps"
    write_session(path, SavedSession(describe(data), data, tuple(runs_of(data)[:2]), np.ones(H * W), {}))
    sound = path.read_bytes()
    marks = [found.start() for found in re.finditer(b"fortran", sound)]
    assert len(marks) > 10
    rng, told = np.random.default_rng(1), 0
    for _ in range(300):
        content = bytearray(sound)
        for mark in rng.choice(marks, 2):
            content[(mark + int(rng.integers(-60, 140))) % len(content)] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(bytes(content))
        with contextlib.suppress(SessionError):
            told += bool(read_session(path).problems)
    assert told > 10


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_text("words"), "is not a session of GSP Studio, or is damaged"),
        (lambda path: h5py.File(path, "w").close(), "is not a session of GSP Studio, or is damaged"),
        (lambda path: about(path, {"program": "other", "format": 1}), "is not a session of GSP Studio"),
        (
            lambda path: about(path, {"program": "gsp-studio session", "format": 3}),
            "newer version of GSP Studio",
        ),
    ],
)
def test_other_files_get_one_sentence(write, told, tmp_path):
    path = tmp_path / "s.gsps"
    write(path)
    with pytest.raises(SessionError, match=told):
        read_session(path)


def about(path, content):
    with h5py.File(path, "w") as file:
        file["about"] = np.frombuffer(json.dumps(content).encode(), np.uint8)


# Writing


def test_what_was_there_stays_when_writing_fails(data, tmp_path, monkeypatch):
    path = tmp_path / "s.gsps"
    write_session(path, SavedSession(describe(data)))
    before = path.read_bytes()

    def fails(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gsp_studio.io.session_file.write_into", fails)
    with pytest.raises(WriteError, match=r"s\.gsps cannot be written: No space left on device"):
        write_session(path, SavedSession(describe(data), None, tuple(runs_of(data)[:1])))
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.gsps", "x.npy"]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs to mount a small disk")
def test_a_full_disk_is_one_sentence(data, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        path = disk / "s.gsps"
        write_session(path, SavedSession(describe(data), state={"n": 1}))
        large = replace(
            data, X=np.asfortranarray(np.random.default_rng(0).random((H * W, 20000))), names=("x",) * 20000
        )
        with pytest.raises(WriteError, match="No space left on device"):
            write_session(path, SavedSession(describe(data), large))
        assert read_session(path).state == {"n": 1}
        assert [p.name for p in disk.iterdir()] == ["s.gsps"]
        kept = Recovery(disk / "recovery")
        kept.save_state({}, {"n": 1})
        rng = np.random.default_rng(0)
        with pytest.raises(WriteError, match="No space left on device"):
            kept.save_weights(rng.random(100_000))
        assert read_folder(kept.folder).state == {"n": 1}
        kept.close()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_folders_that_are_gone_or_closed_get_one_sentence(data, tmp_path):
    with pytest.raises(WriteError, match="No such file or directory"):
        write_session(tmp_path / "gone" / "s.gsps", SavedSession(describe(data)))
    if os.geteuid() != 0:
        (tmp_path / "shut").mkdir(mode=0o500)
        with pytest.raises(WriteError, match="Permission denied"):
            write_session(tmp_path / "shut" / "s.gsps", SavedSession(describe(data)))


def test_a_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "x"
    write_whole(path, lambda temporary: temporary.write_text("a"))
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    path.chmod(0o640)
    write_whole(path, lambda temporary: temporary.write_text("b"))
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_text() == "b"


# Recovery


def test_a_folder_keeps_runs_state_and_weights(data, tmp_path):
    runs, kept = runs_of(data)[:3], Recovery(tmp_path)
    kept.save_state(describe(data), {"choice": {"rank": 3}})
    kept.save_run(runs[0])
    kept.save_live(runs[1])
    kept.save_weights(np.ones(5))
    back = read_folder(kept.folder)
    assert [run.number for run in back.runs] == [1, 2]
    assert_same_run(back.runs[1], runs[1])
    assert np.array_equal(back.weights, np.ones(5))
    kept.save_run(runs[1])
    kept.save_weights(None)
    back = read_folder(kept.folder)
    assert [run.number for run in back.runs] == [1, 2]
    assert back.weights is None
    assert not list(kept.folder.glob("live*"))
    (kept.folder / "run-000001.h5").write_bytes(b"damage")
    back = read_folder(kept.folder)
    assert [run.number for run in back.runs] == [2]
    assert "run-000001.h5 is not a run of GSP Studio, or is damaged" in back.problems[0]
    kept.discard()
    assert not kept.folder.exists()


def test_who_is_lost_and_who_was_closed(tmp_path):
    living, gone = Recovery(tmp_path), Recovery(tmp_path)
    living.save_state({}, {"n": 1})
    gone.save_state({}, {"n": 2})
    assert recovery.lost(tmp_path) == []
    gone._lock.close()  # what the end of a process does
    assert recovery.lost(tmp_path) == [gone.folder]
    living.close()
    assert recovery.closed(tmp_path) == [living.folder]
    recovery.forget(gone.folder)
    assert recovery.lost(tmp_path) == []
    for k in range(5):
        more = Recovery(tmp_path)
        more.folder = tmp_path / f"2099010{k}"
        more.save_state({}, {})
        more.close()
    names = [f"2099010{k}" for k in (4, 3, 2, 1, 0)]
    assert [folder.name for folder in recovery.closed(tmp_path)] == [*names, living.folder.name]
    left = Recovery(tmp_path)
    left.save_state({"name": "faces"}, {})
    left._lock.close()
    assert [folder.name for folder in recovery.idle(tmp_path)][:5] == names
    assert left.folder in recovery.idle(tmp_path)
    assert recovery.describe_folder(left.folder).data == "faces"
    assert recovery.describe_folder(tmp_path / "none").runs == 0
    assert recovery.lost(tmp_path / "none") == []


def test_a_slider_costs_little(data, tmp_path):
    kept = Recovery(tmp_path)
    kept.save_run(runs_of(data)[0])
    before = {path: path.stat().st_mtime_ns for path in kept.folder.iterdir()}
    kept.save_state(describe(data), {"choice": {"sparsity": 0.7}})
    written = [path for path in kept.folder.iterdir() if before.get(path) != path.stat().st_mtime_ns]
    assert sum(path.stat().st_size for path in written) < 1 << 20
    assert [path.name for path in written] == ["state.json"]
    kept.close()


_WRITER = """
import os, sys
from pathlib import Path
import numpy as np
from dataclasses import replace
from gsp_studio.io.recovery import Recovery
from gsp_studio.io.saved_run import read_run

saved = read_run(Path(sys.argv[1]))
for root in sys.stdin:
    if (child := os.fork()) == 0:  # a process of its own, without an interpreter's start
        kept = Recovery(Path(root.strip()))
        kept.save_state({}, {"n": 0})
        print(os.getpid(), flush=True)
        for n in range(1, 100000):
            kept.save_live(replace(saved, number=n))
            kept.save_state({}, {"n": n})
            kept.save_weights(np.full(5000, float(n)))
            kept.save_run(replace(saved, number=n))
            print(n, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_fifty_kills_lose_no_finished_run(data, tmp_path):
    saved = runs_of(data)[0]
    write_run(tmp_path / "run.h5", saved)
    chance = random.Random(0)
    command = [sys.executable, "-c", _WRITER, tmp_path / "run.h5"]
    writers = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for kill in range(50):
        root = tmp_path / f"root{kill}"
        print(root, file=writers.stdin, flush=True)
        writer = int(writers.stdout.readline())
        time.sleep(chance.uniform(0, 0.12))
        os.kill(writer, signal.SIGKILL)
        finished = [int(line) for line in iter(writers.stdout.readline, "dead\n")]
        [folder] = recovery.lost(root)
        back = read_folder(folder)
        assert back.problems == ()
        numbers = [run.number for run in back.runs]
        done = max(finished, default=0)
        assert numbers[:done] == list(range(1, done + 1)), "every run that had been kept is there"
        assert len(numbers) - done <= 2
        assert back.state["n"] >= done
        if back.weights is not None:
            assert len(np.unique(back.weights)) == 1
        for run in back.runs[-2:]:
            assert_same_run(replace(run, number=1), saved)
        assert {path.suffix for path in folder.iterdir()} <= {".h5", ".json", ".npy", ".part", ""}
        shutil.rmtree(root)
    assert writers.communicate() == ("", None)


def test_what_a_kill_leaves_half_written_is_no_part_of_it(data, tmp_path):
    kept = Recovery(tmp_path)
    kept.save_state({}, {"n": 1})
    (Path(kept.folder) / ".run-000001.h5-abc.part").write_bytes(b"half")
    assert read_folder(kept.folder).runs == ()
    kept.close()


def test_the_first_files_open_for_good():
    """A file as the first version wrote it: what later versions keep besides is empty, all else is there."""
    session = read_session(OLD)
    assert session.problems == ()
    assert session.dataset.X.shape == (20, 12)
    assert session.weights.shape == (20,)
    assert session.state["view"] == {"contrast": "shared", "colours": "magma", "labels": True}
    first, second = session.runs
    assert (first.number, second.number) == (1, 2)
    assert second.details["note"] == "the second"
    assert second.run.fingerprint == ""
    assert dict(second.run.versions) == {}
    for saved in session.runs:
        result, run = saved.run.result, saved.run
        assert result.W.shape == (20, 3)
        assert result.error == pytest.approx(
            np.linalg.norm(session.dataset.X - result.W @ result.H) / np.linalg.norm(session.dataset.X), rel=1e-5
        )
        start, steering = run.as_done()
        again = gs.factorize(session.dataset.X, start, steering=steering)
        assert again.error == pytest.approx(result.error, rel=1e-4), "it repeats"


def test_runs_of_the_first_format_open_with_all_that_they_say(data, tmp_path):
    """Runs described in terms of their own, as session files of format 1 have them, recoveries and sweeps too."""
    for saved in runs_of(data):
        path = tmp_path / f"{saved.number}.h5"
        write_run(path, saved)
        with h5py.File(path, "r+") as file:
            content = json.loads(bytes(file["content"][()]))
            result, backend = content.pop("result"), content.pop("backend")
            content |= {
                "start": content.pop("params"),
                "reason": result.pop("finished"),
                "backend": backend["asked"],
                "threads": backend["threads"],
                "has_mask": content.pop("mask") is not None,
                "result": {
                    **result,
                    "n_iter": result.pop("iterations"),
                    "best_iter": result.pop("best_iteration"),
                    "backend": backend["computed"],
                },
            }
            del content["result"]["seconds"]
            del file["content"]
            file["content"] = np.frombuffer(json.dumps(content).encode(), np.uint8)
        assert_same_run(read_run(path), saved)
        assert same_value(read_run(path).run.mask, saved.run.mask)


def test_a_run_is_described_as_in_run_json(data, tmp_path):
    saved = runs_of(data)[3]
    write_run(tmp_path / "run.h5", saved)
    export_run(tmp_path / "out", data, saved.run)
    exported = json.loads((tmp_path / "out" / "run.json").read_text())
    with h5py.File(tmp_path / "run.h5") as file:
        kept = json.loads(bytes(file["content"][()]))
    for name in ("params", "interventions", "mask", "backend"):
        assert kept[name] == exported[name]
    assert kept["result"].items() >= exported["result"].items()


def test_a_run_of_a_version_without_trials_in_its_history_opens(data, tmp_path):
    run = SavedRun(1, ran(data, gs.Params(3, sparsity=0.5, max_iter=25, continuation=20)))
    write_run(tmp_path / "run.h5", run)
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        for name in ("held_out_error", "trial", "follows"):
            del file["history"][name]
        content = read_text(file, "content")
        del content["result"]["held_out_error"], content["params"]["held_out"], file["content"]
        write_text(file, "content", content)
    found = read_run(tmp_path / "run.h5").run
    assert found.start == run.run.start
    assert np.isnan(found.result.held_out_error)
    history = found.result.history
    assert np.array_equal(history.error, run.run.result.history.error)
    assert np.array_equal(history.follows, np.arange(25))
    assert not history.trial.any()
    assert np.isnan(history.held_out_error).all()


def test_a_history_of_another_type_is_refused(data, tmp_path):
    write_run(tmp_path / "run.h5", SavedRun(1, ran(data)))
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        del file["history"]["trial"]
        write_array(file["history"], "trial", np.full(12, 0.5))
    with pytest.raises(SessionError, match="the column trial of its history has the type float64"):
        read_run(tmp_path / "run.h5")
