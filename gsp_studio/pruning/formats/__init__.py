"""Files of networks: one module a format, and the table of them.

A format lists the floating arrays of a file under their keys, and writes the file once more with some of them
replaced: everything else, keys and types and metadata, comes out as it went in. A file is recognised by its first
bytes, as far as its format has any; nothing in a file is ever run.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from gsp_studio.io.dataset import one_line
from gsp_studio.pruning.formats import npz_file, onnx_file, safetensors_file, torch_file
from gsp_studio.pruning.formats.stored_array import CheckpointError, Format

__all__ = ["ACCEPTED", "FORMATS", "format_of"]

FORMATS: dict[str, Format] = {
    "safetensors": Format("safetensors", (".safetensors",), safetensors_file.read, safetensors_file.write),
    "torch": Format("PyTorch", (".pt", ".pth", ".th", ".bin", ".ckpt", ".tar"), torch_file.read, torch_file.write),
    "npz": Format("NumPy", (".npz",), npz_file.read, npz_file.write),
    "onnx": Format("ONNX", (".onnx",), onnx_file.read, onnx_file.write),
}
ACCEPTED = ".safetensors, .pt, .pth, .th, .npz and .onnx"
#: Pickles, as PyTorch wrote before it took to ZIP archives.
_PICKLE = b"\x80"
#: The first field of an ONNX model: its version.
_ONNX = b"\x08"


def format_of(path: Path) -> str:
    """The name in `FORMATS` of a file's format.

    Raises
    ------
    CheckpointError
        None of them.
    OSError
    """
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        raise CheckpointError(f"{path} is empty")
    suffix = path.suffix.lower()
    if head.startswith(b"PK"):
        return _format_of_archive(path, suffix)
    if head[8:9] == b"{" or suffix == ".safetensors":
        return "safetensors"
    if suffix == ".onnx" or (head.startswith(_ONNX) and suffix not in FORMATS["torch"].suffixes):
        return "onnx"
    if head.startswith(_PICKLE) or suffix in FORMATS["torch"].suffixes:
        return "torch"
    raise CheckpointError(f"{path} is no file of a network that can be read; accepted are {ACCEPTED}")


def _format_of_archive(path: Path, suffix: str) -> str:
    if suffix == ".npz":
        return "npz"
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception as error:  # zipfile raises exceptions of many kinds for damaged archives
        raise CheckpointError(f"{path} is a damaged archive ({one_line(str(error))})") from error
    if any(name.endswith("data.pkl") for name in names):
        return "torch"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    raise CheckpointError(f"{path} is an archive, but none of a network; accepted are {ACCEPTED}")
