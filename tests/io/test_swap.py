"""An export that is killed at any moment: the old one or the new one is there, whole, and the next one goes in."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from making import pictures

import gsp_studio as gs
from gsp_studio.io import swap
from gsp_studio.io.atomic import ExportError, FolderTaken, WriteError, write_whole
from gsp_studio.io.export.options import ExportOptions
from gsp_studio.io.export.run_folder import export_run
from gsp_studio.io.factors import read_factors
from gsp_studio.io.run_json import read_run
from gsp_studio.io.run_record import ExportedRun


class Killed(BaseException):
    """Stands for SIGKILL: nothing is tidied up after it."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "images.npy"
    np.save(path, pictures(30))
    return gs.load_dataset(path)


@pytest.fixture(scope="module")
def runs(dataset):
    """A run of 4 basis images, and one of 2."""
    several = [gs.Params(rank, sparsity=0.5, max_iter=3) for rank in (4, 2)]
    return [
        ExportedRun(result=gs.factorize(dataset.X, params, "reference"), start=params, reason="done")
        for params in several
    ]


def is_whole(folder, run):
    """Whether a folder has this run and nothing of another."""
    listed = set(json.loads((folder / "run.json").read_text())["files"])
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return listed == there and np.array_equal(read_factors(folder)[0], run.result.W)


def kill_at(monkeypatch, after):
    """End the process, as far as the disk is concerned, before a move."""
    rename, calls = os.replace, []

    def replace_or_die(source, target):
        calls.append(target)
        if len(calls) > after:
            raise Killed
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace_or_die)
    monkeypatch.setattr(swap, "_is_moved_back", lambda target, source: False)
    return calls


@pytest.mark.parametrize("after", range(16))
def test_a_kill_between_two_moves_ends_in_the_new_export(tmp_path, dataset, runs, monkeypatch, after):
    old, new = runs
    export_run(tmp_path, dataset, old, ExportOptions(extras=("mat",)))
    (tmp_path / "basis" / "mine.txt").write_text("mine")
    with monkeypatch.context() as patch:
        calls = kill_at(patch, after)
        with pytest.raises(Killed):
            export_run(tmp_path, dataset, new, force=True)
    assert len(calls) == after + 1
    assert list(tmp_path.glob(".export-*")), "what a kill leaves"
    assert read_run(tmp_path).start == new.start
    assert (tmp_path / "basis" / "mine.txt").read_text() == "mine"
    (tmp_path / "basis" / "mine.txt").unlink()
    assert not list(tmp_path.glob(".export-*"))
    assert is_whole(tmp_path, new)
    export_run(tmp_path, dataset, old, force=True)
    assert is_whole(tmp_path, old)


@pytest.mark.parametrize("after", [0, 3, 9, 12])
def test_a_kill_does_not_block_the_folder(tmp_path, dataset, runs, monkeypatch, after):
    old, new = runs
    export_run(tmp_path, dataset, old)
    with monkeypatch.context() as patch:
        kill_at(patch, after)
        with pytest.raises(Killed):
            export_run(tmp_path, dataset, new, force=True)
    export_run(tmp_path, dataset, old, force=True)
    assert is_whole(tmp_path, old)
    assert not list(tmp_path.glob(".export-*"))


def test_another_run_is_not_replaced_without_being_asked(tmp_path, dataset, runs):
    old, new = runs
    export_run(tmp_path, dataset, old)
    with pytest.raises(
        FolderTaken, match=r"holds another run \(gsphals, rank 4, of images.npy\); choose another folder, or"
    ):
        export_run(tmp_path, dataset, new)
    assert is_whole(tmp_path, old)
    export_run(tmp_path, dataset, old)  # the same run may replace itself
    export_run(tmp_path, dataset, new, force=True)
    assert is_whole(tmp_path, new)


def test_a_run_that_a_kill_left_between_two_moves_is_not_replaced_either(tmp_path, dataset, runs, monkeypatch):
    old, new = runs
    export_run(tmp_path, dataset, old)
    with monkeypatch.context() as patch:
        kill_at(patch, 2)
        with pytest.raises(Killed):
            export_run(tmp_path, dataset, new, force=True)
    with pytest.raises(FolderTaken):
        export_run(tmp_path, dataset, old)
    assert is_whole(tmp_path, new)


def test_a_kill_before_the_moves_leaves_the_old_export(tmp_path, dataset, runs, monkeypatch):
    old, new = runs
    export_run(tmp_path, dataset, old)
    with monkeypatch.context() as patch:
        patch.setattr(swap, "force", lambda path: (_ for _ in ()).throw(Killed()))
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(Killed):
            export_run(tmp_path, dataset, new, force=True)
    assert list(tmp_path.glob(".export-*"))
    assert read_run(tmp_path).start == old.start
    assert is_whole(tmp_path, old)
    export_run(tmp_path, dataset, new, force=True)
    assert is_whole(tmp_path, new)


_KILLED = """
import os, signal, sys
import numpy as np
import gsp_studio as gs
from gsp_studio.io.export.run_folder import ExportedRun, export_run
data = gs.load_dataset(sys.argv[1])
params = gs.Params(2, sparsity=0.5, max_iter=3)
run = ExportedRun(params, result=gs.factorize(data.X, params, "reference"))
rename, calls = os.replace, []
def replace(source, target):
    calls.append(target)
    if len(calls) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)
os.replace = replace
export_run(sys.argv[2], data, run, force=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_process_that_is_killed_for_good(tmp_path, dataset, runs):
    export_run(tmp_path / "out", dataset, runs[0])
    done = subprocess.run([sys.executable, "-c", _KILLED, dataset.source, tmp_path / "out"], check=False)
    assert done.returncode == -9
    assert not (tmp_path / "out" / "run.json").exists()
    assert read_factors(tmp_path / "out")[0].shape == (63, 2)
    assert is_whole(tmp_path / "out", runs[1])


def test_the_folder_of_a_process_that_is_at_work_stays(tmp_path, dataset, runs):
    with swap.staging_folder(tmp_path) as new:
        (new / "montage.png").write_bytes(b"half")
        export_run(tmp_path, dataset, runs[0])
        assert (new / "montage.png").read_bytes() == b"half"
    assert is_whole(tmp_path, runs[0])


@pytest.mark.parametrize(
    "content",
    [
        {"names": ["../victim"], "gone": []},
        {"names": ["montage.png"], "gone": ["../victim"]},
        {"names": ["montage.png"], "gone": ["sub/victim"]},
        {"names": ["montage.png", 3], "gone": []},
        {"names": 3},
        [],
    ],
)
def test_a_record_cannot_reach_other_places(tmp_path, content):
    out = tmp_path / "out"
    new = out / ".export-abc" / "new"
    new.mkdir(parents=True)
    (out / "sub").mkdir()
    for victim in (tmp_path / "victim", out / "sub" / "victim"):
        victim.write_text("keep")
    for name in ("lock", "new/montage.png"):
        (out / ".export-abc" / name).write_text("harm")
    (out / ".export-abc" / "moves.json").write_text(json.dumps(content))
    swap.complete(out)
    assert (tmp_path / "victim").read_text() == "keep"
    assert (out / "sub" / "victim").read_text() == "keep"
    assert not (out / "montage.png").exists()


def test_folders_of_somebody_else_stay(tmp_path, dataset, runs):
    (tmp_path / ".export-notes").mkdir()
    (tmp_path / ".export-notes" / "thesis.tex").write_text("keep")
    export_run(tmp_path, dataset, runs[0])
    assert (tmp_path / ".export-notes" / "thesis.tex").read_text() == "keep"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_in_the_place_of_a_folder_is_not_written_through(tmp_path, dataset, runs):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    for name in ("basis", "basis16"):
        (tmp_path / "out" / name).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ExportError, match=f"out/{name} is a link; exports write into folders only"):
            export_run(tmp_path / "out", dataset, runs[0], ExportOptions(extras=("png16",)))
        (tmp_path / "out" / name).unlink()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert list((tmp_path / "out").iterdir()) == []


def test_all_is_on_the_disk_before_anything_is_moved(tmp_path, dataset, runs, monkeypatch):
    forced, rename = [], os.replace

    def replace_after_all(source, target):
        assert {path.name for path in forced} >= {"run.json", "factors.npz", "moves.json"}
        rename(source, target)

    force = swap.force
    monkeypatch.setattr(swap, "force", lambda path: (forced.append(path), force(path)))
    monkeypatch.setattr(os, "replace", replace_after_all)
    export_run(tmp_path, dataset, runs[0])
    assert tmp_path in forced


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs to mount a small disk")
def test_a_full_disk_is_one_sentence_for_every_kind_of_export(tmp_path, dataset, runs):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", disk], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        export_run(disk / "out", dataset, runs[1])
        rng, result = np.random.default_rng(0), runs[0].result
        gram = replace(result.gram, G=np.eye(4000))
        large = replace(runs[0], result=replace(result, W=rng.random((63, 4000)), H=rng.random((4000, 300)), gram=gram))
        many = replace(dataset, X=np.asfortranarray(rng.random((63, 300))), names=("x",) * 300)
        for extra in ("h5", "mat", "csv", "coefficients", "tiff", "factors"):
            is_factors, extras = extra == "factors", () if extra == "factors" else (extra,)
            what = ExportOptions(basis=False, montage=False, factors=is_factors, history=False, extras=extras)
            with pytest.raises(ExportError, match="No space left on device"):
                export_run(disk / "out", many, large, what, force=True)
            assert read_run(disk / "out").start == runs[1].start
            assert not list((disk / "out").glob(".export-*"))
        assert is_whole(disk / "out", runs[1])

        def write(path):
            with suppress(OSError):
                path.write_bytes(bytes(1 << 20))
            raise RuntimeError("[enforce fail at inline_container.cc:603] unexpected pos 64 vs 0")  # PyTorch's words

        with pytest.raises(WriteError, match=r"model\.pt cannot be written: No space left on device"):
            write_whole(disk / "model.pt", write)
        assert sorted(path.name for path in disk.iterdir()) == ["out"]
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
