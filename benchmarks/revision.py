"""This tree beside an earlier revision of it: the time of an outer iteration, and peak memory, over that one's.

Both run at the same time in processes of their own, which take turns, so that what else the machine does falls on both.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.timing import Row

_ROOT = Path(__file__).parents[1]
#: m, n, rank, iterations in a turn, turns.
_CASES = {"cbcl": (361, 2429, 49, 200, 15), "4096x20000": (4096, 20000, 64, 4, 9)}

_CHILD = """
import re, sys, time
import numpy as np
import gsp_studio as gs

m, n, rank, count = map(int, sys.argv[1:5])
rng = np.random.default_rng(0)
X = np.empty((n, m), np.float32).T
for a in range(0, n, 500):
    X[:, a : a + 500] = rng.random((m, X[:, a : a + 500].shape[1]), np.float32)
if len(sys.argv) > 5:
    X = gs.load_dataset(sys.argv[5], dtype="float32").X
solver = gs.iterate(X, gs.Params(rank, "psnmf", 0.85, seed=0, max_iter=10**6, tol=0.0), gs.get_backend("cpu", 2))
for _ in range(3):
    next(solver)
print("ready", flush=True)
for line in sys.stdin:
    began = time.perf_counter()
    for _ in range(count):
        next(solver)
    print((time.perf_counter() - began) / count, flush=True)
try:
    status = open("/proc/self/status").read()
    print(1024 * int(re.search(r"VmHWM:\\s*(\\d+)", status)[1]) / X.nbytes)
except OSError:
    print("nan")
"""


def rows(revision: str, quick: bool, data: Path | None) -> list[Row]:
    """Ratios to that revision, a row a case; `data` are the images of the first one, random ones without."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["git", "archive", "--format=tar", revision, "gsp_studio"], cwd=_ROOT, capture_output=True, check=True
        )
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        out = []
        for name, (m, n, rank, count, turns) in _CASES.items():
            more = [str(data)] if name == "cbcl" and data is not None else []
            if quick and name != "cbcl":
                continue
            times, peaks = _in_turns((folder, str(_ROOT)), [*map(str, (m, n, rank, count)), *more], turns)
            before, now = times
            ratio = float(np.median(now / before))
            told = f"x ({revision[:9]}: {1e3 * np.median(before):.2f} ms, now {1e3 * np.median(now):.2f})"
            out.append(Row(f"iteration_over_revision_{name}", ratio, told, 1.03))
            if name != "cbcl":
                out.append(Row(f"peak_memory_over_revision_{name}", peaks[1] / peaks[0], f"x ({peaks[0]:.2f} X)", 1.0))
    return out


def _in_turns(trees: tuple[str, str], arguments: list[str], turns: int) -> tuple[np.ndarray, list[float]]:
    """Seconds of an iteration (tree, turn), and each tree's peak memory over the bytes of X."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, *arguments],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": tree},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for tree in trees
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
    times = np.empty((2, turns))
    for turn in range(turns):
        for k in (0, 1) if turn % 2 else (1, 0):
            stdin, stdout = processes[k].stdin, processes[k].stdout
            assert stdin is not None
            assert stdout is not None
            stdin.write("go\n")
            times[k, turn] = float(stdout.readline())
    peaks = [float(process.communicate()[0]) for process in processes]
    return times, peaks
