"""Damage small files of networks at random: ``python tests/pruning/fuzz_networks.py --runs 25000``.

Each ends in a checkpoint or a CheckpointError of one line. What kills the process is seen by its parent: one child a
kind.
"""

from __future__ import annotations

import argparse
import faulthandler
import subprocess
import sys
import tempfile
import traceback
import warnings
import zipfile
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "io")]

from fuzz import damaged  # noqa: E402
from networks import make_npz, make_onnx, make_safetensors, make_torch  # noqa: E402

from gsp_studio.pruning import CheckpointError, open_checkpoint  # noqa: E402

#: Seconds after which a file counts as one that hangs a reader.
PATIENCE = 60
KINDS = {
    "safetensors": (".safetensors", make_safetensors),
    "npz": (".npz", make_npz),
    "torch": (".pt", make_torch),
    "legacy": (".th", lambda path: make_torch(path, _use_new_zipfile_serialization=False)),
    "onnx": (".onnx", make_onnx),
}


def sample(kind: str, folder: Path) -> bytes:
    """A small valid file of a kind."""
    suffix, make = KINDS[kind]
    make(folder / f"valid{suffix}")
    return (folder / f"valid{suffix}").read_bytes()


def mutated(kind: str, content: bytes, rng: np.random.Generator, folder: Path) -> bytes:
    """Damage; half of the time within a member of an archive, whose sums of bytes are right then."""
    if not content.startswith(b"PK") or rng.random() < 0.5:
        return damaged(content, rng)
    (folder / "inner.zip").write_bytes(content)
    with zipfile.ZipFile(folder / "inner.zip") as old, zipfile.ZipFile(folder / "outer.zip", "w") as new:
        names = old.namelist()
        hit = next((name for name in names if name.endswith("data.pkl")), names[int(rng.integers(len(names)))])
        for name in names:
            new.writestr(name, damaged(old.read(name), rng) if name == hit else old.read(name))
    return (folder / "outer.zip").read_bytes()


def attempt(kind: str, content: bytes, seed: int, folder: Path) -> str:
    """Open one damaged file of a kind; "" or the traceback of what is no CheckpointError of one line."""
    path = folder / f"x{KINDS[kind][0]}"
    path.write_bytes(mutated(kind, content, np.random.default_rng(seed), folder))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            open_checkpoint(path)
    except CheckpointError as error:
        return "" if "\n" not in str(error) and str(path) in str(error) else f"no sentence about the file: {error}"
    except Exception:
        return traceback.format_exc()
    return ""


def main() -> int:
    """Run many seeds of each kind, each kind in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS)
    args = parser.parse_args()
    if args.kind is None:
        told = [sys.executable, __file__, "--runs", str(args.runs), "--first", str(args.first), "--kind"]
        return max(abs(subprocess.run([*told, kind], check=False).returncode) for kind in KINDS)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        content = sample(args.kind, Path(folder))
        for seed in range(args.first, args.first + args.runs):
            faulthandler.dump_traceback_later(PATIENCE, exit=True)  # a reader that hangs ends it all
            if told := attempt(args.kind, content, seed, Path(folder)):
                failed += 1
                print(f"{args.kind} seed {seed}\n{told}", flush=True)
    print(f"{args.kind}: {args.runs} runs, {failed} without one sentence", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
