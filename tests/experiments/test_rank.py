"""The number of parts: noisy data of a known rank, stability, and what cannot be."""

import json
import math

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.cli import main
from gsp_studio.experiments.rank import (
    RankRow,
    _warning,
    bicross_validated_errors,
    stability_of,
    study_ranks,
    suggest_rank,
)


def noisy(rank=5, seed=0, noise=0.1, dtype=np.float32, shape=(120, 160)):
    rng = np.random.default_rng(seed)
    X = np.maximum(rng.random((shape[0], rank)) - 0.4, 0) @ rng.random((rank, shape[1]))
    return np.asfortranarray(np.maximum(X + noise * X.mean() * rng.standard_normal(X.shape), 0), dtype)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("method", ["ahals", "psnmf"])
def test_noisy_data_of_rank_five_are_of_rank_five(seed, method):
    study = study_ranks(noisy(seed=seed), range(2, 9), gs.Params(1, method, 0.3, max_iter=100), seeds=3)
    assert study.suggested == 5, study.reason
    rows = {row.rank: row for row in study.rows}
    assert rows[5].stability > 0.99
    assert rows[8].stability < rows[5].stability
    assert rows[5].explained_energy.mean() > rows[3].explained_energy.mean()
    assert len(rows[5].of_basis) == 5
    assert rows[5].consensus.dispersion > max(0.9, rows[8].consensus.dispersion)
    assert rows[5].consensus.cophenetic > 0.95


def test_a_sparser_fit_than_the_data_does_not_hide_their_rank():
    """Dense parts under a high target: errors of the constrained fits fall until the largest rank."""
    rng = np.random.default_rng(0)
    for power, method, warned in ((1, "gsphals", True), (8, "psnmf", True), (30, "psnmf", False)):
        X = rng.random((120, 5)) ** power @ rng.random((5, 160))
        X = np.maximum(X + 0.1 * X.mean() * rng.standard_normal(X.shape), 0).astype(np.float32)
        target = 0.8 if warned else 0.4
        study = study_ranks(X, range(3, 9), gs.Params(1, method, target, max_iter=60), seeds=1)
        assert study.suggested == 5, study.reason
        assert study.reason.endswith("(fits without a constraint)")
        assert ("at every rank" in study.warning) == warned, study.warning
        assert (study.warning == "") != warned
        params = gs.Params(5, "ahals", max_iter=60)
        free = float(np.mean(gs.hoyer_sparsity(gs.factorize(X, params).W)))
        assert study.rows[2].free_sparsity == pytest.approx(free, abs=1e-6)


def test_a_warning_names_the_ranks_that_it_is_about():
    def row(rank, free):
        return RankRow(rank, np.ones(2), np.ones(1), 1.0, np.ones(rank), free_sparsity=free)

    rows = [row(2, 0.2), row(3, 0.35), row(4, 0.6)]
    assert _warning(rows, 0.1) == ""
    assert "the target 0.5 is above the sparsity" in _warning(rows, 0.5)
    assert "at rank 2, 3 (0.200 to 0.350)" in _warning(rows, 0.5)
    assert "at rank 2 (0.200)" in _warning(rows, 0.3)
    assert "at every rank (0.200 to 0.600)" in _warning(rows, 0.9)


@pytest.mark.parametrize(("seed", "noise"), [(0, 0.3), (1, 0.05), (2, 0.3)])
def test_few_images_and_much_noise_too(seed, noise):
    X = noisy(seed=seed, noise=noise, shape=(60, 80))
    study = study_ranks(X, range(2, 9), gs.Params(1, "ahals", max_iter=100), seeds=1)
    assert study.suggested == 5, study.reason


def test_other_ranks_are_found_too():
    assert study_ranks(noisy(3), range(1, 7), gs.Params(1, "ahals", max_iter=100), seeds=2).suggested == 3


def test_left_out_blocks_are_predicted():
    X = noisy(noise=0.0, dtype=np.float64)
    errors = bicross_validated_errors(X, gs.Params(5, "ahals", max_iter=400), folds=(2, 3), repeats=1)
    assert errors.shape == (6,)
    assert errors.max() < 0.05, "without noise the right rank predicts nearly all"
    assert bicross_validated_errors(X, gs.Params(3, "ahals", max_iter=100)).min() > 0.05
    again = bicross_validated_errors(X, gs.Params(5, "ahals", max_iter=400), folds=(2, 3), repeats=1)
    assert np.array_equal(errors, again)


def test_stability_is_one_for_the_same_parts_in_any_order():
    W = np.random.default_rng(0).random((40, 6))
    mean, own = stability_of([W, 3 * W[:, ::-1], W[:, [2, 0, 1, 5, 4, 3]]])
    assert mean == pytest.approx(1)
    np.testing.assert_allclose(own, 1)
    other = W.copy()
    other[:, 2] = np.random.default_rng(1).random(40) ** 8
    mean, own = stability_of([W, other])
    assert own[2] == own.min() < 0.6
    assert math.isnan(stability_of([W])[0])


@pytest.mark.parametrize("power", [1, 3, 12])
@pytest.mark.parametrize("rank", [2, 20])
def test_unrelated_bases_are_no_more_alike_than_chance(power, rank):
    """Their cosines alone are from 0.15 to 0.78, by their sparsity."""
    bases = [np.random.default_rng(seed).random((200, rank)) ** power for seed in range(4)]
    mean, own = stability_of(bases)
    assert mean < 0.05
    assert own.min() >= 0
    assert stability_of(bases)[0] == mean


def test_the_smallest_rank_that_is_as_good_is_suggested():
    def row(rank, mean, half):
        return RankRow(rank, np.array([mean - half, mean + half]), np.ones(1), 1.0, np.ones(rank))

    assert suggest_rank([row(2, 0.5, 0.01), row(3, 0.21, 0.01), row(4, 0.2, 0.02)])[0] == 3
    rank, reason = suggest_rank([row(2, 0.5, 0.01), row(3, 0.3, 0.01), row(4, 0.2, 0.02)])
    assert (rank, reason) == (4, "its cross-validated error, 20.00 %, is the lowest; no larger rank was tried")


def test_ranks_are_told_apart_within_blocks():
    hard = np.linspace(0.1, 0.9, 8)  # blocks differ by far more than ranks do

    def row(rank, worse):
        return RankRow(rank, hard + worse, np.ones(1), 1.0, np.ones(rank))

    noise = 0.002 * np.array([1, -1] * 4)
    rows = [row(2, 0.2), row(3, 0.02 + noise), row(4, 0.001 + noise), row(5, 0.0 * hard), row(6, 0.01)]
    assert suggest_rank(rows[1:])[0] == 4, "3 is worse in every block"
    assert "within two standard errors of the lowest, 50.00 % at rank 5" in suggest_rank(rows[1:])[1]
    rank, reason = suggest_rank([row(2, 0.2), row(3, 0.02), row(4, 0.003), row(5, 0.0), row(6, 0.01)])
    assert rank == 4, "worse in every block, and yet by next to nothing"
    assert "next to nothing above the lowest" in reason
    rank, reason = suggest_rank([row(2, 0.2), row(3, 0.02), row(4, 0.0), row(5, 0.01)])
    assert (rank, reason) == (4, "its cross-validated error, 50.00 %, is the lowest")
    assert suggest_rank([row(7, 0.0)]) == (7, "its cross-validated error, 50.00 %, is the lowest")


def test_one_seed_has_no_partner_and_one_part_no_rival():
    X, params = noisy(), gs.Params(1, "ahals", max_iter=20)
    [alone] = study_ranks(X, [3], params, seeds=1).rows
    assert math.isnan(alone.stability)
    assert math.isnan(alone.consensus.dispersion)
    assert math.isnan(alone.consensus.cophenetic)
    [one] = study_ranks(X, [1], params, seeds=3).rows
    assert one.stability == pytest.approx(1)
    assert (one.consensus.dispersion, one.consensus.cophenetic) == (1.0, 1.0)


def test_a_study_can_be_given_up():
    class Enough(Exception):
        pass

    steps = []

    def step():
        steps.append(1)
        if len(steps) == 3:
            raise Enough

    with pytest.raises(Enough):
        study_ranks(noisy(), [2, 3], gs.Params(1, "ahals", max_iter=5), on_step=step)


def test_images_in_their_file_are_sampled(monkeypatch):
    X = noisy()
    streamed = BlockMatrix(X.shape, X.dtype, lambda a, b, out: np.copyto(out, X.T[a:b]))
    monkeypatch.setattr("gsp_studio.experiments.rank._SAMPLE", 120 * 4 * 100)
    study = study_ranks(streamed, [4, 5, 6], gs.Params(1, "ahals", max_iter=100), seeds=1)
    assert study.suggested == 5


@pytest.mark.parametrize("ranks", [[], [0], [61]])
def test_ranks_that_cannot_be(ranks):
    with pytest.raises(ValueError, match="accepted are whole numbers from 1 to 60, half of the data"):
        study_ranks(noisy(), ranks, gs.Params(1, "ahals"))


def test_from_the_command_line(tmp_path, capsys):
    np.save(tmp_path / "x.npy", noisy().T.reshape(160, 12, 10))
    args = ["rank", str(tmp_path / "x.npy"), "--ranks", "3:8", "--seeds", "2", "--max-iter", "80"]
    assert main([*args, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["suggested"] == 5
    assert [row["rank"] for row in told["ranks"]] == [3, 4, 5, 6, 7]
    assert set(told["ranks"][0]) >= {"error", "spread", "explained_energy", "stability", "dispersion", "cophenetic"}
    assert told["ranks"][2]["dispersion"] > 0.9
    assert main([*args[:2], "--ranks", "4,5,6", "--seeds", "1"]) == 0
    out = capsys.readouterr().out
    assert "suggested: rank 5" in out
    assert out.splitlines()[0].split()[-4:] == ["energy", "stability", "consensus", "cophenetic"]
    assert "warning" not in out
    assert out.splitlines()[1].split()[-3:] == ["nan", "nan", "nan"]
    assert main([*args[:2], "--ranks", "4", "--seeds", "1", "--max-iter", "5", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["ranks"]
    assert (row["stability"], row["dispersion"], row["cophenetic"]) == (None, None, None)
    assert main([*args[:2], "--ranks", "4", "--seeds", "1", "--max-iter", "5", "--method", "psnmf"]) == 0
    assert "warning: the target 0.85 is above the sparsity of fits without" in capsys.readouterr().out
    assert main([*args[:2], "--seeds", "0"]) == 2
    for wrong in ("x", "5:2", "2:9:0"):
        with pytest.raises(SystemExit):
            main([*args[:2], "--ranks", wrong])
