"""`benchmarks.peers`: a peer takes part where it runs, from the same start, and errors are its own."""

from dataclasses import replace

import numpy as np
import pytest

import gsp_studio as gs
from benchmarks import peers
from benchmarks.peers import Peer, Timed


def multiplicative(X, W0, H0, n_iter):
    W, H = W0, H0
    for _ in range(n_iter):
        H = H * (W.T @ X) / (W.T @ W @ H)
        W = W * (X @ H.T) / (W @ (H @ H.T))
    return W, H


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return rng.random((60, 5)) @ rng.random((5, 210)) + 0.1 * rng.random((60, 210))


PEER = Peer("plain", "numpy", "numpy", multiplicative, n_iter=20)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(peers, "RANK", 5)


@pytest.mark.usefixtures("small")
def test_a_peer_that_is_missing_or_fails_is_named_and_left_out(X, capsys):
    assert peers.is_at_hand(PEER, X)
    assert capsys.readouterr().err == ""
    assert not peers.is_at_hand(replace(PEER, package="no-such-peer", module="no_such_peer"), X)
    assert capsys.readouterr().err == "no-such-peer is not installed: plain is left out\n"

    def fail(X, W0, H0, n_iter):
        raise AttributeError("np.mat was removed")

    assert not peers.is_at_hand(replace(PEER, solve=fail), X)
    assert capsys.readouterr().err == "numpy is installed, but does not run here: np.mat was removed\n"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ours_reach_the_error_of_a_peer_from_its_start(X, dtype):
    seen = []

    def solve(X, W0, H0, n_iter):
        seen.append((X.dtype, W0.dtype, np.linalg.norm(X - W0 @ H0)))
        return multiplicative(X, W0, H0, n_iter)

    rows = peers.against(replace(PEER, solve=solve, dtype=dtype, goal=0.5), X, True, 2, 20, gs.get_backend("cpu"))
    assert [(row.name, row.goal) for row in rows] == [("ahals_over_plain", 0.5), ("nenmf_over_plain", None)]
    assert all(row.value > 0 and "for 20 it" in row.unit for row in rows)
    assert [kind[:2] for kind in seen] == [(dtype, dtype)] * 2
    product = np.matmul(*peers.start(X))
    best = X - np.vdot(product, X) / np.vdot(product, product) * product
    assert seen[0][2] == pytest.approx(np.linalg.norm(best), rel=1e-3)


def test_an_error_that_is_not_reached_has_no_ratio():
    short, long = Timed(1.0, 2.0, 3, 0.2), Timed(4.0, 4.0, 300, 0.1)
    row = peers.row("x", [(short, long)], 0.5)
    assert np.isnan(row.value)
    assert row.met is False
    assert peers.row("x", [(replace(short, error=0.1), long)], 0.5).value == 0.25


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
@pytest.mark.usefixtures("small")
def test_peers_that_are_installed_lower_the_error_from_the_start_that_they_are_given(X, peer):
    if not peers.is_at_hand(peer, X):
        pytest.skip(f"{peer.package} does not run here")
    W0, H0 = (factor.astype(peer.dtype) for factor in peers.start(X))
    X = X.astype(peer.dtype)
    errors = [peers.timed(peer, X, W0, H0, n_iter).error for n_iter in (1, 5, 50)]
    again = peers.timed(peer, X, W0, H0, 50).error
    assert errors[0] > errors[1] > errors[2]
    assert again == pytest.approx(errors[2], rel=1e-4)  # it kept the start, and draws none
