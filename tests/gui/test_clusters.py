"""Run on > Cluster: an address, workers in the status bar, and a run that is computed there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handling import Listener, settle, wait_until
from PySide6.QtCore import Qt

from gsp_studio.core.distributed.coefficients import Coefficients
from gsp_studio.core.residuals import fit_of_image
from gsp_studio.engine import cluster, runner
from gsp_studio.gui.compared_basis import ComparedBasis
from gsp_studio.gui.jobs.inspection import users_of
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import Phase
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.session_file import read_session


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workers in threads of this process, which start at once; its memory, that of all other tests too, is theirs."""
    import distributed

    made = distributed.LocalCluster
    monkeypatch.setattr(distributed, "LocalCluster", lambda **how: made(**how, processes=False, memory_limit=2**40))
    yield
    cluster.close_all()


def test_a_run_goes_to_the_cluster_and_comes_back(faces_window: MainWindow, in_threads: None) -> None:
    window = faces_window
    window.clusters.actions["cluster"].trigger()
    dialog = window.clusters.dialog
    assert dialog.textValue() == "local:2"
    dialog.accept()
    wait_until(lambda: window.session.settings.scheduler == "local:2")
    assert window.clusters.actions["cluster"].isChecked()
    assert window.clusters.said.isVisible()
    assert "2 workers, " in window.clusters.said.text()
    assert re.search(r"workers, \d+\.\d of \d+\.\d GiB", window.clusters.said.text())
    assert '">dashboard</a>' in window.clusters.said.text()
    assert window.clusters.said.textFormat() == Qt.TextFormat.RichText
    session = window.session
    session.run()
    wait_until(lambda: len(session.runs.entries) == 1)
    [entry] = session.runs.entries
    assert entry.outcome.result.backend.startswith("2 workers, ")
    assert isinstance(entry.shown.H, np.ndarray)
    window.clusters.actions["here"].trigger()
    assert session.settings.scheduler == ""
    assert not window.clusters.said.isVisible()
    session.run()
    wait_until(lambda: len(session.runs.entries) == 2)
    assert session.runs.entries[1].outcome.result.backend.startswith("cpu")
    assert session.runs.entries[1].shown.error == pytest.approx(entry.shown.error, abs=1e-3)


def test_a_scheduler_that_is_not_there_is_told_and_nothing_changes(window: MainWindow, monkeypatch) -> None:
    monkeypatch.setattr(cluster, "_ANSWER", 0.5)
    heard: list[str] = []
    window.session.failed.disconnect()
    window.session.failed.connect(lambda sentence, details: heard.append(sentence))
    for address, told in (("nope", '"nope" is not a scheduler'), ("tcp://127.0.0.1:9", "no scheduler answers at tcp")):
        window.clusters.connect_to(address)
        wait_until(lambda: bool(heard))
        assert heard.pop().startswith(told)
        assert window.session.settings.scheduler == ""
        assert window.clusters.actions["here"].isChecked()
        assert not window.clusters.said.isVisible()


@pytest.fixture
def on_cluster(faces_window: MainWindow, in_threads: None, monkeypatch: pytest.MonkeyPatch) -> MainWindow:
    """A window whose runs go to a cluster that keeps their coefficients."""
    monkeypatch.setattr(runner, "LARGEST_FETCHED", 0)
    window = faces_window
    window.clusters.connect_to("local:2")
    wait_until(lambda: window.session.settings.scheduler == "local:2")
    return window


def received(H: Coefficients) -> int:
    return H.X.traffic.received


def test_of_a_run_that_goes_on_what_is_looked_at_is_fetched(on_cluster: MainWindow) -> None:
    window, session = on_cluster, on_cluster.session
    failed = Listener(session, "failed")
    session.settings.set_choice(session.settings.choice.with_params(max_iter=100_000, tol=0.0))
    window.centre.show_view("Inspector")
    session.display.select(2)
    session.run()
    wait_until(lambda: session.display.shown is not None and not session.display.shown.has_coefficients)
    inspector, basis = window.inspector, window.basis
    wait_until(lambda: inspector._fit_of[0] is not None and not inspector._fit_of[0].has_coefficients)
    wait_until(lambda: inspector._errors_of is not None and not inspector._errors_of.has_coefficients)
    wait_until(lambda: basis._users[0].toolTip().startswith("Coefficient times length"))
    shown = session.display.shown
    assert inspector._fit.reconstruction.shape == (361,)
    wait_until(lambda: inspector._errors.error < 0.4)  # at the first iterate it is 0.7
    session.cancel()
    wait_until(lambda: len(session.runs.entries) == 1)
    wait_until(lambda: not session.analyses._inspection._residual.is_busy)
    settle()
    assert not failed["failed"]
    W, H = shown.W, np.asarray(shown.H)
    before = received(shown.H)
    here = users_of(replace(shown, H=H), 2, False)
    there = users_of(shown, 2, False)
    assert np.array_equal(here.images, there.images)
    np.testing.assert_allclose(here.weights, there.weights, rtol=1e-6)
    fit = fit_of_image(session.dataset.X[:, 5], W, shown.H[:, 5])
    assert np.array_equal(fit.h, H[:, 5])
    assert received(shown.H) - before < H.nbytes / 2, "an image's, and those that use a basis image most"


def is_refined(session: Session, s: float) -> bool:
    """Whether a refinement at this target has ended."""
    shown = session.display.shown
    return shown.iterations > 0 and not shown.is_refining and shown.target == s


def test_a_result_whose_coefficients_stay_on_the_cluster_is_used_as_any(on_cluster: MainWindow, tmp_path: Path) -> None:
    window, session = on_cluster, on_cluster.session
    failed = Listener(session, "failed")
    session.settings.set_choice(session.settings.choice.with_params(sparsity=0.5, max_iter=30))
    session.run()
    wait_until(lambda: len(session.runs.entries) == 1 and session.phase is Phase.IDLE)
    [entry] = session.runs.entries
    assert isinstance(entry.outcome.result.H, Coefficients)
    # The slider, and the solution after it, where the coefficients are.
    session.settings.set_sparsity(0.8)
    wait_until(lambda: session.display.shown.target == 0.8)
    projected = session.display.shown
    assert isinstance(projected.H, Coefficients)
    session.settings.settle_sparsity()
    wait_until(lambda: failed["failed"] or is_refined(session, 0.8))
    solved = session.display.shown
    assert isinstance(solved.H, Coefficients)
    assert solved.error < projected.error == solved.projected
    X = session.dataset.X
    exact = np.linalg.norm(X - solved.W @ np.asarray(solved.H)) / np.linalg.norm(X)
    assert solved.error == pytest.approx(exact, abs=1e-5)
    session.settings.set_sparsity(0.3)
    session.settings.settle_sparsity()
    wait_until(lambda: failed["failed"] or is_refined(session, 0.3))
    assert not failed["failed"]
    assert isinstance(session.display.shown.H, Coefficients)
    assert session.display.shown.attained < entry.pinned.sparsity
    # Its file, its export, another run beside it.
    session.exports.export(tmp_path / "out", session.runs.at(0))
    wait_until(lambda: (tmp_path / "out" / "run.json").exists())
    assert np.array_equal(np.load(tmp_path / "out" / "H.npy"), np.asarray(entry.shown.H))
    store, saved = window.session_menu.store, Listener(window.session_menu.store, "saved", "failed")
    store.save(tmp_path / "kept.gsps")
    wait_until(lambda: saved["saved"] or saved["failed"])
    assert not saved["failed"]
    assert np.array_equal(read_session(tmp_path / "kept.gsps").runs[0].run.result.H, np.asarray(entry.shown.H))
    session.run()
    wait_until(lambda: len(session.runs.entries) == 2 and session.phase is Phase.IDLE)
    compared = Listener(session, "analyses.comparisonReady")
    session.analyses.compare(tuple(map(ComparedBasis.of_run, session.runs.entries)))
    wait_until(lambda: compared["comparisonReady"])
    wait_until(lambda: not session.analyses._inspection._residual.is_busy)
    assert not failed["failed"]
