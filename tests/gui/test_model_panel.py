"""The model panel with no session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import fakes
import pytest
from handling import Listener, settle
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QSpinBox, QWidget

from gsp_studio.core.params import PARAMETERS
from gsp_studio.gui.panels.model import ModelPanel
from gsp_studio.gui.state import Phase, RunSettings
from gsp_studio.gui.theme import apply_theme, current_theme, load_theme

CHOICE = RunSettings().with_params(rank=12, method="psnmf", sparsity=0.66, seed=4, max_iter=250)


@pytest.fixture
def panel(show: Callable[..., QWidget]) -> ModelPanel:
    """A panel that knows two methods and shows CHOICE for 30 pixels by 100 images."""
    made = ModelPanel()
    made.set_known(fakes.KNOWN)
    made.set_dataset(fakes.dataset(6, 5, 100))
    made.set_choice(CHOICE)
    made.set_phase(Phase.IDLE)
    show(made, 300, 400)
    return made


def shown_texts(panel: QWidget) -> str:
    return " | ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def enter(field: QSpinBox, text: str) -> None:
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, text)
    QTest.keyClick(field, Qt.Key.Key_Return)


def test_set_methods_never_emit(panel: ModelPanel) -> None:
    heard = Listener(panel, "edited")
    panel.set_choice(RunSettings().with_params(rank=3, method="ahals", sparsity=0.1, seed=9, max_iter=7))
    panel.set_choice(RunSettings().with_params(method="unknown here"))
    panel.set_known(fakes.KNOWN)
    panel.set_dataset(fakes.dataset(2, 1, 2))
    for phase in Phase:
        panel.set_phase(phase)
    assert heard.is_silent


def test_shows_the_choice(panel: ModelPanel) -> None:
    assert (panel.rank.value(), panel.seed.value(), panel.iterations.value()) == (12, 4, 250)
    assert panel.method.currentText() == "PSNMF"
    assert "the average sparsity is met exactly" in shown_texts(panel)
    assert "cpu, a machine" in shown_texts(panel)
    assert panel.start.currentText() == "random"
    panel.set_choice(CHOICE.with_params(method="ahals", init="images"))
    assert panel.start.currentText() == "images"
    assert panel.start.toolTip() == "images as they are"
    assert panel.method.currentData() == "ahals"
    assert "no constraint" in shown_texts(panel)


def test_choice_before_the_methods_are_known_is_shown_after(show: Callable[..., QWidget]) -> None:
    panel = ModelPanel()
    panel.set_choice(CHOICE.with_params(method="ahals"))
    show(panel)
    assert "starting..." in shown_texts(panel)
    panel.set_known(fakes.KNOWN)
    assert panel.method.currentData() == "ahals"


def test_edits_emit_the_whole_choice(panel: ModelPanel) -> None:
    heard = Listener(panel, "edited")
    enter(panel.rank, "20")
    enter(panel.seed, "7")
    enter(panel.iterations, "900")
    assert heard["edited"] == [
        CHOICE.with_params(rank=20),
        CHOICE.with_params(rank=20, seed=7),
        CHOICE.with_params(rank=20, seed=7, max_iter=900),
    ]


def test_rank_is_not_taken_while_it_is_typed(panel: ModelPanel) -> None:
    heard = Listener(panel, "edited")
    panel.rank.setFocus()
    panel.rank.selectAll()
    QTest.keyClicks(panel.rank, "25")
    assert heard.is_silent
    QTest.keyClick(panel.rank, Qt.Key.Key_Return)
    assert [choice.params.rank for choice in heard["edited"]] == [25]


def test_method_chosen_by_keyboard_emits(panel: ModelPanel) -> None:
    heard = Listener(panel, "edited")
    panel.method.setFocus()
    QTest.keyClick(panel.method, Qt.Key.Key_Down)
    assert heard["edited"] == [CHOICE.with_params(method="ahals")]
    assert "no constraint" in shown_texts(panel)


def test_a_warning_follows_the_theme(panel: ModelPanel, app: QApplication) -> None:
    enter(panel.rank, "30")
    before = current_theme()
    try:
        for scheme in ("dark", "light"):
            apply_theme(app, load_theme(scheme))
            settle()
            assert panel._remark.palette().text().color().name() == load_theme(scheme).amber
    finally:
        apply_theme(app, before)


def test_rank_above_what_the_data_have_is_remarked(panel: ModelPanel) -> None:
    assert "at most" not in shown_texts(panel)
    enter(panel.rank, "31")
    assert "⚠ at most 30 for these data" in shown_texts(panel)
    enter(panel.rank, "30")
    assert "⚠ 30 of at most 30: parts may copy whole images" in shown_texts(panel)
    enter(panel.rank, "15")
    assert "at most" not in shown_texts(panel)
    panel.set_dataset(fakes.dataset(6, 5, 8))
    assert "⚠ at most 8 for these data" in shown_texts(panel)


@pytest.mark.parametrize("phase", list(Phase))
def test_fields_are_locked_while_a_run_goes_on(panel: ModelPanel, phase: Phase) -> None:
    panel.set_phase(phase)
    free = phase not in (Phase.RUNNING, Phase.PAUSED, Phase.CANCELLING)
    assert [field.isEnabled() for field in (panel.rank, panel.method, panel.seed, panel.iterations)] == [free] * 4


def test_rarer_parameters_are_folded_and_named_where_they_are_not_the_defaults(panel: ModelPanel) -> None:
    assert panel.more.text() == "More"
    assert not any(field.isVisible() for field in panel.rarer.values())
    panel.set_choice(CHOICE.with_params(continuation=40, tol=0.01, max_seconds=5.0))
    assert panel.more.text() == "More: Rise 40, Seconds 5.0, Tolerance 0.01"
    assert not panel.others.isVisible()
    QTest.mouseClick(panel.more, Qt.MouseButton.LeftButton)
    assert panel.more.text() == "More"
    assert all(field.isVisible() for field in panel.rarer.values())
    assert (panel.rarer["tol"].value(), panel.rarer["max_seconds"].value()) == (0.01, 5.0)


def test_rarer_parameters_are_edited(panel: ModelPanel) -> None:
    QTest.mouseClick(panel.more, Qt.MouseButton.LeftButton)
    heard = Listener(panel, "edited")
    tol, seconds = panel.rarer["tol"], panel.rarer["max_seconds"]
    assert (tol.text(), seconds.text()) == ("1e-05", "no limit")
    enter(tol, "2,5e-7")
    enter(seconds, "1.5")
    assert heard["edited"][-1] == CHOICE.with_params(tol=2.5e-7, max_seconds=1.5)
    enter(seconds, "no limit")
    enter(tol, "1")
    assert "a number from 0 to" in tol.refusal
    assert heard["edited"][-1] == CHOICE.with_params(tol=2.5e-7)
    enter(panel.rarer["continuation"], "30")
    QTest.mouseClick(panel.rarer["extrapolate"], Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    assert heard["edited"][-1] == CHOICE.with_params(tol=2.5e-7, continuation=30, extrapolate=False)
    panel.set_phase(Phase.RUNNING)
    assert not any(field.isEnabled() for field in panel.rarer.values())
    panel.set_phase(Phase.IDLE)
    panel.set_choice(CHOICE.with_params(held_out=0.02))
    assert not panel.others.isVisible(), "the run panel shows it"


def test_a_backend_that_is_not_offered_is_named(panel: ModelPanel) -> None:
    panel.set_choice(replace(CHOICE, backend="reference"))
    assert panel.backend.currentText() == "reference"


def test_fields_are_made_from_their_descriptions(panel: ModelPanel) -> None:
    for field, name in ((panel.rank, "rank"), (panel.seed, "seed"), (panel.iterations, "max_iter")):
        described = PARAMETERS[name]
        assert (field.minimum(), field.maximum()) == (described.range.low, described.range.most)
        assert field.toolTip() == described.sentence
        assert described.label in shown_texts(panel)


def test_a_plugin_that_cannot_be_used_is_grey_and_says_why(panel: ModelPanel) -> None:
    panel.set_known(replace(fakes.KNOWN, unusable={"onmf": "it needs SciPy 2"}))
    row = panel.method.findData("onmf")
    assert panel.method.itemData(row, Qt.ItemDataRole.ToolTipRole) == "it needs SciPy 2"
    model = panel.method.model()
    assert not model.flags(model.index(row, 0)) & Qt.ItemFlag.ItemIsEnabled
    assert panel.method.currentText() == "PSNMF"
