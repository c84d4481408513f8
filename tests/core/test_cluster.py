"""The same run on a Dask cluster: workers in threads of this process, as their number and Dask are the point here."""

import threading
import time

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster

import gsp_studio as gs
from gsp_studio.backends.blocks import BlockMatrix, Interrupted
from gsp_studio.core.distributed import dask_workers as on_dask
from gsp_studio.core.distributed.coefficients import Coefficients
from gsp_studio.core.distributed.dask_workers import spread, to_blocks
from gsp_studio.core.distributed.protocol import ClusterError
from gsp_studio.core.nmf import METHODS

M, N, RANK = 60, 1000, 5

#: Methods that run on a cluster.
LEAST_SQUARES = [name for name, method in METHODS.items() if method.is_least_squares]


def data(dtype=np.float32):
    rng = np.random.default_rng(0)
    X = rng.random((M, RANK)) ** 8 @ rng.random((RANK, N)) + 0.02 * rng.random((M, N))
    return np.asfortranarray(X, dtype)


def chunked(X):
    """Uneven chunks, of pixels too."""
    return da.from_array(X, chunks=((40, 20), (100, 333, 400, 1, 166)))


def params(method="psnmf", **more):
    weights = np.linspace(0.1, 1.0, M) if METHODS[method].uses_weights else None
    return gs.Params(RANK, method, 0.5, seed=1, **{"max_iter": 8, "weights": weights, **more})


@pytest.fixture(scope="module")
def client():
    with (
        # Patient: beside other tests a process may get no time for a while.
        dask.config.set({"distributed.comm.timeouts.connect": "120s"}),
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as local,
        Client(local, set_as_default=True, timeout=120) as client,
    ):
        yield client


def scaled(client, count):
    client.cluster.scale(count)
    client.wait_for_workers(count, timeout=30)
    while not len(on_dask.workers_of(client)) == len(client.cluster.workers) == count:
        time.sleep(0.01)


@pytest.fixture(scope="module")
def here():
    return {method: gs.factorize(data(), params(method)) for method in LEAST_SQUARES}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_method_gives_what_it_gives_on_one_machine(count, client, here):
    scaled(client, count)
    X = chunked(data())
    for method in LEAST_SQUARES:
        there = gs.factorize(X, params(method))
        assert isinstance(there.H, Coefficients)
        for a, b in ((there.W, here[method].W), (np.asarray(there.H), here[method].H)):
            assert np.array_equal(a, b), method
        assert np.array_equal(there.history.error, here[method].history.error), method
        assert there.backend.startswith(f"{count} worker")


def test_an_iteration_is_one_message_to_each_worker_and_one_back(client):
    scaled(client, 2)
    sizes = {}
    for n in (320, N):
        some, before = spread(chunked(data())[:, :n], client), None
        for it in gs.iterate(some, params(max_iter=5)):
            t = some.traffic
            now = np.array([t.rounds, t.messages, t.sent + t.received])
            if it.n_iter > 1:
                rounds, messages, sizes[n] = (now - before).tolist()
                assert (rounds, messages) == (1, 2)
            before = now
    print(f"bytes an iteration, 2 workers, m = {M}, r = {RANK}: {sizes}")
    # W to each worker, and back the sums of its nodes, of 3 and of 8 blocks one or two a worker.
    assert max(sizes.values()) <= 1.3 * 2 * 3 * 4 * M * RANK


def test_another_run_after_a_worker_has_left(client, here):
    """Tasks of the first run, which is still held, are wanted again; one of its workers is gone."""
    scaled(client, 3)
    X = chunked(data())
    first = gs.factorize(X, params())
    assert first.backend.startswith("3 workers")
    scaled(client, 2)
    second = gs.factorize(X, params())
    assert second.backend.startswith("2 workers")
    assert np.array_equal(second.W, here["psnmf"].W)
    # Those of the lost part are fitted anew.
    assert np.linalg.norm(np.asarray(first.H) - here["psnmf"].H) <= 1e-2 * np.linalg.norm(here["psnmf"].H)


def test_what_is_persisted_is_used_where_it_is(client, here):
    scaled(client, 2)
    X = chunked(data()).persist()
    there = gs.factorize(X, params())
    assert np.array_equal(there.W, here["psnmf"].W)


def test_what_does_not_fit_into_the_workers_is_computed_in_every_pass(client, here, monkeypatch):
    scaled(client, 2)
    monkeypatch.setattr(on_dask, "_SHARE", 0.0)
    for X in (chunked(data()), BlockMatrix((M, N), np.float32, from_nowhere)):
        there = gs.factorize(spread(X, client), params())
        assert np.array_equal(there.W, here["psnmf"].W)


def from_nowhere(start, stop, out):
    out[:] = data().T[start:stop]


def test_arrays_are_sent(client, here):
    scaled(client, 2)
    there = gs.factorize(spread(data(), client), params())
    assert np.array_equal(there.W, here["psnmf"].W)


def test_a_run_is_steered_edited_and_its_coefficients_fetched(client):
    scaled(client, 2)
    X, steering = data(np.float64), {2: gs.Split(0), 4: gs.Kill(1), 5: params("ahals")}
    there = gs.factorize(spread(X, client), params(), steering=steering)
    here = gs.factorize(X, params(), steering=steering)
    assert np.array_equal(there.W, here.W)
    assert np.array_equal(there.H[:, 900:910], here.H[:, 900:910])


def test_without_a_client_chunks_are_read_here(here):
    X = to_blocks(chunked(data()))
    assert np.array_equal(X[:, 90:450], data()[:, 90:450])
    there = gs.factorize(X, params())
    assert np.array_equal(there.W, here["psnmf"].W)


def slow(start, stop, out):
    time.sleep(0.01)
    from_nowhere(start, stop, out)


def test_a_pass_is_given_up_in_its_midst(client, monkeypatch):
    scaled(client, 2)
    monkeypatch.setattr(on_dask, "_SHARE", 0.0)
    monkeypatch.setattr("gsp_studio.backends.blocks._BYTES_AT_ONCE", 64 * M * 4)
    unwanted = threading.Event()
    some = spread(BlockMatrix((M, N), np.float32, slow), client).watched(unwanted.is_set)
    solver = gs.iterate(some, params(max_iter=10_000, tol=0.0))
    it = next(solver)
    threading.Timer(0.3, unwanted.set).start()
    with pytest.raises(Interrupted):
        list(solver)
    assert it.H[:, 5].shape == (RANK,), "what there is can be fetched"


def exhausted(start, stop, out):
    raise MemoryError


def unreadable(start, stop, out):
    raise FileNotFoundError(2, "No such file or directory", "/data/x.npy")


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (exhausted, r"images 1 to 1000, is out of memory; give the workers more, or start more of them"),
        (unreadable, r"images 1 to 1000, cannot read them: .*No such file or directory: '/data/x\.npy'"),
    ],
)
def test_what_a_worker_lacks_is_one_sentence(read, told, client, monkeypatch):
    scaled(client, 1)
    monkeypatch.setattr(on_dask, "_SHARE", 0.0)
    with pytest.raises(ClusterError, match=told):
        gs.factorize(spread(BlockMatrix((M, N), np.float32, read), client), params())


@pytest.mark.parametrize("kind", ["array", "streamed"])
def test_workers_that_are_paused_take_no_part(kind, client, here, monkeypatch):
    """Dask pauses a worker that uses most of its memory; where all are paused, that is said."""
    scaled(client, 2)
    monkeypatch.setattr(on_dask, "_PATIENCE", 0.5)
    first, second = client.cluster.workers.values()
    X = data() if kind == "array" else BlockMatrix((M, N), np.float32, from_nowhere)
    try:
        paused(client, first)
        there = gs.factorize(spread(X, client), params())
        assert there.backend.startswith("1 worker,")
        assert np.array_equal(there.W, here["psnmf"].W)
        paused(client, second)
        with pytest.raises(ClusterError, match=r"and 1 more take no more work: \d+\.\d of its \d+\.\d GiB"):
            gs.factorize(spread(X, client), params())
    finally:
        for worker in (first, second):
            paused(client, worker, False)


@pytest.mark.parametrize("kind", ["array", "streamed"])
def test_a_worker_that_is_paused_before_it_has_begun_is_told(kind, client, monkeypatch):
    scaled(client, 1)
    [worker] = client.cluster.workers.values()
    X = data() if kind == "array" else BlockMatrix((M, N), np.float32, from_nowhere)
    monkeypatch.setattr(on_dask, "_PATIENCE", 0.5)
    wait_for_workers = on_dask.DaskWorkers._wait_for_workers

    def pause_them(self, is_unwanted):
        found = wait_for_workers(self, is_unwanted)
        paused(client, worker)
        return found

    monkeypatch.setattr(on_dask.DaskWorkers, "_wait_for_workers", pause_them)
    try:
        with pytest.raises(ClusterError, match=r"worker \S+ takes no more work"):
            gs.factorize(spread(X, client), params())
    finally:
        paused(client, worker, False)


def paused(client, worker, is_paused=True):
    """Let a worker's memory monitor find its memory full, and wait until the scheduler knows."""
    worker.memory_manager.memory_pause_fraction = 1e-9 if is_paused else 0.8
    while (on_dask.workers_of(client)[worker.address]["status"] == "paused") != is_paused:
        time.sleep(0.01)


def test_values_that_cannot_be_used_are_told(client):
    scaled(client, 2)
    X = data()
    X[0, 700] = np.nan
    with pytest.raises(ValueError, match="images 513 to 1000 hold NaN or infinite values"):
        gs.factorize(chunked(X), params())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"gsp-studio": None}, r"worker \S+ has no gsp-studio; install gsp-studio \S+ there"),
        ({"distributed": "2020.1"}, r"worker \S+ has distributed 2020\.1, this computer \S+; make them equal"),
        ({"numpy": "1.26.4"}, r"worker \S+ has numpy 1, this computer 2"),
    ],
)
def test_other_versions_are_refused(change, told, client, monkeypatch):
    found = client.get_versions(packages=["gsp-studio"])
    for there in found["workers"].values():
        there["packages"] = {**there["packages"], **change}
    monkeypatch.setattr(client, "get_versions", lambda packages: found)
    with pytest.raises(ClusterError, match=told):
        spread(data(), client)


@pytest.mark.parametrize(
    ("X", "told"),
    [
        (da.ones((4, 5, 6)), r"X has shape \(4, 5, 6\)"),
        (da.ones((4, 5), dtype=complex), "of complex128; expected is a matrix"),
        (da.ones((50, 50))[da.random.random(50) > 0.5], "X has chunks of unknown sizes"),
    ],
)
def test_what_is_no_matrix_is_refused(X, told):
    with pytest.raises(ValueError, match=told):
        gs.factorize(X, params())
