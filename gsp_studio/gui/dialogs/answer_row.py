"""The last line of a dialog: a button that cancels it, and the one that does what it is for."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog, QHBoxLayout, QPushButton


def answer_row(dialog: QDialog, accept: QPushButton) -> QHBoxLayout:
    """Lay out a dialog's answers: Enter presses `accept`, "Cancel" and Esc reject it."""
    accept.setProperty("primary", True)
    accept.setDefault(True)
    cancel = QPushButton("Cancel")
    cancel.setAutoDefault(False)
    cancel.clicked.connect(dialog.reject)
    row = QHBoxLayout()
    row.addStretch()
    row.addWidget(cancel)
    row.addWidget(accept)
    return row
