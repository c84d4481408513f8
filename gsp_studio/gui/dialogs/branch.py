"""Dialog for a branch of a run: the iteration at which it parts, and its target."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFormLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from gsp_studio.gui.dialogs.answer_row import answer_row
from gsp_studio.gui.widgets.controls import label
from gsp_studio.gui.widgets.number_field import DecimalNumber, WholeNumber


class BranchDialog(QDialog):
    """Asks for an iteration, 1 to `end`, and a target; `branchRequested(iteration, s)`."""

    branchRequested = Signal(int, float)

    def __init__(
        self, name: str, at: int, end: int, sparsity: float, stops: bool, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Branch {name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.at, self.sparsity = WholeNumber(), DecimalNumber()
        self.at.setRange(1, end)
        self.at.setValue(at)
        self.at.setToolTip(f"1 to {end}: the branch computes these iterations again, to the last bit")
        self.sparsity.setRange(0.0, 1.0)
        self.sparsity.setDecimals(4)
        self.sparsity.setSingleStep(0.01)
        self.sparsity.setValue(sparsity)
        self.sparsity.setToolTip("Average sparsity of the basis from there on, 0 to 1")
        for field in (self.at, self.sparsity):
            field.setMinimumWidth(120)
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.addRow("From iteration", self.at)
        form.addRow("s from there on", self.sparsity)
        start = QPushButton("Branch")
        start.clicked.connect(self._accept)
        box = QVBoxLayout(self)
        box.setContentsMargins(24, 24, 24, 16)
        box.setSpacing(12)
        box.addWidget(label("What if s had been another one? A new run shares the first iterations."))
        box.addLayout(form)
        if stops:
            box.addWidget(label(f"{name} is stopped and kept; a branch of it can go on from where it was.", muted=True))
        box.addLayout(answer_row(self, start))
        self.sparsity.setFocus()
        self.sparsity.selectAll()

    def _accept(self) -> None:
        self.branchRequested.emit(self.at.value(), self.sparsity.value())
        self.accept()
