"""Runs of other losses in the window, and the basis of a run on other images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handling import Listener, wait_until

import gsp_studio as gs
from gsp_studio.gui.dialogs.apply import ApplyDialog
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.session_file.run_records import entry_from, saved_of
from gsp_studio.gui.texts import error_words
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.saved_run import read_run, write_run

KINDS = [({"method": "gspkl"}, "KL divergence"), ({"poisson": True}, "scaled error"), ({"sum_to_one": 1.0}, "error")]


def run(session: Session, **changes: object) -> None:
    """Do a short run of these parameters."""
    wanted = {"rank": 4, "sparsity": 0.6, "continuation": 20, "max_iter": 22, "tol": 0.0, **changes}
    session.settings.set_choice(session.settings.choice.with_params(**wanted))
    session.run()
    wait_until(lambda: session.runs.entries and not session.live.is_going)


@pytest.mark.parametrize(("changes", "name"), KINDS)
def test_its_error_has_a_name_and_the_slider_goes_on_in_its_loss(
    faces: Session, changes: dict[str, object], name: str, tmp_path: Path
) -> None:
    run(faces, **changes)
    [entry] = faces.runs.entries
    assert error_words(entry.shown).startswith(f"{name} ")
    write_run(tmp_path / "run", saved_of(entry))
    again = entry_from(read_run(tmp_path / "run"), faces.dataset.X)
    assert again.pinned.error == pytest.approx(entry.pinned.error, rel=1e-5)
    assert again.pinned.fit == entry.pinned.fit
    faces.settings.set_sparsity(0.8)
    wait_until(lambda: faces.display.shown.target == 0.8 and faces.display.shown.iterations)
    faces.settings.settle_sparsity()
    shown = faces.display.shown
    assert name in error_words(shown)
    assert shown.meets_target
    if "sum_to_one" in changes:
        np.testing.assert_allclose(shown.H.sum(axis=0), 1.0, rtol=1e-4)


def test_the_basis_on_the_screen_is_applied_to_other_images(faces_window: MainWindow, tmp_path: Path) -> None:
    session = faces_window.session
    run(session)
    images = np.array(session.dataset.images(np.arange(7)), np.float32)
    np.save(tmp_path / "other.npy", images)
    heard = Listener(session, "logged", "failed")
    faces_window.actions_by_name["apply"].trigger()
    dialog = faces_window.findChild(ApplyDialog)
    assert not dialog.apply.isEnabled()
    dialog.images.setText(str(tmp_path / "other.npy"))
    dialog.folder.setText(str(tmp_path / "new"))
    dialog.apply.click()
    wait_until(lambda: any("4 files in" in str(words) for words in heard["logged"]) or heard["failed"])
    assert not heard["failed"]
    result = session.runs.current.outcome.result
    expected = gs.apply_basis(images.reshape(7, -1).T.astype(result.W.dtype), result.W)
    np.testing.assert_allclose(np.load(tmp_path / "new" / "applied.npy"), expected.H, rtol=1e-3, atol=1e-5)
