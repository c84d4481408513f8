"""Settings of the next run: rank, method, start and length."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QFormLayout, QWidget

from gsp_studio.core.params import PARAMETERS, Params
from gsp_studio.gui.state import Capabilities, Phase, RunSettings
from gsp_studio.gui.widgets.abundance_choice import AbundanceChoice
from gsp_studio.gui.widgets.controls import Button, CheckBox, ComboBox, ToolButton, label
from gsp_studio.gui.widgets.number_field import DecimalNumber, WholeNumber
from gsp_studio.gui.widgets.parameter_fields import short_field, whole_field
from gsp_studio.gui.widgets.worded import word_tip
from gsp_studio.nouns import IMAGES

if TYPE_CHECKING:
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset

#: Parameters of other panels.
_ELSEWHERE = ("sparsity", "sparsity_h", "held_out")
Field = WholeNumber | DecimalNumber | ComboBox | CheckBox


class ModelPanel(QWidget):
    """Edits a `RunSettings`, all but its sparsity."""

    edited = Signal(object)  # RunSettings
    weightsRequested = Signal()  # request to paint some

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choice = RunSettings()
        self._known: Capabilities | None = None
        self._most, self._nouns = 0, IMAGES
        self.rank, self.seed, self.iterations = map(whole_field, ("rank", "seed", "max_iter"))
        self.method, self.start, self.backend = ComboBox(), ComboBox(), ComboBox()
        #: Fields of parameters, in their order in the panel.
        self._fields: dict[str, WholeNumber | ComboBox] = {
            "rank": self.rank,
            "method": self.method,
            "init": self.start,
            "seed": self.seed,
            "max_iter": self.iterations,
        }
        #: Fields of rarer parameters, folded under "More".
        self.rarer = _rarer_fields((*self._fields, *_ELSEWHERE))
        #: Of scenes: what is known of their abundances.
        self.abundances = AbundanceChoice()
        self.more = ToolButton()
        self.more.setCheckable(True)
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.setToolTip("When a run stops, and how it computes")
        self.weights = Button("All equal")
        word_tip(self.weights, "What it costs to use each pixel, for the weighted method: click to paint")
        self.weights.clicked.connect(self.weightsRequested)
        self._remark = label(caution=True, wrap=True)
        self._remark.hide()
        self._summary = label(muted=True, wrap=True)
        self._unused = label("used by the method WSNMF", muted=True, wrap=True)
        self._backend = label("starting...", wrap=True)
        self.others = Button()
        self.others.setToolTip("Parameters of the run that was shown, which have no field here: click for the defaults")
        self.others.clicked.connect(self._reset_others)
        self._lay_out()
        self.more.toggled.connect(lambda _: self._tell())
        for name, field in self._all_fields:
            if isinstance(field, (WholeNumber, DecimalNumber)):
                field.valueChanged.connect(partial(self._edit_number, name))
            elif isinstance(field, CheckBox):
                field.clicked.connect(lambda on, name=name: self._edit_one(name, on))
            else:
                field.activated.connect(lambda _, name=name, field=field: self._edit_one(name, field.currentData()))
        self.abundances.edited.connect(lambda values: self._take(self._choice.with_params(**values)))
        self.backend.activated.connect(lambda _: self._take(replace(self._choice, backend=self.backend.currentData())))
        self.set_choice(self._choice)

    def _lay_out(self) -> None:
        form = self._form = QFormLayout(self)
        form.setContentsMargins(12, 8, 12, 12)
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(8)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, field in self._fields.items():
            form.addRow(PARAMETERS[name].label, field)
            if name == "rank":
                form.addRow(self._remark)
            if name == "method":
                form.addRow("", self._summary)
                form.addRow("Abundances", self.abundances)
                form.addRow(PARAMETERS["weights"].label, self.weights)
                form.addRow("", self._unused)
        form.addRow("Backend", self.backend)
        form.addRow("", self._backend)
        form.addRow(self.more)
        for name, rarer in self.rarer.items():
            if isinstance(rarer, CheckBox):
                form.addRow("", rarer)
            else:
                form.addRow(PARAMETERS[name].label, rarer)
        form.addRow("Others", self.others)
        form.setRowVisible(self.abundances, False)

    @property
    def _all_fields(self) -> list[tuple[str, Field]]:
        return [*self._fields.items(), *self.rarer.items()]

    def _edit_number(self, name: str, value: float) -> None:
        accepted = PARAMETERS[name].range
        is_none = accepted is not None and bool(accepted.none) and value == 0  # shown by the words for None
        self._edit_one(name, None if is_none else value)

    def _edit_one(self, name: str, value: object) -> None:
        self._take(self._choice.with_params(**{name: value}))

    @property
    def _unusual(self) -> dict[str, Any]:
        """Parameters that have no field in the window, and are not the defaults."""
        return self._choice.params.unusual((*self._fields, *self.rarer, *_ELSEWHERE))

    @property
    def _unusual_rarer(self) -> dict[str, Any]:
        """Parameters under "More" that are not the defaults."""
        found = self._choice.params.unusual()
        return {name: found[name] for name in self.rarer if name in found}

    def _reset_others(self) -> None:
        self._take(self._choice.with_params(**{name: getattr(Params, name) for name in self._unusual}))

    def _take(self, edited: RunSettings) -> None:
        if edited != self._choice:  # else the field was only told what it shows
            self._choice = edited
            self.abundances.set_params(edited.params)
            self._tell()
            self.edited.emit(edited)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        self.weightsRequested.connect(lambda: window.show_view("Weights"))
        session.known.connect(self.set_known)
        session.phaseChanged.connect(self.set_phase)
        session.datasetChanged.connect(self.set_dataset)
        session.settings.choiceChanged.connect(self.set_choice)
        session.settings.weightsChanged.connect(self.set_weights)
        self.edited.connect(session.settings.set_choice)
        self.set_phase(session.phase)
        self.set_choice(session.settings.choice)

    def set_known(self, known: Capabilities) -> None:
        """Offer these methods and name what computes."""
        self._known = known
        self.method.clear()
        for name, (title, _, _) in known.methods.items():
            self.method.addItem(title, name)
        for name, reason in known.unusable.items():
            _add_disabled(self.method, name, reason)
        self.start.clear()
        for name in known.starts:
            self.start.addItem(name, name)
        self._explain_choices()
        self.backend.clear()
        for name, words, reason in known.backends:
            if reason:
                _add_disabled(self.backend, name, reason)
                continue
            self.backend.addItem("automatic" if name == "auto" else name, name)
            self.backend.setItemData(self.backend.count() - 1, words, Qt.ItemDataRole.ToolTipRole)
        self.set_choice(self._choice)

    def set_dataset(self, dataset: Dataset) -> None:
        """The smaller number of its pixels and images bounds the rank."""
        self._most, self._nouns = min(dataset.X.shape), dataset.nouns
        self._form.setRowVisible(self.abundances, dataset.grid is not None)
        self._explain_choices()
        self._tell()

    def _explain_choices(self) -> None:
        """Say what the methods and the starts do to these data."""
        if self._known is None:
            return
        methods = {name: summary for name, (_, summary, _) in self._known.methods.items()}
        for box, summaries in ((self.method, methods), (self.start, self._known.starts)):
            for name, summary in summaries.items():
                box.setItemData(box.findData(name), self._nouns.of(summary), Qt.ItemDataRole.ToolTipRole)
        self.start.setToolTip(self._nouns.of(self._known.starts.get(self._choice.params.init, "")))

    def set_weights(self, weights: object) -> None:
        """Say whether there are weights; None: all are equal."""
        self.weights.setText("All equal" if weights is None else "Painted")
        self._tell()

    def set_choice(self, choice: RunSettings) -> None:
        """Show this choice."""
        before, self._choice = self._choice, choice
        self.abundances.set_params(choice.params)
        if choice is not before and _are_alike(before, choice):
            return  # the slider moves, which has no time to lose
        for name, field in self._all_fields:
            value = getattr(choice.params, name)
            if isinstance(field, (WholeNumber, DecimalNumber)):
                field.setValue(value or 0)
            elif isinstance(field, CheckBox):
                field.setChecked(value)
            else:
                field.setCurrentIndex(field.findData(value))
        self._explain_choices()
        if self._known is not None and self.backend.findData(choice.backend) < 0:  # of a run that was shown
            self.backend.addItem(choice.backend, choice.backend)
        self.backend.setCurrentIndex(self.backend.findData(choice.backend))
        self._tell()

    def set_phase(self, phase: Phase) -> None:
        """Editable while no run is going."""
        for field in (*(field for _, field in self._all_fields), self.abundances, self.others, self.backend):
            field.setEnabled(not phase.is_run)

    def _tell_backend(self) -> None:
        """Show the backend; explain missing ones."""
        if self._known is None:
            return
        found = {name: (words, reason) for name, words, reason in self._known.backends}
        words, reason = found.get(self._choice.backend, (self._known.backend, ""))
        self._backend.setText(reason or words)
        missing = [f"{name}: {why}" for name, (_, why) in found.items() if why]
        self.backend.setToolTip("\n".join(missing) or "What computes the next run")

    def _tell_more(self) -> None:
        """Show the rarer parameters, or name those that are not the defaults."""
        is_open = self.more.isChecked()
        changed = ", ".join(f"{PARAMETERS[name].label} {value}" for name, value in self._unusual_rarer.items())
        self.more.setText("More" if is_open or not changed else f"More: {changed}")
        self.more.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        for field in self.rarer.values():
            self._form.setRowVisible(field, is_open)

    def _tell(self) -> None:
        found = self._known.methods.get(self._choice.params.method) if self._known is not None else None
        text = self._nouns.of(found[1]) if found is not None else ""
        if self._summary.text() != text:
            self._summary.setText(text)
        self._tell_backend()
        self.others.setText(", ".join(f"{name} {value}" for name, value in self._unusual.items()))
        self._form.setRowVisible(self.others, bool(self._unusual))
        self._tell_more()
        self.weights.setEnabled(self._known is not None)
        is_weighted = self._known is not None and self._choice.params.method in self._known.weighted
        self._unused.setVisible(self.weights.text() == "Painted" and not is_weighted)
        too_many = 0 < self._most < self._choice.params.rank
        if too_many:
            self._remark.setText(f"⚠ at most {self._most} for these data")
        is_near = not too_many and self._most > 0 and 2 * self._choice.params.rank > self._most
        if is_near:
            self._remark.setText(
                f"⚠ {self._choice.params.rank} of at most {self._most}: parts may copy whole {self._nouns.samples}"
            )
        self._remark.setVisible(too_many or is_near)


def _add_disabled(box: ComboBox, name: str, reason: str) -> None:
    """Add a grey row, whose tool tip is the reason."""
    box.addItem(name, name)
    row = box.count() - 1
    box.setItemData(row, reason, Qt.ItemDataRole.ToolTipRole)
    items = box.model()
    assert isinstance(items, QStandardItemModel)
    items.item(row).setEnabled(False)


def _are_alike(first: RunSettings, second: RunSettings) -> bool:
    """Whether two choices differ in nothing but their targets."""
    of_second = {name: getattr(second.params, name) for name in ("sparsity", "sparsity_h")}
    return first.backend == second.backend and replace(first.params, **of_second) == second.params


def _rarer_fields(others: Collection[str]) -> dict[str, WholeNumber | DecimalNumber | CheckBox]:
    """Fields of all parameters that are numbers or switches and have no place of their own."""
    fields: dict[str, WholeNumber | DecimalNumber | CheckBox] = {}
    for name, parameter in PARAMETERS.items():
        accepted = parameter.range
        if name in others:
            continue
        if accepted is not None:
            fields[name] = whole_field(name) if accepted.is_whole else short_field(name, accepted.none)
        elif isinstance(getattr(Params, name, None), bool):
            fields[name] = _check_box(name)
    return fields


def _check_box(name: str) -> CheckBox:
    """A box for a parameter that is on or off."""
    made = CheckBox(PARAMETERS[name].label)
    word_tip(made, PARAMETERS[name].sentence)
    return made
