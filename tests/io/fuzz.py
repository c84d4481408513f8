"""Damage valid files at random and see that readers end in a data set or a DatasetError: ``python tests/io/fuzz.py``.

Each seed makes one damaged file of one kind; what fails is written beside the seed's number, to become a test.
"""

from __future__ import annotations

import argparse
import faulthandler
import gzip
import io
import pickle
import shutil
import struct
import sys
import tarfile
import tempfile
import traceback
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import h5py
import numcodecs
import numpy as np
import scipy.io
import tifffile
import zarr
from PIL import Image
from zarr.codecs import GzipCodec

import gsp_studio as gs

IMAGES = np.random.default_rng(0).integers(0, 255, (5, 8, 6), np.uint8)


#: Kinds that are read from the disk, too.
IN_PARTS = (
    "npy",
    "hdf5",
    "envi",
    "envi, more fields",
    "hdf5 in chunks",
    "zarr 2",
    "zarr 3",
    "chunk of zarr 2",
    "chunk of zarr 3",
)

#: Seconds after which a file counts as one that hangs a reader.
PATIENCE = 60


def _bytes(write: Callable[[io.BytesIO], object]) -> bytes:
    content = io.BytesIO()
    write(content)
    return content.getvalue()


def _picture(kind: str, image: np.ndarray = IMAGES[0]) -> bytes:
    return _bytes(lambda stream: Image.fromarray(image).save(stream, kind))


def _gif(stream: io.BytesIO) -> None:
    first, *rest = (Image.fromarray(image) for image in IMAGES)
    first.save(stream, "GIF", save_all=True, append_images=rest)


def _hdf5(stream: io.BytesIO) -> None:
    with h5py.File(stream, "w") as file:
        file["group/images"] = IMAGES
        file["group/labels"] = np.arange(5)


def _matlab73(stream: io.BytesIO) -> None:
    content = io.BytesIO()
    with h5py.File(content, "w", userblock_size=512) as file:
        file["a"] = IMAGES
        file["a"].attrs["MATLAB_class"] = np.bytes_("uint8")
        file["gnd"] = np.arange(5.0)
        file["gnd"].attrs["MATLAB_class"] = np.bytes_("double")
    written = bytearray(content.getvalue())
    written[:128] = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    stream.write(written)


def _cell(stream: io.BytesIO) -> None:
    cell = np.empty((1, 5), object)
    for k, image in enumerate(IMAGES):
        cell[0, k] = image
    scipy.io.savemat(stream, {"faces": cell})


def _zip(stream: io.BytesIO) -> None:
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for k, image in enumerate(IMAGES):
            archive.writestr(f"{k}.png", _picture("PNG", image))


def _tar(stream: io.BytesIO) -> None:
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for k, image in enumerate(IMAGES):
            content = _picture("PNG", image)
            item = tarfile.TarInfo(f"{k}.png")
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))


def _tiff(**how: object) -> bytes:
    return _bytes(lambda stream: tifffile.imwrite(stream, IMAGES, **{"photometric": "minisblack", **how}))


def _tiff_of_unlike_pages(stream: io.BytesIO) -> None:
    colours = np.stack([IMAGES[0]] * 3, axis=-1)
    kinds = [{"compression": "lzw"}, {"tile": (16, 16)}, {"compression": "zstd"}, {"rowsperstrip": 3}]
    with tifffile.TiffWriter(stream) as file:
        for k, how in enumerate(kinds):
            turned = [(274, 3, 1, k + 1, True)]
            file.write(IMAGES[k], photometric="miniswhite", metadata=None, extratags=turned, **how)
        file.write(colours, photometric="rgb", compression="jpeg", metadata=None)
        file.write(colours.transpose(2, 0, 1), photometric="rgb", planarconfig="separate", metadata=None)
        file.write(IMAGES[4], photometric="palette", colormap=np.zeros((3, 256), np.uint16), metadata=None)
        file.write(IMAGES[4, ::2], photometric="minisblack", subfiletype=1, metadata=None)


def _idx() -> bytes:
    return bytes([0, 0, 8, 3]) + struct.pack(">3I", *IMAGES.shape) + IMAGES.tobytes()


def _envi() -> bytes:
    return b"ENVI\nsamples = 6\nlines = 8\nbands = 5\ndata type = 1\ninterleave = bsq\nbyte order = 0\n"


def _full_envi() -> bytes:
    more = b"major frame offsets = {0, 0}\nheader offset = 0 ; none\ndata ignore value = 7\nbbl = {1, 1, 0,\n1, 1}\n"
    return _envi() + b"; a comment\nband names = {\na, b, c,\nd, e}\nfile type = ENVI Standard\n" + more


def _chunked(stream: io.BytesIO) -> None:
    with h5py.File(stream, "w", libver="latest") as file:
        item = file.create_dataset("a/x", (5, 1, 8, 6), np.int16, chunks=(2, 1, 8, 6), compression="gzip", shuffle=True)
        item[:4] = IMAGES[:4, None]
        item.attrs.update({"_FillValue": np.int16(7), "scale_factor": 0.5})
        file["soft"] = h5py.SoftLink("/a/x")


@cache
def _store(version: int) -> dict[str, bytes]:
    """The files of a Zarr folder."""
    with tempfile.TemporaryDirectory() as folder:
        item = zarr.create_array(
            Path(folder, "x.zarr"),
            shape=IMAGES.shape,
            chunks=(2, 8, 6),
            dtype="uint8",
            zarr_format=version,
            compressors=GzipCodec() if version == 3 else numcodecs.Zlib(),
            attributes={"_FillValue": 7},
        )
        item[:] = IMAGES
        files = (file for file in Path(folder).rglob("*") if file.is_file())
        return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def _table() -> bytes:
    return "\n".join(";".join(f"{value / 7:.3f}" for value in image.ravel()) for image in IMAGES).encode()


def samples() -> dict[str, tuple[str, bytes]]:
    """A small valid file of each kind, by the name that it is saved under."""
    made = {
        "npy": ("x.npy", _bytes(lambda stream: np.save(stream, IMAGES))),
        "npz": ("x.npz", _bytes(lambda stream: np.savez_compressed(stream, a=IMAGES, labels=np.arange(5)))),
        "mat": ("x.mat", _bytes(lambda stream: scipy.io.savemat(stream, {"a": IMAGES, "c": np.eye(3)}))),
        "cell": ("c.mat", _bytes(_cell)),
        "matz": ("z.mat", _bytes(lambda stream: scipy.io.savemat(stream, {"a": IMAGES}, do_compression=True))),
        "hdf5": ("x.h5", _bytes(_hdf5)),
        "mat73": ("m.mat", _bytes(_matlab73)),
        "idx": ("x.idx", _idx()),
        "idx.gz": ("x-ubyte.gz", gzip.compress(_idx())),
        "tiff": ("x.tif", _tiff()),
        "big tiff": ("big.tif", _tiff(bigtiff=True, byteorder=">", metadata=None, compression="lzma")),
        "ome": ("o.ome.tif", _tiff(metadata={"axes": "TYX"}, ome=True)),
        "tiff of bands": ("b.tif", _tiff(planarconfig="contig", metadata=None, compression="zlib", predictor=2)),
        "tiff of unlike pages": ("u.tif", _bytes(_tiff_of_unlike_pages)),
        "imagej": ("j.tif", _bytes(lambda stream: tifffile.imwrite(stream, IMAGES, imagej=True))),
        "envi": ("cube.hdr", _envi()),
        "csv": ("x.csv", _table()),
        "envi, more fields": ("cube.hdr", _full_envi()),
        "hdf5 in chunks": ("x.h5", _bytes(_chunked)),
        "zarr 2": ("x.zarr/.zarray", _store(2)["x.zarr/.zarray"]),
        "zarr 3": ("x.zarr/zarr.json", _store(3)["x.zarr/zarr.json"]),
        "chunk of zarr 2": ("x.zarr/0.0.0", _store(2)["x.zarr/0.0.0"]),
        "chunk of zarr 3": ("x.zarr/c/0/0/0", _store(3)["x.zarr/c/0/0/0"]),
        "batch": ("batch", pickle.dumps({b"data": np.ones((3, 3072), np.uint8), b"labels": [1, 2, 3]}, 2)),
        "gif": ("x.gif", _bytes(_gif)),
        "zip": ("x.zip", _bytes(_zip)),
        "tar": ("x.tar", _bytes(_tar)),
    }
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM"):
        made[f"a folder with {kind}"] = (f"folder/x.{kind.lower()}", _picture(kind))
    return made


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Bytes changed, cut, doubled or taken out, in a few places."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        if not data:
            break
        # The beginning is where headers are.
        at = int(rng.integers(0, len(data)) if rng.random() < 0.5 else rng.integers(0, min(len(data), 200)))
        kind = rng.integers(0, 7)
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            data[at] = int(rng.choice([0, 1, 127, 128, 255]))
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            del data[at : at + int(rng.integers(1, 9))]
        elif kind == 4:
            data[at:at] = data[at : at + int(rng.integers(1, 33))]
        elif kind == 5:
            number = int(rng.choice([0, 1, 2**16, 2**31 - 1, 2**32 - 1]))
            data[at : at + 4] = struct.pack(rng.choice(["<I", ">I"]), number)
        else:
            data[at:at] = rng.bytes(int(rng.integers(1, 9)))
    return bytes(data)


def attempt(kind: str, seed: int, folder: Path) -> str:
    """Open one damaged file of a kind; "" or the traceback of what is no DatasetError."""
    name, content = samples_of[kind]
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind.startswith("envi"):
        (folder / "cube.raw").write_bytes(IMAGES.tobytes())
    if name.startswith("x.zarr/"):
        shutil.rmtree(folder / "x.zarr")
        for beside, held in _store(int(kind[-1])).items():
            (folder / beside).parent.mkdir(parents=True, exist_ok=True)
            (folder / beside).write_bytes(held)
    path.write_bytes(damaged(content, np.random.default_rng(seed)))
    opened = path.parent if name.startswith("folder/") else path
    opened = folder / "x.zarr" if name.startswith("x.zarr/") else opened
    if name.startswith("folder/"):
        for other in opened.iterdir():
            if other != path:
                other.unlink()
        Image.fromarray(IMAGES[1]).save(opened / "other.png")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            gs.load_dataset(opened, negative="clip", nonfinite="zero")
            if kind in IN_PARTS:
                gs.load_dataset(opened, negative="clip", nonfinite="zero", storage="disk").images()
    except gs.DatasetError as error:
        return "" if "\n" not in str(error) else f"two lines: {error}"
    except Exception:
        return traceback.format_exc()
    return ""


samples_of = samples()


def main() -> int:
    """Run many seeds of each kind, or of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--kind", choices=samples_of)
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for kind in [args.kind] if args.kind else samples_of:
            for seed in range(args.first, args.first + args.runs):
                faulthandler.dump_traceback_later(PATIENCE, exit=True)  # a reader that hangs ends it all
                told = attempt(kind, seed, Path(folder))
                if told:
                    failed += 1
                    print(f"{kind} seed {seed}\n{told}", flush=True)
            print(f"{kind}: {args.runs} runs", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
