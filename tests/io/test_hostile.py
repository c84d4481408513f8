"""Files that are damaged, that lie, or that want to do harm, and sound ones that only look odd: each ends as told here.

A case writes its files into a folder and names what is opened; `loads` cases say what they give, `refused` ones what
the one sentence has to say.
"""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
from making import npy_bytes, pictures
from PIL import Image

import gsp_studio as gs
from gsp_studio.io.readers import load_dataset, peek

GREY = np.random.default_rng(0).integers(0, 255, (12, 16, 16), np.uint8)
Case = Callable[[Path], Path]
LOADS: dict[str, tuple[Case, dict[str, object], int, tuple[int, int]]] = {}
REFUSED: dict[str, tuple[Case, str]] = {}


def loads(count: int, shape: tuple[int, int], **choices: object) -> Callable[[Case], Case]:
    """The case opens, with so many images of that shape."""

    def register(case: Case) -> Case:
        LOADS[case.__name__] = (case, choices, count, shape)
        return case

    return register


def refused(told: str) -> Callable[[Case], Case]:
    """The case is refused, and these words say why."""

    def register(case: Case) -> Case:
        REFUSED[case.__name__] = (case, told)
        return case

    return register


def save(path: Path, image: np.ndarray, **options: object) -> Path:
    Image.fromarray(image).save(path, **options)
    return path


def stack(path: Path, values: np.ndarray) -> Path:
    np.save(path / "x.npy", values)
    return path / "x.npy"


class Planted:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path / "harm"),)


# Images


@refused("is damaged or truncated")
def png_cut_in_half(path: Path) -> Path:
    for k in range(2):
        file = save(path / f"{k}.png", np.random.default_rng(k).integers(0, 255, (64, 64), np.uint8))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return path


@refused("of memory, but")
def image_of_144_megapixels(path: Path) -> Path:
    save(path / "a.png", np.zeros((12000, 12000), np.uint8))
    save(path / "b.png", np.zeros((12000, 12000), np.uint8))
    return path


@refused("is named like an image but is none")
def text_renamed_png(path: Path) -> Path:
    save(path / "a.png", GREY[0])
    (path / "b.png").write_text("this is not a picture")
    return path


@loads(2, (16, 20))
def sixteen_bit_pgm_with_a_comment(path: Path) -> Path:
    values = np.arange(320, dtype=">u2").reshape(16, 20) * 205
    for k in range(2):
        (path / f"{k}.pgm").write_bytes(
            b"P5\n# a comment\n20 16\n65525\n" + (values // (k + 1)).astype(">u2").tobytes()
        )
    return path


@loads(2, (3, 4))
def ascii_pgm(path: Path) -> Path:
    for k in range(2):
        (path / f"{k}.pgm").write_text(f"P2\n4 3\n15\n{' '.join(str((i + k) % 16) for i in range(12))}\n")
    return path


@loads(2, (16, 16))
def palette_with_alpha(path: Path) -> Path:
    for k in range(2):
        image = Image.fromarray(GREY[k]).convert("P")
        image.info["transparency"] = bytes(range(256))
        image.save(path / f"{k}.png", transparency=bytes(range(256)))
    return path


@loads(2, (24, 16))
def jpeg_turned_by_exif(path: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6
    for k in range(2):
        save(path / f"{k}.jpg", np.random.default_rng(k).integers(0, 255, (16, 24), np.uint8), exif=exif)
    return path


@refused("cut.gif")
def gif_cut_in_half(path: Path) -> Path:
    first, *rest = (Image.fromarray(image) for image in GREY)
    first.save(path / "whole.gif", save_all=True, append_images=rest)
    content = (path / "whole.gif").read_bytes()
    (path / "cut.gif").write_bytes(content[: len(content) // 2])
    return path / "cut.gif"


@refused("at least 2")
def folder_with_one_image(path: Path) -> Path:
    save(path / "a.png", GREY[0])
    return path


@loads(5, (16, 16))
def five_grey_images_without_contrast(path: Path) -> Path:
    for k in range(5):
        save(path / f"{k}.png", np.full((16, 16), 128, np.uint8))
    return path


@refused("images differ in size")
def folder_of_many_sizes(path: Path) -> Path:
    for k, shape in enumerate([(16, 16), (20, 16), (16, 24), (8, 8)]):
        (path / "ab"[k % 2]).mkdir(exist_ok=True)
        save(path / "ab"[k % 2] / f"{k}.png", np.full(shape, 9 * k, np.uint8))
    save(path / "a" / "colour.png", np.zeros((16, 16, 3), np.uint8))
    return path


@loads(2, (16, 16))
def links_that_loop_dangle_and_lead_out(path: Path) -> Path:
    (path / "set").mkdir()
    for k in range(2):
        save(path / "set" / f"{k}.png", GREY[k])
    save(path / "outside.png", GREY[3])
    (path / "set" / "loop").symlink_to(path / "set", target_is_directory=True)
    (path / "set" / "dangling.png").symlink_to(path / "nowhere.png")
    (path / "set" / "out.png").symlink_to(path / "outside.png")
    (path / "set" / "host").symlink_to("/etc/hostname")
    os.mkfifo(path / "set" / "pipe.png")
    return path / "set"


@refused("is neither a file nor a folder")
def pipe(path: Path) -> Path:
    os.mkfifo(path / "pipe")
    return path / "pipe"


@refused("contains no images")
def empty_folder(path: Path) -> Path:
    (path / "empty").mkdir()
    return path / "empty"


# Archives


@refused("is damaged")
def zip_with_a_wrong_size(path: Path) -> Path:
    content = io.BytesIO()
    Image.fromarray(GREY[0]).save(content, "PNG")
    with zipfile.ZipFile(path / "x.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.png", content.getvalue())
        archive.writestr("b.png", content.getvalue())
    raw = (path / "x.zip").read_bytes()
    (path / "x.zip").write_bytes(raw.replace(struct.pack("<I", len(content.getvalue())), struct.pack("<I", 100)))
    return path / "x.zip"


@refused("contains no images")
def zip_in_zip(path: Path) -> Path:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.txt", "hello")
    with zipfile.ZipFile(path / "x.zip", "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())
    return path / "x.zip"


@loads(2, (16, 16))
def tar_with_names_that_lead_out(path: Path) -> Path:
    with tarfile.open(path / "x.tar", "w") as archive:
        for k, name in enumerate(("../up.png", "/absolute.png")):
            content = io.BytesIO()
            Image.fromarray(GREY[k]).save(content, "PNG")
            item = tarfile.TarInfo(name)
            item.size = content.tell()
            content.seek(0)
            archive.addfile(item, content)
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(path)
        archive.addfile(link)
        through = tarfile.TarInfo("link/written.txt")
        through.size = 5
        archive.addfile(through, io.BytesIO(b"hello"))
        device = tarfile.TarInfo("device.png")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
    return path / "x.tar"


# Arrays


@refused("Python objects")
def object_array(path: Path) -> Path:
    np.save(path / "x.npy", np.array([Planted(path)], dtype=object), allow_pickle=True)
    return path / "x.npy"


@refused("bytes follow")
def npy_of_two_pebibytes(path: Path) -> Path:
    (path / "x.npy").write_bytes(npy_bytes((2**19, 2**15, 2**15), body=bytes(100)))
    return path / "x.npy"


@refused("NaN")
def bad_values_without_a_choice(path: Path) -> Path:
    values = GREY.astype(np.float32)
    values[3, 1, 2], values[4, 0, 0], values[5, 3, 3] = np.nan, np.inf, -np.inf
    return stack(path, values)


@loads(9, (16, 16), nonfinite="drop")
def bad_values_dropped(path: Path) -> Path:
    return bad_values_without_a_choice(path)


@loads(12, (16, 16), nonfinite="zero")
def bad_values_set_to_zero(path: Path) -> Path:
    return bad_values_without_a_choice(path)


@refused("negative")
def negative_values_without_a_choice(path: Path) -> Path:
    return stack(path, GREY.astype(np.float32) - 128)


@loads(12, (16, 16), negative="shift")
def negative_values_shifted(path: Path) -> Path:
    return negative_values_without_a_choice(path)


@loads(12, (16, 16))
def boolean_stack(path: Path) -> Path:
    return stack(path, GREY > 100)


@refused("contains no images")
def stack_of_no_images(path: Path) -> Path:
    return stack(path, np.zeros((0, 16, 16)))


@refused("0 dimensions")
def single_number(path: Path) -> Path:
    return stack(path, np.float64(3))


@loads(12, (16, 16))
def matlab_cell(path: Path) -> Path:
    cell = np.empty((1, 12), dtype=object)
    for k in range(12):
        cell[0, k] = GREY[k]
    scipy.io.savemat(path / "x.mat", {"faces": cell})
    return path / "x.mat"


@refused("is a cell array (1 x 2)")
def matlab_cell_of_other_things(path: Path) -> Path:
    cell = np.empty((1, 2), dtype=object)
    cell[0, 0], cell[0, 1] = GREY[0], GREY[0, :5]
    scipy.io.savemat(path / "x.mat", {"faces": cell})
    return path / "x.mat"


@refused("damaged")
def matlab_file_cut(path: Path) -> Path:
    scipy.io.savemat(path / "x.mat", {"faces": GREY})
    (path / "x.mat").write_bytes((path / "x.mat").read_bytes()[:700])
    return path / "x.mat"


@refused('line 2, column 1 is "alice", which is not a number')
def table_of_names(path: Path) -> Path:
    (path / "x.csv").write_text("name,town\nalice,paris\n")
    return path / "x.csv"


@loads(2, (2, 2), images_in="rows", image_shape=(2, 2))
def table_with_decimal_commas(path: Path) -> Path:
    (path / "x.csv").write_bytes("\ufeff1,5;2,25;3;4\n5;6,5;7;8,125\n".encode())
    return path / "x.csv"


@refused("2147483648")
def idx_of_a_terabyte(path: Path) -> Path:
    (path / "x.idx").write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 28, 28) + bytes(784))
    return path / "x.idx"


@refused("truncated")
def gzip_cut_short(path: Path) -> Path:
    content = bytes([0, 0, 8, 3]) + struct.pack(">3I", *GREY.shape) + GREY.tobytes()
    (path / "x-ubyte.gz").write_bytes(gzip.compress(content)[:1000])
    return path / "x-ubyte.gz"


@loads(12, (16, 16))
def idx_of_big_endian_doubles(path: Path) -> Path:
    (path / "x.idx").write_bytes(
        bytes([0, 0, 0x0E, 3]) + struct.pack(">3I", *GREY.shape) + GREY.astype(">f8").tobytes()
    )
    return path / "x.idx"


@refused("is empty")
def empty_tiff(path: Path) -> Path:
    (path / "x.tif").write_bytes(b"")
    return path / "x.tif"


@refused("holds 1 image of 16 x 20")
def planar_colour_tiff(path: Path) -> Path:
    values = np.random.default_rng(0).integers(0, 255, (3, 16, 20), np.uint8)
    tifffile.imwrite(path / "x.tif", values, photometric="rgb", planarconfig="separate")
    return path / "x.tif"


@loads(12, (16, 16), negative="clip")
def float_tiff_with_negative_values(path: Path) -> Path:
    tifffile.imwrite(path / "x.tif", (GREY / 255 - 0.5).astype(np.float32), photometric="minisblack")
    return path / "x.tif"


@refused("rows are 3071 bytes, expected are 3072")
def cifar_with_short_rows(path: Path) -> Path:
    (path / "batch").write_bytes(pickle.dumps({b"data": np.zeros((3, 3071), np.uint8)}))
    return path / "batch"


@refused('without a uint8 array under "data"')
def cifar_with_text(path: Path) -> Path:
    (path / "batch").write_bytes(pickle.dumps({b"data": "hello"}))
    return path / "batch"


@refused("is a pickle that asks for")
def cifar_with_a_plant(path: Path) -> Path:
    (path / "batch").write_bytes(pickle.dumps({b"data": Planted(path)}))
    return path / "batch"


@refused("is not a data set")
def safetensors_that_lie(path: Path) -> Path:
    (path / "x.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}" + bytes(64))
    return path / "x.safetensors"


@loads(12, (16, 16))
def hdf5_with_links_everywhere(path: Path) -> Path:
    with h5py.File(path / "x.h5", "w") as file:
        file["images"] = GREY
        file["outside"] = h5py.ExternalLink("/etc/hostname", "/")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["circle"] = h5py.SoftLink("/")
    return path / "x.h5"


@refused("values are in another file")
def hdf5_with_values_elsewhere(path: Path) -> Path:
    with h5py.File(path / "x.h5", "w") as file:
        file.create_dataset("images", (2, 2, 2), np.uint8, external=[("/etc/hostname", 0, 8)])
    return path / "x.h5"


@refused("tried were")
def envi_without_its_values(path: Path) -> Path:
    (path / "x.hdr").write_text("ENVI\nsamples = 4\nlines = 4\nbands = 3\ndata type = 1\ninterleave = bsq\n")
    return path / "x.hdr"


@pytest.mark.parametrize("name", LOADS)
def test_what_looks_odd_loads(tmp_path: Path, name: str) -> None:
    case, choices, count, shape = LOADS[name]
    opened = case(tmp_path)
    before = sorted(map(str, tmp_path.rglob("*")))
    data = load_dataset(opened, **choices)
    assert (data.X.shape[1], data.image_shape) == (count, shape)
    assert data.X.min() >= 0
    assert sorted(map(str, tmp_path.rglob("*"))) == before
    assert peek(opened, **choices).n_images == 12 if name == "bad_values_dropped" else count


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_one_sentence(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case, told = REFUSED[name]
    opened = case(tmp_path)
    before = sorted(map(str, tmp_path.rglob("*")))
    monkeypatch.setattr("gsp_studio.io.memory.free_memory", lambda: 1 << 30)
    with pytest.raises(gs.DatasetError) as error:
        load_dataset(opened)
    sentence = str(error.value)
    assert told in sentence
    assert "\n" not in sentence
    assert sorted(map(str, tmp_path.rglob("*"))) == before, "something was written"


def test_values_are_as_they_were_written(tmp_path: Path) -> None:
    assert load_dataset(sixteen_bit_pgm_with_a_comment(tmp_path)).X.max() == pytest.approx(319 * 205 / 65535, rel=1e-3)
    table = load_dataset(table_with_decimal_commas(tmp_path), images_in="rows")
    assert table.X.T.tolist() == [[1.5, 2.25, 3, 4], [5, 6.5, 7, 8.125]]
    assert pictures(1).shape == (1, 9, 7)


_LIMITED = """
import resource, sys
from pathlib import Path
import gsp_studio as gs

gs.load_dataset(sys.argv[1])  # the libraries are there before the limit is
import h5py, scipy.io, tifffile, PIL.Image


def kibibytes(name):
    status = open("/proc/self/status").read().split()
    return int(status[status.index(name) + 1])


resource.setrlimit(resource.RLIMIT_DATA, (1024 * kibibytes("VmData:") + 200 * 2**20,) * 2)
before = kibibytes("VmHWM:")
for path in sys.argv[2:]:
    try:
        gs.load_dataset(path)
    except gs.DatasetError as error:
        if isinstance(error.__cause__, MemoryError):
            print(path, "went for memory that is not there")
    except BaseException as error:
        print(path, repr(error))
grown = kibibytes("VmHWM:") - before
if grown > 150 * 1024:
    print(f"{grown} KiB at its height")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limits")
def test_memory_stays_under_a_limit(tmp_path: Path) -> None:
    opened = []
    for name, (case, _) in REFUSED.items():
        (tmp_path / name).mkdir()
        opened.append(str(case(tmp_path / name)))
    sound = str(stack(tmp_path, GREY))
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, sound, *opened], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == ""
