"""The measures of script/screenshots: overlaps, cuts and contrasts are found where they are, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import legibility
import pyqtgraph as pg
import pytest
from handling import settle
from PySide6.QtCore import QRect
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QCheckBox, QFrame, QLabel, QToolButton, QWidget

Show = Callable[..., QWidget]


def with_labels(*places: tuple[str, tuple[int, int, int, int]], style: str = "") -> QWidget:
    parent = QWidget()
    for text, place in places:
        made = QLabel(text, parent)
        made.setGeometry(QRect(*place))
        made.setStyleSheet(style)
    return parent


def test_words_apart_in_the_colours_of_the_theme_are_no_problem(show: Show) -> None:
    window = show(with_labels(("sparsity", (10, 10, 120, 20)), ("error", (10, 40, 120, 20))), 200, 100)
    assert legibility.problems(window) == []
    assert [text.words for child in window.children() for text in legibility.texts_of(child, window)] == [
        "sparsity",
        "error",
    ]


def test_letters_on_letters_are_found(show: Show) -> None:
    window = show(with_labels(("sparsity", (10, 10, 120, 20)), ("error", (30, 14, 120, 20))), 200, 100)
    [found] = legibility.problems(window)
    assert found == '"sparsity" (QLabel) and "error" (QLabel) overlap'


def test_what_another_widget_covers_overlaps_nothing(show: Show) -> None:
    window = with_labels(("sparsity", (10, 10, 120, 20)))
    cover = QFrame(window)
    cover.setAutoFillBackground(True)
    cover.setGeometry(0, 0, 200, 100)
    QLabel("error", cover).setGeometry(12, 12, 100, 20)
    assert legibility.problems(show(window, 200, 100)) == []


def test_word_that_is_cut_off_is_found(show: Show) -> None:
    [found] = legibility.problems(show(with_labels(("attained sparsity", (10, 10, 40, 20))), 200, 100))
    assert found == '"attained sparsity" (QLabel) is cut off'


@pytest.mark.parametrize(("ink", "is_found"), [("#8a8a8a", True), ("#6f6f6f", False)])
def test_contrast_of_text_is_that_of_its_colour_to_the_ground(show: Show, ink: str, is_found: bool) -> None:
    style = f"color: {ink}; background: #ffffff"
    found = legibility.problems(show(with_labels(("error", (10, 10, 120, 20)), style=style), 200, 100))
    assert bool(found) == is_found
    assert all("contrast 3.45, wanted 4.5" in sentence for sentence in found)


def test_contrast_is_that_of_wcag() -> None:
    assert legibility.contrast(QColor("white"), QColor("black")) == pytest.approx(21.0)
    assert legibility.contrast(QColor("#777777"), QColor("white")) == pytest.approx(4.48, abs=0.01)


def test_text_that_a_widget_paints_by_hand_is_measured_too(show: Show) -> None:
    class Painted(QWidget):
        def paintEvent(self, event: QPaintEvent) -> None:
            painter = QPainter(self)
            painter.fillRect(self.rect(), QColor("black"))
            painter.setPen(QColor("#303030"))
            painter.drawText(20, 30, "twelve")
            painter.setPen(QColor("white"))
            painter.drawText(30, 32, "of H")

    found = legibility.problems(show(Painted(), 200, 60))
    assert any("overlap" in sentence for sentence in found)
    assert any(sentence.startswith('"twelve" (Painted): contrast') for sentence in found)


def test_axes_of_plots_are_measured_too(show: Show) -> None:
    plot = pg.PlotWidget(background="#ffffff")
    plot.getPlotItem().getAxis("left").setTextPen("#eeeeee")
    plot.getPlotItem().getAxis("bottom").setTextPen("#000000")
    show(plot, 300, 200)
    faint = [sentence.split()[0] for sentence in legibility.problems(plot) if "contrast 1.16" in sentence]
    assert faint == ['"0"', '"0.2"', '"0.4"', '"0.6"', '"0.8"', '"1.0"'], "those of the left axis alone"


@pytest.mark.parametrize("colour", ["#212429", "#767d89"])
def test_box_without_an_outline_and_button_without_a_picture_are_found(show: Show, colour: str) -> None:
    window = QWidget()
    window.setStyleSheet(
        f"QWidget {{ background: #1f2227; color: #ffffff }} QCheckBox::indicator {{ border: 1px solid {colour};"
        " width: 12px; height: 12px }"
    )
    QCheckBox("Refine", window).setGeometry(10, 10, 100, 24)
    button = QToolButton(window)
    button.setToolTip("Back")
    button.setStyleSheet("border: none")
    button.setGeometry(10, 50, 24, 24)
    show(window, 200, 100)
    settle()
    found = legibility.problems(window)
    assert sum('"Back" (QToolButton): a control' in sentence for sentence in found) == 1
    assert any('"Refine" (QCheckBox): a control' in sentence for sentence in found) == (colour == "#212429")
