"""Images in parts, in one process: what a cluster does, without one."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from device import on_a_real_device
from local_workers import LocalWorkers

import gsp_studio as gs
from gsp_studio.backends import blocks
from gsp_studio.backends.blocks import BlockMatrix, InMemoryBlocks, Interrupted
from gsp_studio.backends.summation import nodes
from gsp_studio.core.distributed.coefficients import Coefficients
from gsp_studio.core.distributed.matrix import DistributedMatrix
from gsp_studio.core.distributed.protocol import ClusterError, Lost, spans_of
from gsp_studio.core.distributed.shards import Order, Part, sweep
from gsp_studio.core.nmf import METHODS
from gsp_studio.core.optimality import kkt_residual
from gsp_studio.core.residuals import residuals
from gsp_studio.core.splitting import split

M, N, RANK = 60, 1000, 5


def data(dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.random((M, RANK)) ** 3 @ rng.random((RANK, N)) + 0.05 * rng.random((M, N))
    return np.asfortranarray(X, dtype)


def params(method="psnmf", **more):
    weights = np.linspace(0.1, 1.0, M) if METHODS[method].uses_weights else None
    return gs.Params(RANK, method, 0.5, seed=1, **{"max_iter": 12, "weights": weights, **more})


def spread(X, parts=3, workers=LocalWorkers):
    return DistributedMatrix(
        X.shape, X.dtype, workers(InMemoryBlocks(np.ascontiguousarray(X.T)), spans_of(*X.shape, X.dtype, [1.0] * parts))
    )


def agree(there, here, rtol=1e-8):
    """To the last bit where processors compute; on a device products depend on more than their sizes."""
    assert isinstance(there.H, Coefficients)
    for a, b in ((there.W, here.W), (np.asarray(there.H), here.H), (there.history.error, here.history.error)):
        if here.backend.startswith("cuda"):
            assert np.linalg.norm(a - b) <= rtol * np.linalg.norm(b)
        else:
            assert np.array_equal(a, b)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.is_least_squares])
def test_parts_give_what_the_whole_gives(method):
    X = data()
    here = gs.factorize(X, params(method))
    for count in (1, 2, 3):
        agree(gs.factorize(spread(X, count), params(method)), here)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.is_least_squares])
def test_one_part_in_blocks_is_streaming_to_the_last_bit(method, monkeypatch):
    monkeypatch.setattr(blocks, "_BYTES_AT_ONCE", 128 * M * 4)
    X = data(np.float32)
    streamed = BlockMatrix(X.shape, X.dtype, lambda start, stop, out: out.__setitem__(slice(None), X.T[start:stop]))
    here, there = gs.factorize(streamed, params(method)), gs.factorize(spread(X, 1), params(method))
    if on_a_real_device():  # a library's products there depend on more than their sizes
        np.testing.assert_allclose(there.history.error, here.history.error, rtol=1e-4)
        return
    assert np.array_equal(there.W, here.W)
    assert np.array_equal(np.asarray(there.H), here.H)


CHOICES = {
    "sparse coefficients": {"sparsity_h": 0.3},
    "continuation": {"continuation": 6},
    "kkt": {"method": "ahals", "kkt_tol": 1e-2, "max_iter": 60},
    "kkt of both": {"sparsity_h": 0.3, "kkt_tol": 1e-2, "max_iter": 40},
    "nndsvda": {"init": "nndsvda"},
    "images": {"init": "images"},
    "frozen": {"frozen": (1, 3)},
}


@pytest.mark.parametrize("name", CHOICES)
def test_choices_work_on_parts(name, monkeypatch):
    X, chosen = data(), params(**CHOICES[name])
    # Starts that look at images look at a sample where these are not in memory: here at all of them.
    streamed = InMemoryBlocks(np.ascontiguousarray(X.T))
    here, there = gs.factorize(streamed, chosen), gs.factorize(spread(X), chosen)
    assert there.n_iter == here.n_iter
    agree(there, here, 1e-6)


def test_given_factors_start_on_parts():
    X, rng = data(), np.random.default_rng(3)
    start = params(init=(rng.random((M, RANK)), rng.random((RANK, N))))
    agree(gs.factorize(spread(X), start), gs.factorize(X, start))


def test_edits_and_steering_on_parts():
    X = data()
    steering = {
        2: gs.Split(0),
        4: gs.Reseed(1),
        6: [gs.Kill(2), gs.Split(1)],
        8: gs.Params(6, "ahals", seed=1, max_iter=12),
    }
    agree(gs.factorize(spread(X), params(), steering=steering), gs.factorize(X, params(), steering=steering), 1e-6)


def test_versions_that_are_all_alike_are_split_by_size_on_parts():
    V, H = np.ones((1, 8)), np.tile([[1.0, 2.0, 4.0, 8.0]], 50)
    X = V.T @ H
    here_V, here_H = split(X.T, V, H, 0)
    some = spread(X, 2)
    there_V, there_H = split(some.T, V, some.given(H), 0)
    assert np.array_equal(there_V, here_V)
    assert np.array_equal(np.asarray(there_H), here_H)
    assert here_H.any(axis=1).all()


def test_dead_basis_images_are_reseeded_on_parts():
    X, rng = data(), np.random.default_rng(3)
    W0, H0 = rng.random((M, RANK)), rng.random((RANK, N))
    W0[:, 1:3], H0[1:3] = 0.0, 0.0
    start = params("ahals", init=(W0, H0), reseed_dead=True)
    here, there = gs.factorize(X, start), gs.factorize(spread(X), start)
    assert there.dead == ()
    agree(there, here, 1e-6)


def test_an_iteration_is_one_round_trip_of_a_size_that_does_not_grow_with_the_images():
    X = data(np.float32)
    sizes = set()
    for n in (256, N):
        some = spread(X[:, :n], 2)
        before = None
        for it in gs.iterate(some, params(method="ahals", max_iter=6)):
            now = (some.traffic.rounds, some.traffic.messages, some.traffic.sent + some.traffic.received)
            if before is not None and it.n_iter > 2:
                rounds, messages, size = (b - a for a, b in zip(before, now, strict=True))
                assert (rounds, messages) == (1, 2), "one round, a message for each part"
                sizes.add(size)
            before = now
    # W to each part, and back the sums of its nodes: of 2 and of 8 blocks these are one node a part, or two.
    assert max(sizes) <= 2 * 3 * 4 * (M * RANK + RANK * RANK) + 2 * 200


def test_coefficients_are_fetched_by_columns_rows_and_blocks(monkeypatch):
    X = data()
    result = gs.factorize(spread(X), params())
    H = np.asarray(result.H)
    assert result.H.shape == H.shape == (RANK, N)
    assert np.array_equal(result.H[:, 7], H[:, 7])
    assert np.array_equal(result.H[:, 300:700], H[:, 300:700])
    assert np.array_equal(result.H[:, [999, 0, 500]], H[:, [999, 0, 500]])
    assert np.array_equal(result.H[2], H[2])
    assert np.array_equal(result.H[1, 5:9], H[1, 5:9])
    monkeypatch.setattr("gsp_studio.core.distributed.coefficients._FETCHED", 100 * RANK * 8)
    some = list(result.H.blocks())
    assert all(block.shape[1] <= 100 for _, block in some)
    assert np.array_equal(np.hstack([block for _, block in some]), H)


def test_columns_of_the_images_are_fetched():
    X = data()
    some = spread(X)
    assert np.array_equal(some[:, [0, 400, 999]], X[:, [0, 400, 999]])
    assert np.array_equal(some.T[3], X[:, 3])
    with pytest.raises(TypeError, match="take columns of them"):
        np.asarray(some)
    with pytest.raises(TypeError, match="whole columns"):
        some[3]


def test_coefficients_that_nobody_holds_are_given_back():
    X = data()
    some = spread(X, 2)
    for _ in gs.iterate(some, params(max_iter=8)):
        pass
    gc.collect()
    some.squared_norm_of = some.each(sweep, np.ones((RANK, M)), 1, 0.0)  # any order brings the list
    assert all(len(part._kept) <= 2 for part in some.workers._parts)


@pytest.mark.parametrize(("bad", "told"), [(np.nan, "hold NaN"), (-1.0, "have negative values")])
def test_bad_values_are_told_by_their_numbers_among_all(bad, told):
    X = data()
    X[3, 900] = bad
    with pytest.raises(ValueError, match=rf"images [67]\d\d to 1000 {told}"):
        gs.factorize(spread(X), params())


def test_masks_are_refused():
    X = data()
    with pytest.raises(ValueError, match="a mask needs the images in memory"):
        gs.factorize(spread(X), params(), mask=np.zeros(X.shape, bool))


def test_cuts_lie_on_the_edges_of_blocks_of_the_sum():
    spans = spans_of(M, 1000, "f8", [1, 2, 1])
    assert [(some.start, some.stop) for some in spans] == [(0, 256), (256, 768), (768, 1000)]
    assert [(some.start, some.stop) for some in spans_of(M, 200, "f8", [1] * 8)] == [(0, 128), (128, 200)]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_of_many_images_each_part_is_a_few_nodes(count):
    n, block = 1_000_000, 128
    spans = spans_of(M, n, "f4", [1.0] * count)
    assert (spans[0].start, spans[-1].stop, len(spans)) == (0, n, count)
    for some in spans:
        found = list(nodes(some.start // block, -(-some.stop // block), -(-n // block)))
        assert len(found) <= 8
        assert abs((some.stop - some.start) * count / n - 1) <= 0.04


@pytest.mark.parametrize("count", [1, 3])
def test_what_is_asked_of_coefficients_is_answered_where_they_are(count):
    X = data()
    X[:, 17] = 0.0
    result = gs.factorize(spread(X, count), params(max_iter=3))
    W, H, there = result.W, np.asarray(result.H), result.H * np.linspace(0.5, 2.0, RANK)[:, None]
    H = H * np.linspace(0.5, 2.0, RANK)[:, None]
    before = result.H.X.traffic.received
    for k in range(RANK):
        values, images = there.top(k, 6)
        assert np.array_equal(images, np.argsort(-H[k], kind="stable")[:6])
        assert np.array_equal(values, H[k, images])
    assert result.H.X.traffic.received - before == count * RANK * 6 * 16
    values, images = there.top(0, 10 * N)
    assert len(np.unique(images)) == N
    np.testing.assert_allclose(there.sparsities(), gs.hoyer_sparsity(H.T), rtol=1e-12)
    assert np.array_equal((there * np.zeros((RANK, 1))).sparsities(), np.ones(RANK))
    here, found = residuals(X, W, H), residuals(result.H.X, W, there)
    for name in ("images", "pixels", "error", "without"):
        np.testing.assert_allclose(getattr(found, name), getattr(here, name), rtol=1e-10)


@pytest.mark.parametrize(
    "chosen", [{}, {"method": "ahals"}, {"method": "wsnmf"}, {"sparsity_h": 0.3}, {"frozen": (1,)}]
)
def test_kkt_residual_of_coefficients_that_are_elsewhere(chosen):
    X, p = data(), params(**chosen)
    result = gs.factorize(spread(X), params(**{**chosen, "frozen": ()}))
    here = kkt_residual(X, result.W, np.asarray(result.H), p)
    assert kkt_residual(None, result.W, result.H, p) == pytest.approx(here, rel=1e-9)


def test_a_stop_is_for_one_call():
    X = data()
    seen, part = [], Part(InMemoryBlocks(np.ascontiguousarray(X.T)), 0, N, "cpu")

    def work(images, H):
        for some, _ in images.Xt.T.blocks():
            seen.append(some)
        return len(seen), None

    assert part.do(Order(work), 1) == 1
    part.interrupt(1)  # it is over
    assert part.do(Order(work), 2) == 2
    part.interrupt(4)  # has not begun
    assert part.do(Order(work), 3) == 3
    with pytest.raises(Interrupted):
        part.do(Order(work), 4)
    assert part.do(Order(work), 5) == 4
    assert part.do(Order(work)) == 5


def test_coefficients_of_a_run_begin_another_where_they_are():
    X = data()
    first = gs.factorize(spread(X), params())
    traffic = first.H.X.traffic
    sent = traffic.sent
    second = gs.factorize(first.H.X, params(init=(first.W, first.H), max_iter=1))
    assert traffic.sent - sent < first.H.nbytes, "they stay"
    agree(second, gs.factorize(X, params(init=(first.W, np.asarray(first.H)), max_iter=1)))
    other = spread(X, 2)  # where they are not
    agree(gs.factorize(other, params(init=(first.W, first.H), max_iter=1)), second)


class Failing(LocalWorkers):
    """Loses a part, with what it held, at given calls."""

    fails_at: tuple[int, ...] = (7,)

    def __init__(self, *args):
        super().__init__(*args)
        self.X, self.calls, self.replaced = args[0], 0, 0

    def call(self, orders, is_unwanted):
        self.calls += 1
        answers = super().call({i: o for i, o in orders.items() if i != 1}, is_unwanted)
        if 1 in orders:
            gone = self.calls in self.fails_at
            answers[1] = Lost() if gone else super().call({1: orders[1]}, is_unwanted)[1]
        return answers

    def replace(self, lost, is_unwanted):
        self.replaced += 1
        fresh = LocalWorkers(self.X, self.spans)
        for i in lost:
            self._parts[i] = fresh._parts[i]


@pytest.mark.parametrize("call", range(2, 12))
def test_a_part_that_is_lost_is_made_again_at_any_moment(call, monkeypatch):
    monkeypatch.setattr(Failing, "fails_at", (call,))
    X = data()
    some = spread(X, 3, Failing)
    there, here = gs.factorize(some, params("ahals")), gs.factorize(X, params("ahals"))
    assert some.traffic.recoveries == some.workers.replaced == 1
    assert there.n_iter == 12
    assert abs(there.error - here.error) < 0.02
    H = np.asarray(there.H)
    assert np.linalg.norm(X - there.W @ H) / np.linalg.norm(X) == pytest.approx(there.error, abs=1e-6)


def test_coefficients_of_a_lost_part_are_fitted_again_to_their_own_basis():
    X = data()
    some = spread(X, 3, Failing)
    result = gs.factorize(some, params("ahals"))
    before = np.asarray(result.H)
    some.workers.replace([1], None)
    some.workers.fails_at = (some.workers.calls + 1,)
    part = slice(400, 500)
    left = [np.linalg.norm(X[:, part] - result.W @ H[:, part]) for H in (before, result.H)]
    assert left[1] <= 1.02 * left[0]
    assert np.array_equal(result.H[:, :320], before[:, :320])


def test_two_threads_that_find_a_part_lost_make_it_again_once():
    some = spread(data())
    H = gs.factorize(some, params("ahals", max_iter=3)).H
    both, asked, replaced = threading.Barrier(2), threading.local(), []
    call = some.workers.call

    def both_lose(orders, is_unwanted):
        if not hasattr(asked, "once"):
            asked.once = both.wait(60)
            return {i: Lost() for i in orders}
        return call(orders, is_unwanted)

    def note(lost, is_unwanted):
        replaced.append(tuple(lost))

    some.workers.call, some.workers.replace = both_lose, note
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda j: H[:, j], (500, 501))
    assert replaced == [(1,)]
    assert (one > 0).any()
    assert (other > 0).any()


def test_a_part_that_is_lost_again_and_again_ends_the_run(monkeypatch):
    monkeypatch.setattr(Failing, "fails_at", tuple(range(7, 100)))
    with pytest.raises(ClusterError, match=r"images 385 to 640 was lost 3 times in a row.*; give the workers more"):
        gs.factorize(spread(data(), 3, Failing), params())
