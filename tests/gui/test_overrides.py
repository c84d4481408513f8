"""An error in a method that Qt calls back is reported, and does not end the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
import gsp_studio.gui
from PySide6.QtWidgets import QApplication, QStackedWidget, QTabBar, QWidget

said = []
sys.excepthook = lambda kind, error, trace: said.append(kind.__name__)

class Mixed:
    def showEvent(self, event):
        {raise_it}

class Page(Mixed, QWidget):
    pass

app = QApplication([])
stack, bar = QStackedWidget(), QTabBar()
for page in (QWidget(), Page()):
    stack.addWidget(page)
    bar.addTab("")
stack.show()
bar.currentChanged.connect(lambda index: stack.setCurrentIndex(index))
bar.setCurrentIndex(1)  # Python, Qt, Python: the way on which PySide keeps an error
app.processEvents()
print(*said)
"""


@pytest.mark.parametrize(
    ("raise_it", "kind"),
    [("1 / 0", "ZeroDivisionError"), ("int('x')", "ValueError"), ("raise KeyError('own')", "KeyError")],
)
def test_it_is_reported_whoever_raised_it(raise_it: str, kind: str) -> None:
    code = CODE.format(raise_it=raise_it)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout.split()) == (0, [kind]), done.stderr
