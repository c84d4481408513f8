"""Opening anything: odd paths, progress and cancel, memory, and the few images that are shown before loading."""

import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from making import npy_bytes, pictures, png_header, save_all

import gsp_studio as gs
from gsp_studio.engine.run import FinishReason, RunSpec
from gsp_studio.engine.runner import Runner
from gsp_studio.io import memory
from gsp_studio.io.dataset import LoadOptions
from gsp_studio.io.readers import LoadCancelled, load_dataset, peek, thumbnails


@pytest.fixture
def stack(tmp_path):
    np.save(tmp_path / "stack.npy", pictures(20))
    return tmp_path / "stack.npy"


@pytest.fixture
def folder(tmp_path):
    save_all(pictures(20), tmp_path / "folder")
    return tmp_path / "folder"


@pytest.mark.parametrize("open_it", [peek, load_dataset])
@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("", "the path is empty; accepted are"),
        ("nowhere.npy", "nowhere.npy does not exist; accepted are"),
        ("~nobody-of-this-name/a.npy", "~nobody-of-this-name/a.npy does not exist"),
        ("a\0b.npy", "a\\x00b.npy does not exist"),
        ("x" * 300, "cannot be read: File name too long"),
        (os.devnull, "is neither a file nor a folder"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path, monkeypatch, open_it, path, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(gs.DatasetError) as refused:
        open_it(path)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"hello, world", 'is not a data set (its content starts "hello, world"); accepted are a folder'),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is not a readable .hdf5 file, or is damaged"),
        (b"PK\5\6" + bytes(18), "is not a data set (it is a ZIP archive)"),
        (b"\x1f\x8b\x08" + bytes(30), "is not a data set (it is a gzip file)"),
        (b"\x93NUMPY", "is not a readable .npy file"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "is not a readable .npy file"),
        (b"\x93NUMPY\x09\x00" + bytes(50), "is not a readable .npy file"),
        (npy_bytes((3, 4), descr="O"), "Python objects"),
        (npy_bytes((3, 4), descr="nonsense"), "is not a readable .npy file"),
    ],
)
def test_files_of_other_kinds(tmp_path, content, told):
    (tmp_path / "what.bin").write_bytes(content)
    with pytest.raises(gs.DatasetError) as refused:
        load_dataset(tmp_path / "what.bin")
    assert told in str(refused.value)
    assert "what.bin" in str(refused.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(gs.DatasetError, match="neither a file nor a folder"):
        load_dataset(tmp_path / "pipe.npy")


def test_a_link_that_leads_to_itself(tmp_path):
    try:
        (tmp_path / "a.npy").symlink_to(tmp_path / "a.npy")
    except OSError:
        pytest.skip("links cannot be made here")
    with pytest.raises(gs.DatasetError, match=r"a\.npy"):
        load_dataset(tmp_path / "a.npy")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
@pytest.mark.parametrize("which", ["file", "image", "folder"])
def test_what_may_not_be_read_is_named(which):
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        save_all(pictures(3), Path(name, "set"))
        np.save(Path(name, "a.npy"), pictures(3))
        Path(name, "set", "inner").mkdir()
        target = {"file": Path(name, "a.npy"), "image": Path(name, "set", "image 2.png")}.get(which)
        target = target or Path(name, "set", "inner")
        target.chmod(0)
        try:
            sentence = refused_to_others(target if which == "file" else target.parent)
        finally:
            target.chmod(0o700)
    assert sentence.strip() == f"{target} cannot be opened: permission denied"


def refused_to_others(path):
    """The sentence with which a path is refused; root, who may read everything, is shown what others would see."""
    if os.geteuid() == 0:
        done = subprocess.run([sys.executable, "-c", AS_NOBODY, str(path)], capture_output=True, text=True, check=True)
        if not done.stdout:
            pytest.skip("no other user can be taken on here")
        return done.stdout
    with pytest.raises(gs.DatasetError) as refused:
        load_dataset(path)
    return str(refused.value)


AS_NOBODY = """
import os, sys
from gsp_studio.io import dataset
from gsp_studio.io import readers
from PIL import Image
Image.init()
try:
    os.setgid(65534)
    os.setuid(65534)
except OSError:
    sys.exit()
if os.access(os.path.dirname(sys.argv[1]), os.X_OK):
    try:
        readers.load_dataset(sys.argv[1])
    except dataset.DatasetError as error:
        print(error)
"""


def test_progress_counts_to_the_end(stack, folder):
    for path in (stack, folder):
        seen = []
        load_dataset(path, progress=lambda done, total, seen=seen: seen.append((done, total)))
        assert seen[-1] == (20, 20)
        assert [done for done, _ in seen] == sorted({done for done, _ in seen})
        assert {total for _, total in seen} == {20}


def test_cancel_ends_the_loading_at_the_next_image(stack, folder):
    seen = []
    with pytest.raises(LoadCancelled):
        load_dataset(folder, progress=lambda done, _: seen.append(done), cancelled=lambda: len(seen) == 3)
    assert seen == [1, 2, 3]
    with pytest.raises(LoadCancelled):
        load_dataset(stack, cancelled=lambda: True)


def test_options_as_an_object_and_as_keywords(stack):
    one = load_dataset(stack, LoadOptions(dtype="float64"))
    two = load_dataset(stack, dtype="float64")
    three = load_dataset(stack, LoadOptions(dtype="float32"), dtype="float64")
    assert one.options == two.options == three.options
    assert one.X.dtype == two.X.dtype == three.X.dtype == np.float64
    with pytest.raises(TypeError):
        load_dataset(stack, color="grey")


def test_what_was_resolved_loads_the_same_again(stack, folder):
    for path in (stack, folder):
        data = load_dataset(path)
        again = load_dataset(data.source, data.options)
        assert again.fingerprint == data.fingerprint
        assert again.options == data.options
        assert again.image_shape == data.image_shape


def test_paths_relative_with_a_tilde_and_with_odd_letters(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    name = "ein Bild für Ö 日本 ☃.npy"
    np.save(name, pictures(3))
    assert load_dataset(f"~/{name}").name == name
    data = load_dataset(Path(name))
    assert data.source == str(tmp_path / name)


@pytest.mark.parametrize("count", [1, 3, 8, 100])
def test_thumbnails_are_spread_over_the_whole(stack, folder, count):
    for path in (stack, folder):
        found = peek(path)
        images = thumbnails(found, count)
        assert images.shape == (min(count, 20), 9, 7)
        assert images.dtype == np.float32
        assert images.min() == 0
        assert images.max() == 1


def test_thumbnails_of_large_images_are_reduced(tmp_path):
    large = np.zeros((2, 600, 301), np.float32)
    large[1, :300] = 4
    np.save(tmp_path / "a.npy", large)
    images = thumbnails(peek(tmp_path / "a.npy"))
    assert images.shape == (2, 150, 75)
    assert np.array_equal(images[1], np.repeat([1.0, 0.0], 75)[:, None].repeat(75, axis=1))
    assert not images[0].any()


def test_thumbnails_of_data_with_bad_values(tmp_path):
    values = pictures(3).astype(float)
    values[0, 0, 0], values[1, 0, 0] = np.nan, np.inf
    np.save(tmp_path / "a.npy", values)
    assert np.isfinite(thumbnails(peek(tmp_path / "a.npy"))).all()


def test_memory_is_compared_before_it_is_taken(stack, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_SMALL", 0)
    monkeypatch.setattr(memory, "free_memory", lambda: 1000)
    with pytest.raises(
        gs.DatasetError, match=r"stack.npy with 20 images of 9 x 7 needs 6.15 KiB of memory, but 1000 B"
    ):
        load_dataset(stack)
    for k in range(2):
        (tmp_path / f"{k}.png").write_bytes(png_header(12000, 12000))
    with pytest.raises(gs.DatasetError, match=r"2 images of 12000 x 12000 needs 5.63 GiB of memory"):
        load_dataset(tmp_path)


@pytest.mark.slow
def test_a_sparse_file_larger_than_memory_opens_and_is_refused(tmp_path):
    path = tmp_path / "large.npy"
    header = npy_bytes((2**26, 256, 256), descr="|u1")
    with path.open("wb") as file:
        file.write(header)
        try:
            file.truncate(len(header) + 2**42)
        except OSError:
            pytest.skip("this file system has no files of 4 TiB")
    found = peek(path)
    assert found.n_images == 2**26
    assert not thumbnails(found).any()
    with pytest.raises(gs.DatasetError, match=r"needs 20 TiB of memory.*leave them on the disk \(storage\)"):
        load_dataset(path, storage="memory")
    data = load_dataset(path)
    assert data.X.shape == (256 * 256, 2**26)
    assert data.names[-1] == f"image {2**26}"
    outcome = Runner(RunSpec(data.X, gs.Params(rank=4000, method="ahals"))).run()
    assert outcome.reason is FinishReason.FAILED
    assert outcome.error_text.startswith("a run of rank 4000 on 67108864 images needs 3.91 TiB of memory")


def test_free_memory_is_told_and_has_units():
    assert 0 < memory.free_memory() <= 2**62
    assert [memory.in_units(n) for n in (0, 512, 1536, 2**40, 2**70)] == [
        "0 B",
        "512 B",
        "1.5 KiB",
        "1 TiB",
        "1.02e+03 EiB",
    ]


def test_control_groups_bound_the_free_memory(tmp_path, monkeypatch):
    group = tmp_path / "job"
    group.mkdir()
    monkeypatch.setattr(memory, "_GROUPS", tmp_path)
    (group / "memory.max").write_text("1000000\n")
    (group / "memory.current").write_text("700000\n")
    (group / "memory.stat").write_text("anon 600000\ninactive_file 50000\nactive_file 7\n")
    (tmp_path / "memory.max").write_text("max\n")
    read_text = Path.read_text

    def here(path, *args, **kwargs):
        return "0::/job\n" if path == Path("/proc/self/cgroup") else read_text(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", here)
    assert memory.free_memory() == 350000


def test_opening_leaves_the_filters_of_warnings_alone(folder):
    before = list(warnings.filters)
    load_dataset(folder)
    assert warnings.filters == before
