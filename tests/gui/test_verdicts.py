"""Verdicts on basis images: keys and buttons, marks on the tiles, words, and what exports tell of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import fakes
import numpy as np
import pytest
from handling import Listener, cell_text, open_faces, settle, tile_centre, wait_until
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest

from gsp_studio.gui.panels.selected_basis import BasisPanel
from gsp_studio.gui.state import Phase
from gsp_studio.gui.widgets.run_table import JUDGED
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.annotations import Annotations

LEFT = Qt.MouseButton.LeftButton


def test_a_second_time_takes_it_back() -> None:
    remarks = Annotations(note="n").judge((1, 2), accept=True)
    assert remarks == Annotations(note="n", accepted=frozenset({1, 2}))
    assert remarks.judge((2, 3), accept=False) == Annotations("", "n", (), frozenset({1}), frozenset({2, 3}))
    assert remarks.judge((1,), accept=True).accepted == {2}
    assert remarks.judge((1, 5), accept=True).accepted == {1, 2, 5}, "all of them, where not all were"


def test_what_files_hold_of_it_is_checked() -> None:
    remarks = Annotations("name", "note", ("a", "b"), frozenset({0, 4}), frozenset({2}))
    content = json.loads(json.dumps(remarks.as_json()))
    assert Annotations.from_json(content, 5) == remarks
    assert Annotations.from_json({}, 5) == Annotations()
    assert Annotations.from_json({"accepted": [7, -1, "x", 3], "choice": {}}, 5) == Annotations(accepted=frozenset({3}))


@pytest.fixture
def ran(window: MainWindow) -> MainWindow:
    """A run of nine basis images on the screen."""
    open_faces(window.session, rank=9, max_iter=5)
    settings = window.session.settings
    settings.set_choice(settings.choice.with_params(method="psnmf"))  # whose images are bright in their middle
    window.session.run()
    wait_until(lambda: window.session.phase is Phase.IDLE)
    settle()
    return window


def grey_of(window: MainWindow, tile: int) -> float:
    """How bright a tile is on the screen."""
    view = window.montage.view
    image = view.viewport().grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    buffer = view._buffer
    assert buffer is not None
    centre = tile_centre(view, tile)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    x, y = int(centre.x()), int(centre.y())
    return float(pixels[y - 8 : y + 8, x - 8 : x + 8].mean())


def test_keys_mark_what_is_selected(ran: MainWindow) -> None:
    session, view = ran.session, ran.montage.view
    QTest.mouseClick(view.viewport(), LEFT, pos=tile_centre(view, 2).toPoint())
    basis = session.display.selected
    bright = grey_of(ran, 2)
    QTest.keyClick(ran, Qt.Key.Key_X)
    settle()
    assert session.runs.entries[0].remarks.rejected == {basis}
    assert ran.basis.reject.text() == "✗ Rejected"
    assert ran.basis.reject.isChecked()
    assert not ran.basis.accept.isChecked()
    assert "1 rejected" in ran.montage._caption.text()
    assert cell_text(ran.runs.table, 0, JUDGED) == "1 ✗"
    assert grey_of(ran, 2) < 0.8 * bright, "it steps back"
    QTest.mouseClick(ran.basis.accept, LEFT)
    settle()
    assert session.runs.entries[0].remarks == Annotations(accepted=frozenset({basis}))
    assert grey_of(ran, 2) == pytest.approx(bright, rel=0.2)
    QTest.keyClick(ran, Qt.Key.Key_A)
    assert session.runs.entries[0].remarks == Annotations()
    assert ran.isWindowModified()


def test_marks_are_those_of_the_run_on_the_screen(ran: MainWindow) -> None:
    session = ran.session
    session.display.mark((0, 3))
    session.runs.judge(session.display.marked, accept=True)
    session.run()
    wait_until(lambda: session.phase is Phase.IDLE)
    assert "accepted" not in ran.montage._caption.text()
    assert ran.basis.accept.isEnabled()
    session.control.show(0)
    assert "2 accepted" in ran.montage._caption.text()
    session.settings.set_sparsity(0.9)
    wait_until(lambda: session.display.shown.target == pytest.approx(0.9))
    assert "2 accepted" in ran.montage._caption.text(), "a projection keeps the basis images' numbers"


def test_nothing_is_judged_where_no_run_is_shown(window: MainWindow) -> None:
    open_faces(window.session, rank=4)
    window.session.display.select(1)
    assert not window.session.runs.can_judge(window.session.display.marked)
    assert not window.basis.accept.isEnabled()
    window.session.runs.judge(window.session.display.marked, accept=True)
    actions = {action.iconText(): action for action in window.menus.actions}
    assert not actions["Accept the selected basis images"].isEnabled()


def test_exports_tell_of_it(ran: MainWindow, tmp_path: Path) -> None:
    session = ran.session
    remarks = Annotations("mine", "a note", ("good",), frozenset({1}), frozenset({0, 2}))
    session.runs.remark(0, remarks)
    heard = Listener(session, "exports.exported")
    session.exports.export(tmp_path / "out", session.runs.at(0))
    wait_until(lambda: heard["exported"])
    content = json.loads((tmp_path / "out" / "run.json").read_text())
    assert content["remarks"] == {
        "name": "mine",
        "note": "a note",
        "tags": ["good"],
        "accepted": [1],
        "rejected": [0, 2],
    }
    assert content["versions"]["gsp-studio"]


def test_the_panel_alone(show) -> None:
    data = fakes.dataset()
    panel = show(BasisPanel(), 268, 640)
    panel.set_dataset(data)
    entry = fakes.run_entry(1, data)
    panel.set_shown(entry.shown)
    panel.set_selected(2)
    assert not panel.accept.isEnabled()
    panel.set_runs((entry,), 0)
    heard = Listener(panel, "judged")
    QTest.mouseClick(panel.accept, LEFT)
    assert heard["judged"] == [True]
    assert not panel.accept.isChecked(), "nobody has said that it is so"
    panel.set_remarks(replace(entry, remarks=Annotations(accepted=frozenset({2}))))
    assert panel.accept.isChecked()
    panel.set_remarks(fakes.run_entry(7, data))
    assert panel.accept.isChecked(), "another run's"
    panel.set_runs((entry,), -1)
    assert not panel.accept.isChecked()
