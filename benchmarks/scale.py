"""Growth of a run with the number of images, streamed on one machine, and with the workers of a local cluster.

Data are synthetic and lie in a file of bytes. Growth is measured in a process of its own, with its memory. Worker
by worker the same images are computed with, a thread each: on fewer than four cores fewer workers are compared, and the
row says how many. Bytes are counted twice, as arrays in the orders and as what passed the loopback device.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import gsp_studio as gs
from benchmarks.timing import Row, seconds

M, SIDE, RANK = 256, 16, 16
_ENDLESS = gs.Params(RANK, "psnmf", 0.7, seed=0, max_iter=10_000, tol=0.0)
#: Numbers of images, and iterations that are timed, of each.
_COUNTS, _QUICK_COUNTS = (10_000, 31_623, 100_000, 316_228, 1_000_000), (10_000, 31_623, 100_000)
_LOOPBACK = Path("/proc/net/dev")
_MOST_WORKERS = 4
#: Times that one and several workers are compared, each beside the other.
_PAIRS = 3

_GROWTH = """
import json, re, sys
from benchmarks.scale import seconds_of_iterations
times = seconds_of_iterations(sys.argv[1], json.loads(sys.argv[2]))
print(json.dumps([times, int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 2**20]))
"""


def rows(quick: bool) -> list[Row]:
    """All rows; the quick ones have a tenth of the images."""
    with tempfile.TemporaryDirectory() as folder:
        counts = _QUICK_COUNTS if quick else _COUNTS
        path = write_images(Path(folder, "images.npy"), counts[-1])
        return [*growth(path, counts), *workers(path, counts[-1] // 5)]


def write_images(path: Path, n: int) -> Path:
    """A .npy of n synthetic images of 16 x 16, 8 bits: sparse parts, and noise."""
    rng = np.random.default_rng(0)
    parts = rng.random((RANK, M)) ** 8
    values = np.lib.format.open_memmap(path, "w+", np.uint8, (n, SIDE, SIDE))
    for a in range(0, n, 50_000):
        some = values[a : a + 50_000]
        made = rng.random((len(some), RANK), np.float32) @ parts.astype(np.float32)
        some[:] = np.clip(60 * made + 4 * rng.random(made.shape, np.float32), 0, 255).reshape(some.shape)
    return path


def seconds_of_iterations(path: str, counts: list[int], rounds: int = 5) -> list[list[float]]:
    """Seconds of an iteration with each number of images, one after another, in several rounds."""
    solvers = []
    for n in counts:
        X = gs.load_dataset(path, storage="disk", subset=(0, n, 1)).X
        solvers.append(gs.iterate(X, _ENDLESS, gs.get_backend("cpu")))
        next(solvers[-1])
    # Very short ones are timed together.
    repeats = [max(1, 100_000 // n) for n in counts]
    return [[seconds(lambda s=s: next(s), k) for s, k in zip(solvers, repeats, strict=True)] for _ in range(rounds)]


def growth(path: Path, counts: tuple[int, ...]) -> list[Row]:
    """Slope of log time over log number of images, the median of rounds, and the peak memory of all these runs."""
    done = subprocess.run(
        [sys.executable, "-c", _GROWTH, str(path), json.dumps(counts)], capture_output=True, text=True, check=True
    )
    times, gib = json.loads(done.stdout.splitlines()[-1])
    slope = float(np.median([np.polyfit(np.log(counts), np.log(one), 1)[0] for one in times]))
    over = f"{counts[0]:.0e} to {counts[-1]:.0e} images".replace("+0", "")
    each = 1e9 * float(np.median(times, axis=0)[-1]) / counts[-1]
    return [
        Row("streamed_growth_slope", slope, f"({over})", 1.05),
        Row("streamed_peak_memory", gib, f"GiB ({counts[-1]} images)", 2.0),
        Row("streamed_ns_an_image", each, f"ns (m = {M}, r = {RANK})"),
    ]


def workers(path: Path, n: int) -> list[Row]:
    """Time of K workers beside one, and bytes over the network."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = min(_MOST_WORKERS, cores)
    if count < 2:
        return []
    X = gs.load_dataset(path, storage="disk", subset=(0, n, 1)).X
    cost, of_processes, over = [], [], []
    for _ in range(_PAIRS):
        one, several = measured(X, 1), measured(X, count)
        alone, beside = processes(path, n, 1), processes(path, n, count)
        cost.append(count * several["seconds"] / one["seconds"])
        of_processes.append(count * beside / alone)
        over.append(several["seconds"] / beside)
    wanted = "" if count == _MOST_WORKERS else f"; {cores} cores here, {_MOST_WORKERS} are wanted"
    factors = 2 * 4 * M * RANK  # W there and A back, in float32
    few = measured(X.part(0, n // 10), count)
    return [
        Row(
            f"cluster_cost_{count}_workers",
            float(np.median(cost)),
            f"x one's (1: perfect{wanted})",
            1.25 if not wanted else None,
        ),
        Row(f"processes_cost_{count}", float(np.median(of_processes)), "x one's: processes that share nothing"),
        Row("cluster_over_processes", float(np.median(over)), "x what those take for an iteration"),
        Row("cluster_rounds", several["rounds"], "an iteration", 1.0),
        Row("cluster_bytes", several["bytes"] / count / factors, "x W and A, a worker", 1.3),
        Row("cluster_bytes_growth", several["bytes"] / few["bytes"], "x those of a tenth of the images", 1.01),
        Row("cluster_loopback_bytes", several["loopback"] / several["bytes"], "x the arrays' bytes"),
        Row("cluster_round_trip_ms", 1e3 * empty_round(count), "ms, without work"),
    ]


def measured(X: Any, count: int) -> dict[str, float]:
    """Measure an iteration on workers of one thread each: seconds, rounds, bytes of arrays, bytes on the loopback."""
    from distributed import Client, LocalCluster

    from gsp_studio.core.distributed.dask_workers import spread

    with (
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None, silence_logs=50) as local,
        Client(local, direct_to_workers=True) as client,
    ):
        some = spread(X, client, "cpu")
        solver = gs.iterate(some, _ENDLESS, gs.get_backend("cpu", 1))
        deque((next(solver) for _ in range(3)), maxlen=0)
        before, repeats = (some.traffic.rounds, some.traffic.sent + some.traffic.received), 10
        times, passed = [], [_passed()]
        for _ in range(repeats):
            times.append(seconds(lambda: next(solver)))
            passed.append(_passed())
        after = (some.traffic.rounds, some.traffic.sent + some.traffic.received)
        return {
            "seconds": float(np.median(times)),
            "rounds": (after[0] - before[0]) / repeats,
            "bytes": (after[1] - before[1]) / repeats,
            "loopback": float(np.median(np.diff(passed))),  # others may use it, too
        }


def processes(path: Path, n: int, count: int) -> float:
    """Seconds of an iteration on n images cut into so many parts, each in a process that knows of no other.

    The limit of the machine itself: cores share a memory and its width.
    """
    there = multiprocessing.get_context("spawn")
    edges = np.linspace(0, n, count + 1).astype(int).tolist()
    ready, answers = there.Barrier(count), there.SimpleQueue()
    parts = [there.Process(target=_part, args=(path, a, b, ready, answers)) for a, b in itertools.pairwise(edges)]
    for part in parts:
        part.start()
    found = [answers.get() for _ in parts]
    for part in parts:
        part.join()
    return max(found)  # an iteration ends with the last of them


def _part(path: Path, a: int, b: int, ready: Any, answers: Any) -> None:
    X = gs.load_dataset(path, subset=(a, b, 1)).X
    with threadpool_limits(1):
        solver = gs.iterate(X, _ENDLESS, gs.get_backend("cpu", 1))
        deque((next(solver) for _ in range(3)), maxlen=0)
        ready.wait()
        answers.put(float(np.median([seconds(lambda: next(solver)) for _ in range(10)])))


def empty_round(count: int) -> float:
    """Seconds of a round trip to so many workers with next to nothing to do."""
    from distributed import Client, LocalCluster

    from gsp_studio.core.distributed.dask_workers import spread
    from gsp_studio.core.distributed.shards import norm2

    with (
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None, silence_logs=50) as local,
        Client(local, direct_to_workers=True) as client,
    ):
        some = spread(np.ones((4, 64 * count), np.float32), client, "cpu")
        some.each(norm2)
        return float(np.median([seconds(lambda: some.each(norm2)) for _ in range(50)]))


def _passed() -> float:
    """Bytes that the loopback device has carried; NaN where the system does not count them."""
    if not _LOOPBACK.exists():
        return float("nan")
    lines = [line.split() for line in _LOOPBACK.read_text().splitlines() if line.strip().startswith("lo:")]
    return float(lines[0][1]) if lines else float("nan")
