"""The GPU against its own copies and products, and against the CPU in the same run.

Where there is no device it says so in one line and has no rows. Where there is one, the rows and the device's name are
written into `benchmarks/results/` as well. A timing ends when the device has done the work.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import gsp_studio as gs
from benchmarks.solvers import RANK, faces
from benchmarks.timing import Row, median_seconds, paired_ratio
from gsp_studio.backends import available_backends, reason_of
from gsp_studio.engine.run import RunSpec
from gsp_studio.engine.runner import Runner

RESULTS = Path(__file__).parent / "results"
#: Iterations before an iteration's time is taken: the first ones compile and fill the memory pool.
_WARM = 5


def rows(quick: bool) -> list[Row]:
    """All rows; the quick ones are of a tenth of the data."""
    problem = available_backends()["cuda"]
    if problem:
        print(f"gpu: not run, as {reason_of(problem)}", flush=True)
        return []
    backend = gs.get_backend("cuda")
    print(f"gpu: {backend.device}", flush=True)
    out = [projection(backend, 10**7 if quick else 10**8)]
    for method in ("psnmf", "gsphals"):
        out += large(backend, method, 20_000 if quick else 200_000)
        out += small(backend, method)
    out += [watching(backend), drag(backend)]
    if not quick:
        keep(backend.device, out)
    return out


def keep(device: str, found: list[Row]) -> None:
    """The rows, with the device's name, beside this module."""
    RESULTS.mkdir(exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    content = {"device": device, "version": gs.__version__, "commit": commit(), "rows": [asdict(row) for row in found]}
    (RESULTS / f"gpu-{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def commit() -> str:
    """The revision that this is of, with a "+" where files differ from it; "" outside of a repository."""
    try:
        asked = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(asked, cwd=RESULTS.parent, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def done(backend: Any, work: Callable[[], object]) -> Callable[[], None]:
    """The same work, ended when the device has done it."""
    from gsp_studio.backends.cuda.driver import cp

    def both() -> None:
        with backend.scope():
            work()
            cp.cuda.get_current_stream().synchronize()

    return both


def projection(backend: Any, entries: int) -> Row:
    """A projection of vectors that are on the device, over a copy of them there."""
    from gsp_studio.backends.cuda.driver import cp

    with backend.scope():
        V = backend.put(np.random.default_rng(0).random((100, entries // 100), np.float32))
        copy = cp.empty_like(V)

    def copied() -> None:
        copy[...] = V

    ours = done(backend, lambda: backend.project_rows(V, 0.85))
    ratio = paired_ratio(ours, done(backend, copied), 15)
    return Row(f"gpu_projection_{entries:.0e}".replace("e+0", "e"), ratio, "device-to-device copies", 3.0)


def iteration_seconds(X: Any, params: Any, backend: Any, count: int) -> float:
    """Median time of an outer iteration."""
    seconds = [it.seconds for it in gs.iterate(X, replace(params, max_iter=_WARM + count), backend)]
    return float(np.median(np.diff(seconds)[_WARM - 1 :]))


def large(backend: Any, method: str, n: int) -> list[Row]:
    """An iteration at 4096 pixels and rank 64, over its two products, and over one of the CPU."""
    m, r = 4096, 64
    rng = np.random.default_rng(0)
    X = np.asfortranarray(rng.random((n, m), np.float32).T)
    params = gs.Params(r, method, 0.85, tol=0.0)
    each = iteration_seconds(X, params, backend, 15)
    with backend.scope():
        Xt, V, H = (backend.put(a) for a in (X.T, rng.random((r, m), np.float32), rng.random((r, n), np.float32)))

    def products() -> None:
        H @ Xt
        V @ Xt.T

    of_products = median_seconds(done(backend, products), 15)
    on_cpu = iteration_seconds(X, params, gs.get_backend("cpu"), 3)
    name = f"gpu_{method}_4096x{n}"
    return [
        Row(f"{name}_over_products", each / of_products, "times its two products", 2.0),
        Row(f"{name}_cpu_over_gpu", on_cpu / each, "times as fast as the CPU"),
    ]


def small(backend: Any, method: str) -> list[Row]:
    """Time of an iteration on faces, where launches dominate."""
    X, is_cbcl = faces()
    params = gs.Params(RANK, method, 0.85, tol=0.0)
    each = iteration_seconds(X, params, backend, 200)
    on_cpu = iteration_seconds(X, params, gs.get_backend("cpu"), 50)
    name = "gpu_cbcl" if method == "psnmf" else f"gpu_{method}_cbcl"
    return [
        Row(f"{name}_iteration", 1e3 * each, "ms", 1.0 if is_cbcl else None),
        Row(f"{name}_cpu_over_gpu", on_cpu / each, "times as fast as the CPU"),
    ]


def watching(backend: Any) -> Row:
    """Time that a window polling 30 times a second adds to a run, in percent."""
    X, _ = faces()
    spec = RunSpec(X, gs.Params(RANK, "psnmf", 0.85, max_iter=600, tol=0.0), backend.name)

    def solve(is_watched: bool) -> float:
        runner = Runner(spec)
        start = time.perf_counter()
        runner.start()
        while not runner.join(1 / 30):
            if is_watched:
                poll = runner.poll()
                if poll.iterate is not None:
                    poll.iterate.W.max()
        return time.perf_counter() - start

    solve(False)
    ratios = [solve(True) / solve(False) for _ in range(7)]
    return Row("gpu_watching", 100 * (float(np.median(ratios)) - 1), "% of solve time", 5.0)


def drag(backend: Any) -> Row:
    """A frame of a drag: 100 basis images of 512 x 512 on the device, as bytes on the host."""
    W = np.asfortranarray(np.random.default_rng(0).random((512 * 512, 100), np.float32))
    path = gs.SparsityPath(W, backend=backend)
    order, targets = np.arange(100), iter(np.tile(np.linspace(0.3, 0.95, 50), 10).tolist())
    frame = median_seconds(lambda: path.greys(next(targets), order), 100)
    return Row("gpu_drag_100x512x512", 1e3 * frame, "ms", 1000 / 60)
