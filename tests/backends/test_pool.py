"""Forked processes: threads that survive, or one sentence; the same bits either way."""

import multiprocessing
import os
import subprocess
import sys

import pytest

from gsp_studio.backends.cpu.pool import OnOneThread

pytestmark = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="processes are not forked here"
)

SCRIPT = """
import multiprocessing, threading
import numba, numpy as np
import gsp_studio as gs
from gsp_studio.backends.cpu.pool import POOL

X = np.random.default_rng(0).random((400, 300), np.float32)

def fitted(seed):
    result = gs.factorize(X, gs.Params(rank=5, method="psnmf", sparsity=0.5, max_iter=8, seed=seed))
    return result.W.tobytes(), result.H.tobytes()

def projected(seed):
    rows = np.random.default_rng(seed).normal(size=(40, 9000))
    return gs.group_sparse_projection(list(rows), 0.6).values[0].tobytes()

if __name__ == "__main__":
    expected = [(fitted(seed), projected(seed)) for seed in range(2)]
    print("layer", numba.threading_layer())
    holding, done = threading.Event(), threading.Event()

    def hold():
        with POOL:
            holding.set()
            done.wait()

    threading.Thread(target=hold, daemon=True).start()  # another thread computes while the processes are made
    holding.wait()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        try:
            found = list(zip(pool.map(fitted, range(2)), pool.map(projected, range(2))))
            print("equal", found == expected)
        except RuntimeError as error:
            print("told", error)
    done.set()
"""


def run(tmp_path, layer):
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_THREADING_LAYER"}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path)} | ({"NUMBA_THREADING_LAYER": layer} if layer else {})
    call = [sys.executable, "-W", "ignore", str(tmp_path / "script.py")]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_pool_of_forked_processes_fits_as_its_parent_did(tmp_path):
    said = run(tmp_path, "workqueue")
    assert "layer workqueue" in said
    assert "equal True" in said


@pytest.mark.parametrize("layer", ["omp", None])
def test_a_fork_of_gnu_openmp_is_told(tmp_path, layer):
    try:
        from numba.np.ufunc import omppool
    except ImportError:
        pytest.skip("no OpenMP here")
    if omppool.openmp_vendor != "GNU":
        pytest.skip("another OpenMP, which survives")
    said = run(tmp_path, layer)
    if layer is None and "layer omp" not in said:
        pytest.skip("numba takes another layer here, which survives")
    assert "layer omp" in said
    assert "told this process was forked from one whose threads run on GNU OpenMP" in said


def test_the_lock_of_blas_is_new_in_a_forked_process():
    one = OnOneThread(lambda: pytest.fail("BLAS is not asked for"))
    with one._changing:
        process = os.fork()
        if process == 0:
            os._exit(0 if one._changing.acquire(blocking=False) else 1)
    assert os.waitpid(process, 0)[1] == 0
