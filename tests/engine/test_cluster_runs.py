"""Runs on real workers, processes of their own: killed, restarted, cancelled, and a scheduler that goes."""

import logging
import os
import signal
import socket
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.core.distributed.protocol import ClusterError
from gsp_studio.engine.cluster import Cluster, check_address, close_all, connect, known
from gsp_studio.engine.run import FinishReason, RunSpec, RunState
from gsp_studio.engine.runner import Runner

M, N = 48, 4000
PARAMS = gs.Params(4, "ahals", seed=1, max_iter=60, tol=0.0)


def data():
    rng = np.random.default_rng(0)
    return np.asfortranarray(rng.random((M, 4)) ** 4 @ rng.random((4, N)) + 0.02 * rng.random((M, N)), np.float32)


class Watched:
    """Reads images from memory, slowly; a file that is there by then ends the process that reads, as often as it says.

    It stands for what Linux and Dask's nanny do to a process that has taken too much memory.
    """

    def __init__(self, end: Path, seconds=0.0):
        self.end, self.seconds, self.own = end, seconds, os.getpid()

    def __call__(self, start, stop, out):
        time.sleep(self.seconds)
        if self.end.exists() and os.getpid() != self.own:
            os.kill(os.getpid(), signal.SIGKILL)
        out[:] = data().T[start:stop]


@pytest.fixture(scope="module")
def address():
    yield "local:2"
    close_all()


@pytest.fixture(scope="module")
def here():
    return gs.factorize(data(), PARAMS)


def spec(address, tmp_path, params=PARAMS, seconds=0.0):
    return RunSpec(BlockMatrix((M, N), np.float32, Watched(tmp_path / "end", seconds)), params, scheduler=address)


def until(runner, n_iter):
    """Poll as a window does until so many iterations are done."""
    seen, end = 0, time.monotonic() + 120
    while seen < n_iter and runner.state not in (RunState.FINISHED, RunState.FAILED) and time.monotonic() < end:
        seen = max([seen, *(record.n_iter for record in runner.poll().records)])
        time.sleep(0.005)
    return seen


def test_a_run_with_a_window_gets_its_coefficients_and_goes_on_when_a_worker_is_killed(address, here, tmp_path):
    runner = Runner(spec(address, tmp_path, gs.Params(4, "ahals", seed=1, max_iter=400, tol=0.0)))
    runner.start()
    assert until(runner, 5) >= 5
    client = connect(address).client
    killed = next(iter(client.run(os.getpid).values()))
    os.kill(killed, signal.SIGKILL)
    assert runner.join(120)
    outcome = runner.poll().outcome
    assert outcome.reason is FinishReason.MAX_ITER, outcome.error_text
    result = outcome.result
    assert isinstance(result.H, np.ndarray)
    assert result.backend.startswith("2 workers")
    X = data()
    assert np.linalg.norm(X - result.W @ result.H) / np.linalg.norm(X) == pytest.approx(result.error, abs=1e-4)
    assert result.error <= here.error * 1.01


def test_a_run_gives_what_it_gives_here(address, here, tmp_path):
    outcome = Runner(spec(address, tmp_path)).run()
    assert outcome.reason is FinishReason.MAX_ITER, outcome.error_text
    assert outcome.result.error == pytest.approx(here.error, abs=1e-4)
    status = connect(address).status()
    assert (status.workers, status.address[:6]) == (2, "tcp://")
    assert status.dashboard.startswith("http://127.0.0.1:")
    assert 0 < status.used < status.limit


def test_a_run_is_steered_paused_and_cancelled(address, tmp_path):
    runner = Runner(spec(address, tmp_path, gs.Params(4, "psnmf", 0.3, seed=1, max_iter=100_000, tol=0.0)))
    runner.start()
    until(runner, 3)
    runner.steer(gs.Params(4, "psnmf", 0.5, seed=1, max_iter=100_000, tol=0.0))
    runner.edit(gs.Split(0))
    until(runner, 20)
    assert runner.so_far().result.H.shape[1] == N
    runner.cancel()
    assert runner.join(30)
    outcome = runner.poll().outcome
    assert outcome.reason is FinishReason.CANCELLED
    assert outcome.result.H.shape == (5, N)
    assert len(outcome.interventions) == 2


def test_a_mask_is_refused(address):
    runner = Runner(RunSpec(data(), PARAMS, mask=np.zeros((M, N), bool), scheduler=address))
    assert runner.run().error_text == "a mask needs the images in memory; on a cluster they are on other machines"
    runner = Runner(RunSpec(data(), replace(PARAMS, held_out=0.02), scheduler=address))
    assert runner.run().error_text == "held_out needs the images in memory; on a cluster they are on other machines"


def test_a_scheduler_that_goes_ends_the_run_with_a_sentence_and_the_best_iterate(address, tmp_path):
    runner = Runner(spec(address, tmp_path, gs.Params(4, "ahals", seed=1, max_iter=100_000, tol=0.0)))
    runner.start()
    done = until(runner, 3)
    connect(address)._local.close(timeout=5)
    assert runner.join(120)
    outcome = runner.poll().outcome
    assert (runner.state, outcome.reason) == (RunState.FAILED, FinishReason.FAILED)
    assert "\n" not in outcome.error_text
    assert "does not answer any more" in outcome.error_text
    assert outcome.result.n_iter >= done
    assert np.isfinite(outcome.result.H).all()


def test_workers_that_die_again_and_again_end_the_run_with_a_sentence_and_the_best_iterate(
    address, tmp_path, monkeypatch
):
    monkeypatch.setattr("gsp_studio.core.distributed.dask_workers._SHARE", 0.0)  # read in every pass
    monkeypatch.setattr("gsp_studio.core.distributed.matrix._ATTEMPTS", 2)
    runner = Runner(
        spec(address, tmp_path, seconds=0.05, params=gs.Params(4, "ahals", seed=1, max_iter=10_000, tol=0.0))
    )
    runner.start()
    done = until(runner, 3)
    (tmp_path / "end").touch()
    assert runner.join(120)
    outcome = runner.poll().outcome
    assert outcome.reason is FinishReason.FAILED
    assert "was lost 2 times in a row, as happens when its memory does not do; give the workers more" in (
        outcome.error_text
    )
    assert outcome.result.n_iter >= done
    X = data()
    left = np.linalg.norm(X - outcome.result.W @ outcome.result.H) / np.linalg.norm(X)
    assert left == pytest.approx(outcome.result.error, rel=0.02)


def test_a_scheduler_that_is_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setattr("gsp_studio.engine.cluster._ANSWER", 1.0)
    with pytest.raises(ClusterError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9; start one with"):
        Cluster("tcp://127.0.0.1:9")
    assert known("tcp://127.0.0.1:9") is None


@pytest.mark.parametrize("address", ["", "nope", "local:0", "local:x", "http://host:80", "tcp://host"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ClusterError, match="is not a scheduler; accepted are the address of a scheduler"):
        check_address(address)


def test_a_server_that_never_answers_is_not_waited_for_long(monkeypatch):
    monkeypatch.setattr("gsp_studio.engine.cluster._ANSWER", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ClusterError, match=r"no scheduler answers at .* \(waited for 1 s at most"):
            Cluster(address)


def test_tls_without_certificates_is_one_sentence(monkeypatch):
    monkeypatch.setattr("gsp_studio.engine.cluster._ANSWER", 1.0)
    with pytest.raises(ClusterError, match=r"tls://127\.0\.0\.1:9 needs certificates; name them in Dask's"):
        Cluster("tls://127.0.0.1:9")


class Kept(logging.Handler):
    """A log in memory; Dask changes the levels of the handlers of others, pytest's among them."""

    def __init__(self):
        super().__init__()
        self.told = []

    def emit(self, record):
        self.told.append(record.getMessage())


def test_what_dask_prints_goes_into_the_log(address, capsys):
    connect(address)  # which has Dask's own loggers say nothing of local workers
    kept = Kept()
    logging.getLogger("gsp_studio").addHandler(kept)
    try:
        logging.getLogger("tornado.application").error("a connection to %s broke", "a worker")
    finally:
        logging.getLogger("gsp_studio").removeHandler(kept)
    assert "tornado.application: a connection to a worker broke" in kept.told
    assert capsys.readouterr() == ("", "")
