"""Names of seeds and the reference: on the screen, in the session's file, and in exports."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from handling import settle, wait_until
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu

from gsp_studio.core.truth import Truth, compare_with_truth
from gsp_studio.gui.panels.compare import ComparePanel
from gsp_studio.gui.panels.inspector import InspectorPanel
from gsp_studio.gui.panels.selected_basis import BasisPanel
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.dataset import LoadOptions
from gsp_studio.io.reference_text import reference_as_json, reference_from_json
from gsp_studio.io.references import Sizes
from gsp_studio.io.run_json import read_run
from gsp_studio.io.truth_file import read_truth

BANDS, HEIGHT, WIDTH = 12, 6, 8
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def arrays(tmp_path: Path) -> dict[str, np.ndarray]:
    """Y, M and A of 6 x 8 pixels of 12 bands, three of them pure, also as scene.mat."""
    rng = np.random.default_rng(0)
    M, A = rng.random((BANDS, 3)) + 0.05, rng.dirichlet(3 * np.ones(3), HEIGHT * WIDTH).T
    A[:, [3, 17, 40]] = np.eye(3)
    found = {"Y": M @ A, "M": M, "A": A}
    scipy.io.savemat(tmp_path / "scene.mat", found)
    return found


@pytest.fixture
def window(make_window: Callable[[], MainWindow], arrays: dict[str, np.ndarray], tmp_path: Path) -> MainWindow:
    """A window with a run of two seeds, M 1 and M 2."""
    made = make_window()
    made.resize(1100, 800)
    session = made.session
    session.settings.set_choice(session.settings.choice.with_params(rank=3, method="ahals", max_iter=20))
    layout = LoadOptions(key="Y", images_in="rows", image_shape=(HEIGHT, WIDTH), order="F", samples="pixels")
    session.open(tmp_path / "scene.mat", layout)
    wait_until(lambda: session.display.shown is not None)
    from gsp_studio.io.seed_sources import seeds_of_file

    session.seeds.find(lambda dataset: seeds_of_file(":M", dataset)[:2], "reading seeds")
    wait_until(lambda: len(session.seeds.seeds) == 2)
    session.run()
    wait_until(lambda: session.runs.entries)
    return made


def choose_reference(panel: ComparePanel) -> None:
    """Open the menu of the button by the mouse, and its first row by the keyboard."""

    def choose() -> None:
        menu = QApplication.activePopupWidget()
        assert isinstance(menu, QMenu)
        QTest.keyClick(menu, Qt.Key.Key_Down)
        QTest.keyClick(menu, Qt.Key.Key_Return)

    QTimer.singleShot(50, choose)
    QTest.mouseClick(panel.reference, LEFT)


def test_the_window_and_run_json_name_the_seed_of_each_column(window: MainWindow, tmp_path: Path) -> None:
    session = window.session
    assert session.display.shown is not None
    assert session.display.shown.seeds == ("M 1", "M 2")
    basis = window.findChild(BasisPanel)
    assert basis is not None
    said = []
    for k in range(3):
        session.display.select(k)
        said.append(basis._facts["seed"].text())
    assert said == ["M 1", "M 2", ""]
    window.show_view("Inspector")
    settle()
    inspector = window.findChild(InspectorPanel)
    assert inspector is not None
    names = {curve.name for curve in inspector.pixel.plot.curves}
    assert {"1, M 1", "2, M 2"} & names
    session.exports.export(tmp_path / "out", session.runs.entries[0])
    wait_until(lambda: (tmp_path / "out" / "run.json").exists())
    assert read_run(tmp_path / "out").start.seed_names == ("M 1", "M 2")
    store = window.session_menu.store
    store.save(tmp_path / "scene.gsps")
    wait_until(lambda: not store.is_saving)
    store.open(tmp_path / "scene.gsps")
    wait_until(lambda: session.runs.entries and not store.is_busy)
    assert session.runs.entries[0].spec.params.seed_names == ("M 1", "M 2")
    assert session.display.shown.seeds == ("M 1", "M 2")


def test_a_reference_of_compare_is_in_the_session_file_and_in_exports(
    window: MainWindow, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    session, store = window.session, window.session_menu.store
    session.run()
    wait_until(lambda: len(session.runs.entries) == 2)
    store.save(tmp_path / "scene.gsps")
    wait_until(lambda: not store.is_saving)
    assert not store.is_modified
    window.show_view("Compare")
    settle()
    panel = window.findChild(ComparePanel)
    assert panel is not None
    choose_reference(panel)
    wait_until(lambda: session.reference.truth is not None)
    assert store.is_modified, "the file lacks the reference"
    wait_until(lambda: panel.columns[0].words[-1].text().startswith("reference: angle"))
    run = session.runs.entries[0]
    session.exports.export(tmp_path / "out", run)
    wait_until(lambda: (tmp_path / "out" / "run.json").exists())
    told = json.loads((tmp_path / "out" / "run.json").read_text())["truth"]
    exact = compare_with_truth(run.outcome.result.W, run.outcome.result.H, Truth(arrays["M"], arrays["A"]))
    assert told["mean_angle"] == pytest.approx(exact.mean_angle)
    assert told["reference"] == "M and A of scene.mat"
    assert (tmp_path / "out" / "truth.csv").exists()
    kept = read_truth([str(tmp_path / "out" / "reference.npz")], Sizes.of(session.dataset))
    np.testing.assert_array_equal(kept.spectra, arrays["M"])
    np.testing.assert_array_equal(kept.abundances, arrays["A"])
    store.save(tmp_path / "scene.gsps")
    wait_until(lambda: not store.is_saving)
    assert not store.is_modified
    session.reference.load("")
    assert session.reference.truth is None
    store.open(tmp_path / "scene.gsps")
    wait_until(lambda: session.reference.truth is not None)
    np.testing.assert_array_equal(session.reference.truth.spectra, arrays["M"])
    np.testing.assert_array_equal(session.reference.truth.abundances, arrays["A"])
    wait_until(lambda: not store.is_busy)
    assert not store.is_modified
    assert session.reference.truth.source == "M and A of scene.mat"
    wait_until(lambda: session.runs.entries)
    session.exports.export(tmp_path / "again", session.runs.entries[0])
    wait_until(lambda: (tmp_path / "again" / "run.json").exists())
    again = json.loads((tmp_path / "again" / "run.json").read_text())["truth"]
    assert again["reference"] == told["reference"]


def test_a_reference_that_a_session_names_by_its_source_is_no_change(
    window: MainWindow, arrays: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, store = window.session, window.session_menu.store
    monkeypatch.setattr("gsp_studio.io.reference_text._MOST_BYTES", 10)
    session.reference.load(str(tmp_path / "scene.mat"))
    wait_until(lambda: session.reference.truth is not None)
    for name in ("one.gsps", "two.gsps"):
        store.save(tmp_path / name)
        wait_until(lambda: not store.is_saving)
        assert not store.is_modified
        store.open(tmp_path / name)
        wait_until(lambda name=name: not store.is_busy and store.path == tmp_path / name)
        store.save(tmp_path / "two.gsps")  # before the reference has been read, too
        wait_until(lambda: not store.is_saving and session.reference.truth is not None)
        settle()
        np.testing.assert_array_equal(session.reference.truth.spectra, arrays["M"])
        store.save(tmp_path / "two.gsps")
        wait_until(lambda: not store.is_saving)
    store.open(tmp_path / "two.gsps")
    wait_until(lambda: not store.is_busy and session.reference.truth is not None)
    settle()
    assert not store.is_modified, "nothing but the reading of a file"
    session.reference.load("")
    assert store.is_modified


def test_a_reference_of_a_session_is_made_text_in_the_background(
    window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, store = window.session, window.session_menu.store
    session.reference.load(str(tmp_path / "scene.mat"))
    wait_until(lambda: session.reference.truth is not None)
    told = session.reference.as_json
    store.save(tmp_path / "scene.gsps")
    wait_until(lambda: not store.is_saving)
    session.reference.load("")
    threads: list[threading.Thread] = []

    def watch(truth: Truth | None, source: str) -> dict[str, object]:
        threads.append(threading.current_thread())
        return reference_as_json(truth, source)

    for module in ("gsp_studio.io.reference_text", "gsp_studio.gui.session_file.run_records"):
        monkeypatch.setattr(f"{module}.reference_as_json", watch, raising=False)
    store.open(tmp_path / "scene.gsps")
    wait_until(lambda: session.reference.truth is not None)
    assert threads
    assert threading.main_thread() not in threads
    assert session.reference.as_json == told


def test_damaged_references_of_a_session_file_are_left_out_with_a_sentence() -> None:
    labels = Truth(None, np.eye(3)[:, [0, 1, 2, 1]], ("a", "b", "c"), is_labels=True, source="labels of four")
    good = reference_as_json(labels, "labels")
    problems: list[str] = []
    truth, source = reference_from_json(good, (5, 4), problems)
    assert not problems
    assert source == "labels"
    assert truth is not None
    assert (truth.names, truth.is_labels, truth.source) == (("a", "b", "c"), True, "labels of four")
    older, _ = reference_from_json({key: good[key] for key in good if key != "words"}, (5, 4), problems)
    assert older is not None
    assert older.source == ""
    np.testing.assert_array_equal(truth.abundances, labels.abundances)
    assert reference_from_json({}, (5, 4), problems) == (None, "")
    assert reference_from_json({"source": "far.mat"}, (5, 4), problems) == (None, "far.mat")
    assert not problems
    bad = [7, {**good, "source": 1}, {**good, "count": 10**9}, {**good, "abundances": "?"}, {**good, "names": ["a"]}]
    bad += [
        {**good, "words": 3},
        {**good, "is_labels": 1},
        {key: good[key] for key in ("source", "count", "names", "is_labels")},
    ]
    for content in (*bad, reference_as_json(Truth(None, -labels.abundances), "x")):
        assert reference_from_json(content, (5, 4), problems) == (None, "")
    assert reference_from_json(good, (5, 3), problems) == (None, "")
    assert len(problems) == len(bad) + 2
    assert all(problem.startswith("what the window showed: the reference is") for problem in problems)
