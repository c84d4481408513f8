"""Session without panels: the slider's journey over the pinned basis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from handling import Listener, wait_until

import gsp_studio as gs
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.gui.session import projection
from gsp_studio.gui.session.session import Session


@pytest.fixture
def faces(faces: Session) -> Session:
    """A session that only projects."""
    faces.basis.set_refine(False)
    return faces


def true_error(session: Session, W: np.ndarray) -> float:
    X = session.dataset.X.astype(np.float64)
    return float(np.linalg.norm(X - W.astype(np.float64) @ session.basis.pinned.H) / np.linalg.norm(X))


@pytest.mark.parametrize("s", [0.5, 0.7, 0.85, 0.95, 1.0])
def test_projection_is_the_pinned_basis_projected_with_its_true_error(faces: Session, s: float) -> None:
    heard = Listener(faces, "display.shownChanged", "settings.choiceChanged")
    faces.settings.set_sparsity(s)
    [shown] = heard["shownChanged"]  # in the same event
    expected = gs.group_sparse_projection(faces.basis.pinned.W, s).values
    np.testing.assert_allclose(shown.W, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    assert shown.error == pytest.approx(true_error(faces, shown.W), rel=1e-4)
    np.testing.assert_allclose(shown.sparsities, hoyer_sparsity(shown.W), atol=1e-5)
    assert shown.attained >= s - 1e-5
    assert shown.meets_target
    assert shown.target == s
    assert shown.baseline == faces.basis.pinned.error
    assert heard["choiceChanged"][-1].params.sparsity == s


def test_sparser_is_never_better_than_the_pinned_basis_gave(faces: Session) -> None:
    errors = []
    for s in np.linspace(faces.basis.pinned.sparsity, 0.99, 8):
        faces.settings.set_sparsity(float(s))
        errors.append(faces.display.shown.error)
    assert errors[0] == pytest.approx(faces.basis.pinned.error, rel=1e-4)
    assert errors[-1] > errors[0]


def test_denser_than_the_pinned_basis_leaves_it_as_it_is(faces: Session) -> None:
    faces.settings.set_sparsity(faces.basis.pinned.sparsity / 2)
    np.testing.assert_array_equal(faces.display.shown.W, faces.basis.pinned.W)
    assert faces.display.shown.error == pytest.approx(faces.basis.pinned.error, rel=1e-6)


def test_tiles_are_ordered_by_energy_and_do_not_move_under_the_slider(faces: Session) -> None:
    W, H = faces.basis.pinned.W.astype(float), faces.basis.pinned.H.astype(float)
    energy = (np.linalg.norm(W, axis=0) * np.linalg.norm(H, axis=1)) ** 2
    order = np.argsort(-energy, kind="stable")
    for s in (0.6, 0.9, 0.99):
        faces.settings.set_sparsity(s)
        np.testing.assert_array_equal(faces.display.shown.order, order)
    faces.settings.set_sparsity(0.0)
    np.testing.assert_allclose(faces.display.shown.energies, energy / energy.sum(), rtol=1e-4)


def test_steps_stay_between_0_and_1(faces: Session) -> None:
    faces.settings.set_sparsity(0.99)
    faces.settings.step_sparsity(0.01)
    assert faces.settings.params.sparsity == 1.0
    faces.settings.step_sparsity(0.01)
    assert faces.settings.params.sparsity == 1.0
    for _ in range(3):
        faces.settings.step_sparsity(-0.01)
    assert faces.settings.params.sparsity == 0.97
    faces.settings.set_sparsity(0.004)
    faces.settings.step_sparsity(-0.01)
    assert faces.settings.params.sparsity == 0.0


def test_reset_goes_to_the_basis_own_sparsity(faces: Session) -> None:
    faces.slider.reset_sparsity()
    own = faces.basis.pinned.sparsity
    assert own - 1e-4 <= faces.settings.params.sparsity <= own
    np.testing.assert_array_equal(faces.display.shown.W, faces.basis.pinned.W)


def test_slider_without_data_only_sets_the_target(session: Session) -> None:
    heard = Listener(session, "display.shownChanged", "failed")
    session.settings.set_sparsity(0.4)
    session.slider.reset_sparsity()
    assert session.settings.params.sparsity == 0.4
    assert heard.is_silent


def test_selection_is_of_what_is_shown(faces: Session) -> None:
    wait_until(lambda: faces.display.shown is not None)
    heard = Listener(faces, "display.selectionChanged")
    for basis in (8, 9, -1, -5, 0):
        faces.display.select(basis)
    assert heard["selectionChanged"] == [8, -1, -1, -1, 0]
    assert faces.display.selected == 0


class TestLargeBasis:
    """A basis that takes longer than an event may is projected by a worker."""

    @pytest.fixture
    def large(self, faces: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
        monkeypatch.setattr(projection, "SAME_EVENT", 100)
        return faces

    def test_answer_comes_later_and_is_the_same(self, large: Session) -> None:
        heard = Listener(large, "display.shownChanged", "failed")
        large.settings.set_sparsity(0.8)
        assert heard["shownChanged"] == []
        wait_until(lambda: heard["shownChanged"])
        [shown] = heard["shownChanged"]
        np.testing.assert_allclose(shown.W, gs.group_sparse_projection(large.basis.pinned.W, 0.8).values, atol=1e-6)
        assert heard["failed"] == []

    def test_last_of_many_requests_is_answered_and_polling_ends(self, large: Session) -> None:
        heard = Listener(large, "display.shownChanged")
        targets = [0.5 + k / 1000 for k in range(400)]
        for s in targets:
            large.settings.set_sparsity(s)
        wait_until(lambda: large.display.shown.target == targets[-1])
        told = [shown.target for shown in heard["shownChanged"]]
        assert told == sorted(told), "an older answer came after a newer one"
        wait_until(lambda: not large.basis._projection.is_busy)

    def test_answer_for_a_basis_that_is_pinned_no_more_is_dropped(self, large: Session) -> None:
        large.settings.set_sparsity(0.7)
        large.set_dataset(large.dataset)
        heard = Listener(large, "display.shownChanged")
        wait_until(lambda: large.basis.pinned is not None)
        wait_until(lambda: large.display.shown is not None)
        assert [shown.target for shown in heard["shownChanged"]] == [0.7]
        assert large.display.shown.baseline == large.basis.pinned.error

    def test_projection_that_raises_is_told(self, large: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(s: float, s_h: float) -> None:
            raise ValueError(f"{s} is a bad number")

        monkeypatch.setattr(large.basis._projection.projector, "show", broken)
        heard = Listener(large, "failed")
        large.settings.set_sparsity(0.6)
        wait_until(lambda: heard["failed"])
        assert heard["failed"][0][0] == "0.6 is a bad number"


def test_a_held_basis_image_stays_and_the_others_share_the_rest(faces: Session) -> None:
    faces.settings.set_sparsity(0.7)
    before = faces.display.shown
    faces.slider.toggle_locked(4)
    assert faces.basis.locked == {4: pytest.approx(float(before.sparsities[4]))}
    np.testing.assert_allclose(faces.display.shown.W, before.W, atol=1e-5)  # locked where it is, so nothing moves yet
    for s in (0.8, 0.9):
        faces.settings.set_sparsity(s)
        assert faces.display.shown.sparsities[4] == pytest.approx(float(before.sparsities[4]), abs=1e-5)
        assert faces.display.shown.attained == pytest.approx(s, abs=1e-5)
        expected = gs.group_sparse_projection(faces.basis.pinned.W, s, pinned=faces.basis.locked).values
        np.testing.assert_allclose(faces.display.shown.W, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
        assert faces.display.shown.error == pytest.approx(true_error(faces, faces.display.shown.W), rel=1e-4)
    faces.settings.set_sparsity(0.999)
    assert not faces.display.shown.meets_target  # out of reach while one is locked
    faces.slider.toggle_locked(4)
    assert faces.basis.locked == {}
    assert faces.display.shown.meets_target


def test_the_path_is_that_of_what_is_held(faces: Session) -> None:
    faces.settings.set_sparsity(0.6)
    faces.slider.toggle_locked(0)
    heard = Listener(faces, "basis.pathChanged")
    wait_until(lambda: heard["pathChanged"] and len(heard["pathChanged"][-1].s) == 61)
    path = heard["pathChanged"][-1]
    faces.settings.set_sparsity(float(path.s[30]))
    assert path.errors[30] == pytest.approx(faces.display.shown.error, rel=1e-6)


def test_another_basis_holds_nothing(faces: Session) -> None:
    faces.settings.set_sparsity(0.7)
    faces.slider.toggle_locked(2)
    heard = Listener(faces, "basis.lockedChanged")
    faces.run()
    faces.slider.toggle_locked(3)  # not while a run is going
    wait_until(lambda: faces.runs.entries)
    assert heard["lockedChanged"] == [{}]


def test_coefficients_at_a_target_of_their_own(faces: Session) -> None:
    faces.settings.set_sparsity(0.7)
    faces.settings.set_sparsity_h(0.5)
    wait_until(lambda: faces.display.shown.target_h == 0.5)
    expected = gs.group_sparse_projection(faces.basis.pinned.H.T, 0.5).values.T
    np.testing.assert_allclose(faces.display.shown.H, expected, rtol=0, atol=1e-5 * expected.max())
    assert faces.display.shown.sparsity_h == pytest.approx(0.5, abs=1e-5)
    assert faces.display.shown.meets_target
    X, W, H = (a.astype(np.float64) for a in (faces.dataset.X, faces.display.shown.W, faces.display.shown.H))
    error = np.linalg.norm(X - W @ H) / np.linalg.norm(X)
    assert faces.display.shown.error == pytest.approx(error, rel=1e-4)
    faces.settings.settle_sparsity()
    faces.settings.set_sparsity_h(0.0)
    assert np.isnan(faces.display.shown.target_h)
    assert faces.display.shown.H is faces.basis.pinned.H


def test_a_run_takes_the_target_of_the_coefficients_and_is_steered_by_it(faces: Session) -> None:
    faces.settings.set_sparsity_h(0.3)
    faces.settings.set_choice(faces.settings.choice.with_params(max_iter=100_000, tol=0.0))
    faces.run()
    wait_until(lambda: faces.course.records)
    faces.settings.set_sparsity_h(0.5)
    wait_until(lambda: faces.display.shown.target_h == 0.5)
    assert faces.display.shown.sparsity_h >= 0.5 - 1e-5
    faces.cancel()
    wait_until(lambda: faces.runs.entries)
    assert faces.runs.entries[-1].choice.params.sparsity_h == 0.5
    assert "s of H = 0.500" in faces.runs.entries[-1].label
    assert [step.change.sparsity_h for step in faces.runs.entries[-1].outcome.interventions] == [0.5]
