"""Form for the runs of a sweep: ranks, sparsities, seeds, iterations, the method, and what all runs share."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QWidget

from gsp_studio.core.methods import METHODS
from gsp_studio.core.params import PARAMETERS, Params
from gsp_studio.experiments.grid import Grid
from gsp_studio.gui.sweep.heat_tiles import spread, steps
from gsp_studio.gui.widgets.controls import Button, ComboBox, ElidedLabel
from gsp_studio.gui.widgets.number_field import DecimalNumber, WholeNumber
from gsp_studio.gui.widgets.parameter_fields import number_field, whole_field

#: Digits of a sparsity.
_DIGITS = 4
_SPARSITIES, _SEEDS = (0.5, 0.9, 0.1), 3
#: More runs than this are a slip of the hand.
MOST = 5000
#: Parameters that have a place of their own here, or in the words about what the runs share.
_TOLD = ("rank", "method", "sparsity", "seed", "max_iter", "init", "weights", "sparsity_h")


class GridForm(QWidget):
    """Emits `changed()` when a hand changed it; `baseRequested()` asks for what the Model panel says."""

    changed = Signal()
    baseRequested = Signal()

    def __init__(self, base: Params, most: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._base = base
        self.method = ComboBox()
        for name, method in METHODS.items():
            self.method.addItem(method.label, name)
            self.method.setItemData(self.method.count() - 1, method.summary, Qt.ItemDataRole.ToolTipRole)
        self.ranks = tuple(_whole(1, most) for _ in range(3))
        self.sparsities = tuple(number_field("sparsity", _DIGITS) for _ in range(3))
        self.sparsities[2].setMinimum(10.0**-_DIGITS)
        self.seeds, self.iterations = _whole(1, 100), whole_field("max_iter")
        self.as_model = Button("As the Model panel says")
        self.as_model.setToolTip("Take method, iterations, start and the coefficients' sparsity from the Model panel")
        self._shared = ElidedLabel()
        self._lay_out()
        self.set_base(base)
        self._propose(base.rank, most)
        for number in (*self.ranks, self.seeds, self.iterations):
            number.valueChanged.connect(lambda _: self._edited())
        for fraction in self.sparsities:
            fraction.valueChanged.connect(lambda _: self._edited())
        self.method.currentIndexChanged.connect(lambda _: self._edited())
        self.as_model.clicked.connect(self.baseRequested)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(8)
        for row, (name, numbers) in enumerate((("Ranks", self.ranks), ("Sparsities", self.sparsities))):
            for k, (text, number) in enumerate(zip((name, "to", "step"), numbers, strict=True)):
                grid.addWidget(QLabel(text), row, 2 * k)
                grid.addWidget(number, row, 2 * k + 1)
                number.setAccessibleName(f"{name}, {('from', 'to', 'step')[k]}")
        for row, (name, part) in enumerate((("method", self.method), ("max_iter", self.iterations))):
            name = PARAMETERS[name].label
            grid.addWidget(QLabel(name), row, 7)
            grid.addWidget(part, row, 8)
            part.setAccessibleName(name)
        grid.addWidget(QLabel("Seeds"), 0, 10)
        grid.addWidget(self.seeds, 0, 11)
        self.seeds.setAccessibleName("Seeds")
        for column in (6, 9):
            grid.setColumnMinimumWidth(column, 8)
        grid.setColumnStretch(12, 1)
        line = QHBoxLayout()
        line.setSpacing(16)
        self._shared.setProperty("muted", True)
        line.addWidget(self._shared, 1)
        line.addWidget(self.as_model)
        grid.addLayout(line, 2, 0, 1, 13)

    def _propose(self, rank: int, most: int) -> None:
        """Five ranks about the one in the Model panel."""
        step = max(1, round(rank / 4))
        values = [r for r in range(rank - 2 * step, rank + 2 * step + 1, step) if 1 <= r <= most]
        for number, value in zip(self.ranks, (values[0], values[-1], step), strict=True):
            number.setValue(value)
        for fraction, s in zip(self.sparsities, _SPARSITIES, strict=True):
            fraction.setValue(s)
        self.seeds.setValue(_SEEDS)

    def _edited(self) -> None:
        self._say_shared()
        self.changed.emit()

    def _say_shared(self) -> None:
        """Show common settings and which do not apply."""
        method = METHODS[self.method.currentData()]
        for number in self.sparsities:
            number.setEnabled(method.uses_sparsity)
        base = self._base
        words = [f"Start: {base.init if isinstance(base.init, str) else 'given factors'}"]
        words.append("coefficients free" if base.sparsity_h is None else f"s of H = {base.sparsity_h:.3f}")
        if method.uses_weights:
            words.append("weights as painted" if base.weights is None else "weights of this sweep")
        words += [f"{name} {value}" for name, value in base.unusual(_TOLD).items()]
        if not method.uses_sparsity:
            words.append(f"{method.label} has no target: one column")
        self._shared.setText("  ·  ".join(words))

    @property
    def problem(self) -> str:
        """Problem of the grid, in a sentence; "" for none."""
        for name, (first, last, _) in (("rank", self.ranks), ("sparsity", self.sparsities)):
            if last.isEnabled() and last.value() < first.value():
                return f"The last {name} is below the first."
        count = len(self.grid().cells)
        return f"These are {count} runs; up to {MOST} are possible." if count > MOST else ""

    def grid(self) -> Grid:
        """Return the grid; only if there is no `problem`."""
        first, last, step = (number.value() for number in self.ranks)
        base = replace(self._base, method=self.method.currentData(), max_iter=self.iterations.value())
        low, high, by = (fraction.value() for fraction in self.sparsities)
        targets = spread(low, high, by, _DIGITS)
        return Grid(base, range(first, last + 1, step), targets, range(base.seed, base.seed + self.seeds.value()))

    def set_grid(self, grid: Grid) -> None:
        """Show a grid; one with gaps becomes the even one that has all of it."""
        self.set_base(grid.base)
        values = zip(self.ranks, steps(grid.ranks, 0), strict=True)
        for number, value in values:
            _set(number, max(1, int(value)))
        if grid.has_target:
            for fraction, s in zip(self.sparsities, steps(grid.sparsities, _DIGITS), strict=True):
                _set(fraction, s or _SPARSITIES[2])
        _set(self.seeds, grid.seeds[-1] - grid.seeds[0] + 1)

    def set_base(self, base: Params) -> None:
        """Set what runs share: method, iterations, start, the coefficients' sparsity."""
        self._base = base
        was_blocked = self.method.blockSignals(True)
        self.method.setCurrentIndex(self.method.findData(base.method))
        self.method.blockSignals(was_blocked)
        _set(self.iterations, base.max_iter)
        self._say_shared()


def _set(number: WholeNumber | DecimalNumber, value: float) -> None:
    was_blocked = number.blockSignals(True)
    number.setValue(value)
    number.blockSignals(was_blocked)


def _whole(low: int, high: int) -> WholeNumber:
    made = WholeNumber()
    made.setRange(low, high)
    made.setKeyboardTracking(False)
    return made
