"""Dialog for the layout of a data set: images show how vectors become images before that is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from gsp_studio.gui.dialogs.answer_row import answer_row
from gsp_studio.gui.dialogs.preprocessing_steps import StepsList
from gsp_studio.gui.dialogs.question import UnsavedQuestion
from gsp_studio.gui.texts import memory, plural
from gsp_studio.gui.widgets.axes_editor import AxesEditor
from gsp_studio.gui.widgets.controls import ComboBox, label, plain
from gsp_studio.gui.widgets.crop_picture import CropPicture
from gsp_studio.gui.widgets.subset import SubsetEditor
from gsp_studio.gui.widgets.switch import Switch
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.memory import free_memory
from gsp_studio.io.steps import Crop, Step

if TYPE_CHECKING:
    from gsp_studio.gui.jobs.dataset import Preview
    from gsp_studio.io.dataset import LoadOptions
    from gsp_studio.io.readers import Peek

_ORDERS = {"F": "by columns (MATLAB)", "C": "by rows (NumPy, C)"}
_IMAGES_IN = {"columns": "columns", "rows": "rows", "one": "whole array, one image"}
_AXES = {"rows": "first axis", "middle": "middle axis", "columns": "last axis", "one": "whole array, one image"}
_NEGATIVES = "⚠ There are negative values (as low as {0:.3g}); a factorization into parts takes none."
_ONE = "One image cannot be factorized; its patches can."
_COLOUR = {
    "grey": "grey",
    "rgb": "red, green and blue",
    "red": "red alone",
    "green": "green alone",
    "blue": "blue alone",
}
_MIXED = (
    "⚠ {0} images belong together each time (planes or channels): all as images of one set are a mixture, "
    "unless you choose one of them under Planes."
)
_SAMPLES = {"images": "an image", "pixels": "a pixel, with its spectrum"}
_STORAGE = {None: "", "memory": "into memory", "disk": "from the file, block by block"}
_NONFINITE = {None: "refuse", "zero": "set to 0", "drop": "leave these images and damaged files out"}
_NEGATIVE = {None: "refuse", "clip": "set to 0", "shift": "shift so that the smallest is 0", "abs": "absolute value"}


class LayoutDialog(QDialog):
    """Edits `LoadOptions` of one source; `previewRequested(options)`, `accepted(options)` through `optionsAccepted`.

    `is_open`: the source is the data set on the screen, to which another layout is applied.
    """

    previewRequested = Signal(object)
    optionsAccepted = Signal(object)

    def __init__(self, found: Peek, parent: QWidget | None = None, is_open: bool = False) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"{'Layout of' if is_open else 'Open'} {found.path.name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._found = found
        #: Options that were chosen, which may not work, those of the beginning, and those that a preview is awaited of.
        self._wanted = self._first = found.options
        self._is_first = True
        self._is_unread = False  # a shape that was typed
        self.key = ComboBox()
        self.shape = ComboBox()
        typed = QLineEdit()
        self.shape.setEditable(True)
        self.shape.setLineEdit(typed)
        self.shape.setInsertPolicy(ComboBox.InsertPolicy.NoInsert)
        self.order = ComboBox()
        self.images_in = ComboBox()
        self.colour = ComboBox()
        self.negative = ComboBox()
        self.nonfinite = ComboBox()
        self.pages = ComboBox()
        self.subset = SubsetEditor()
        self.labels = ComboBox()
        self.samples = Switch("A sample is", tuple(_SAMPLES.values()))
        self.samples.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)  # its buttons side by side
        self.storage = ComboBox()
        self.axes = AxesEditor()
        self.steps = StepsList()
        self._pictures = [CropPicture(72), CropPicture(72)]
        self._facts = label()
        self._problem = label(caution=True, wrap=True)
        self.cut_button, self.clip_button = QPushButton("Cut it into patches"), QPushButton("Set them to 0")
        for remedy in (self.cut_button, self.clip_button):
            remedy.setAutoDefault(False)
            remedy.hide()
        self._problem.setMinimumHeight(3 * self._problem.fontMetrics().lineSpacing())
        self._problem.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.accept_button = QPushButton("Apply" if is_open else "Open")
        self._fill()
        self._lay_out()
        afresh = {"image_shape": None, "order": None, "images_in": None, "colour": None}
        self.key.activated.connect(lambda _: self._ask(key=self.key.currentData(), **afresh))
        self.shape.activated.connect(lambda _: self._ask_shape(self.shape.currentData()))
        self.images_in.activated.connect(
            lambda _: self._ask(images_in=self.images_in.currentData(), image_shape=None, colour=None)
        )
        self.colour.activated.connect(lambda _: self._ask_colour(self.colour.currentData()))
        # Bands may lie along another axis than images do, so that the layout is guessed anew.
        self.samples.chosen.connect(
            lambda index: self._ask(samples=list(_SAMPLES)[index], image_shape=None, order=None, images_in=None)
        )
        for name in ("order", "negative", "nonfinite", "labels", "storage"):
            field: ComboBox = getattr(self, name)
            field.activated.connect(lambda _, name=name, field=field: self._ask(**{name: field.currentData()}))
        self.pages.activated.connect(lambda _: self._ask(subset=self.pages.currentData()))
        self.subset.changed.connect(lambda subset: self._ask(subset=subset))
        self.axes.changed.connect(lambda axes: self._ask(axes=axes))
        for editor in (self.subset, self.axes):
            editor.refused.connect(self.set_problem)
        for picture in self._pictures:
            picture.cropped.connect(self._crop)
        self.steps.changed.connect(lambda steps: self._ask(steps=steps))
        typed.editingFinished.connect(lambda: self._ask_shape(_shape_of(self.shape.currentText())))
        self.cut_button.clicked.connect(lambda: self._ask(steps=self._found.in_patches.steps))
        self.clip_button.clicked.connect(lambda: self._ask(negative="clip"))
        self.accept_button.clicked.connect(self._accept)

    @property
    def options(self) -> LoadOptions:
        """The layout as it is chosen now."""
        return self._found.options

    def _lay_out(self) -> None:
        frame = QFrame()
        frame.setObjectName("canvas")
        inside = QVBoxLayout(frame)
        inside.setContentsMargins(12, 12, 12, 12)
        for pictures in self._pictures:
            pictures.setMinimumSize(420, 96)
            inside.addWidget(pictures, 1)
        self._reading = _form(
            ("Array", self.key),
            ("Images are the", self.images_in),
            ("Image shape", self.shape),
            ("A vector fills its image", self.order),
            ("Colour", self.colour),
            ("Planes", self.pages),
            ("Images", self.subset),
            ("Labels", self.labels),
            ("A sample is", self.samples),
            ("Read", self.storage),
            ("Axes", self.axes),
        )
        self._ask_what_applies()
        values = _form(("Steps", self.steps), ("Negative values", self.negative), ("NaN and infinite", self.nonfinite))
        forms = QHBoxLayout()
        forms.setSpacing(32)
        for form in (self._reading, values):
            forms.addLayout(form, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(24, 24, 24, 16)
        box.setSpacing(12)
        box.addWidget(QLabel("Do these look right? Upright images mean that shape and order are as they should be."))
        box.addWidget(frame, 1)
        box.addWidget(self._facts)
        box.addLayout(forms)
        remedy = QHBoxLayout()
        remedy.addWidget(self._problem, 1)
        remedy.addStrut(self.cut_button.sizeHint().height())  # a warning that comes must not move the fields
        for button in (self.cut_button, self.clip_button):
            remedy.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        box.addLayout(remedy)
        box.addLayout(answer_row(self, self.accept_button))

    def _ask_what_applies(self) -> None:
        """Show the rows that are a question for what is there."""
        found = self._found
        is_vectors = found.images_in in _IMAGES_IN  # files and stacks of images have their shape
        for field, is_asked in (
            (self.key, len(found.keys) > 1),
            (self.images_in, len(found.ways) > 1),
            (self.shape, is_vectors),
            (self.order, is_vectors),
            (self.colour, found.has_colour),
            (self.pages, found.pages > 1),
            (self.labels, bool(found.label_source or found.label_keys)),
            (self.storage, found.is_mapped),
        ):
            self._reading.setRowVisible(field, is_asked)

    def _fill(self) -> None:
        found = self._found
        self._offer(self.key, dict(zip(found.keys, found.key_texts, strict=False)), found.key)
        words = _IMAGES_IN if set(found.ways) == set(_IMAGES_IN) else _AXES
        self._offer(self.images_in, {way: words[way] for way in words if way in found.ways}, found.options.images_in)
        self._offer(self.order, _ORDERS, found.order)
        self._offer(self.colour, _COLOUR, "rgb" if found.channels == 3 else "grey")
        self._offer(self.negative, _NEGATIVE, found.options.negative)
        self._offer(self.nonfinite, _NONFINITE, found.options.nonfinite)
        self.samples.set_index(list(_SAMPLES).index(found.options.samples or "images"))
        self._offer(
            self.storage, {**_STORAGE, None: f"as usual: {_STORAGE[found.usual_storage]}"}, found.options.storage
        )
        self._offer(self.pages, self._page_choices(), found.options.subset)
        self.subset.set_subset(found.options.subset, found.n_held)
        self._offer(self.labels, self._label_choices(), found.options.labels)
        self._offer(self.shape, {shape: f"{shape[0]} x {shape[1]}" for shape in found.shapes}, found.image_shape)
        self.shape.setEditText(f"{found.image_shape[0]} x {found.image_shape[1]}")
        self.axes.set_axes(found.image_axes, found.options.axes)
        self.steps.set_steps(found.options.steps, self._shape_seen(), found.image_shape)
        self._facts.setText(
            f"{plural(found.n_images, 'image')} of {found.image_shape[0]} × {found.image_shape[1]}"
            f"{' in colour' if found.channels == 3 else ''}, {found.dtype}, {self._told_after()}"
            f"{self._told_need()}"
        )
        self._facts.setToolTip(plain(found.note))

    def _page_choices(self) -> dict[tuple[int, int, int] | None, str]:
        """Return the subsets of one plane or channel each; None: all."""
        found, pages = self._found, self._found.pages
        each: dict[tuple[int, int, int] | None, str] = {None: f"all {pages}, as images of one set"}
        for k in range(pages):
            number = f"number {k + 1} of each {pages}"
            each[found.subset_of_page(k)] = f"{found.page_names[k]} ({number})" if found.page_names else number
        return each

    def _shape_seen(self) -> tuple[int, int]:
        """Shape of the images after the steps, before they become spectra."""
        return replace(self._found, options=replace(self._found.options, samples="images")).shape_after

    def _crop(self, top: int, left: int, height: int, width: int) -> None:
        """Crop to a part of the images that are shown; a crop that ends the steps becomes smaller."""
        steps: tuple[Step, ...] = self._found.options.steps
        if steps and isinstance(last := steps[-1], Crop) and last.is_on:
            steps, top, left = steps[:-1], top + last.top, left + last.left
        self._ask(steps=(*steps, Crop(top, left, height, width)))

    def _told_need(self) -> str:
        found = self._found
        if "disk" in (found.options.storage, found.usual_storage) and found.options.storage != "memory":
            return "stays in its file"
        return f"needs {memory(found.nbytes)} of {memory(free_memory())} that are free"

    def _label_choices(self) -> dict[str | None, str]:
        """Return the sources of labels; None: as the reader proposes."""
        found = self._found
        usual = {"": "none", "folders": "the folders"}.get(found.label_source, found.label_source)
        is_chosen = found.options.labels is not None
        choices: dict[str | None, str] = {None: "as usual" if is_chosen else usual}
        if is_chosen or usual != "none":
            choices[""] = "none"
        return choices | {key: key for key in found.label_keys if is_chosen or key != found.label_source}

    def _told_after(self) -> str:
        found = self._found
        if (found.shape_after, found.count_after) == (found.image_shape, found.n_images):
            return ""
        if found.options.samples == "pixels":
            return f"then {found.count_after} spectra of {found.shape_after[1]} values, "
        return f"then {found.count_after} of {found.shape_after[0]} × {found.shape_after[1]}, "

    def _offer(self, field: ComboBox, choices: Mapping[Any, str], value: object) -> None:
        field.clear()
        for data, text in choices.items():
            field.addItem(text, data)
        field.setCurrentIndex(list(choices).index(value) if value in choices else -1)

    def _ask_shape(self, shape: tuple[int, int] | None) -> None:
        was_unread, self._is_unread = self._is_unread, shape is None
        if shape is None:
            self.set_problem("An image shape reads height x width, for example 19 x 19.")
        elif tuple(shape) != self._found.image_shape or was_unread:
            self._ask(image_shape=tuple(shape))

    def _ask_colour(self, colour: str) -> None:
        """Three times as many values make another shape of a vector; files keep theirs."""
        is_vector = self._found.images_in in _IMAGES_IN
        self._ask(colour=colour, image_shape=None if is_vector else self._found.image_shape)

    def _ask(self, **changes: Any) -> None:
        # On what was chosen before, not on what worked last: a step that failed stays until the user mends it.
        try:
            options = replace(self._wanted, **({"steps": self.steps.steps} | changes))
        except DatasetError as error:
            self.set_problem(str(error))
            return
        self._wanted = options
        self.accept_button.setEnabled(False)
        self.previewRequested.emit(options)

    def set_preview(self, preview: Preview) -> None:
        """Show what the options give, or why they cannot be."""
        if preview.found is None or preview.images is None:
            self.set_problem(preview.error)
            return
        self._found = preview.found
        self._wanted = preview.found.options
        if self._is_first:
            self._first, self._is_first = self._wanted, False
        self._fill()
        self._ask_what_applies()
        self.set_problem(_ONE if preview.found.is_one else "")
        if preview.found.pages > 1 and preview.found.options.subset is None and not preview.found.is_one:
            self._problem.setText(_MIXED.format(preview.found.pages))
        self.cut_button.setVisible(preview.found.is_one)
        has_negatives = preview.lowest < 0 and preview.found.options.negative is None and not preview.found.is_one
        self.clip_button.setVisible(has_negatives)
        if has_negatives:
            self.set_problem("")
            self._problem.setText(_NEGATIVES.format(preview.lowest))
            self.accept_button.setEnabled(False)
        images = list(preview.images)
        half = -(-len(images) // 2)
        captions = self._captions(len(images))
        for picture, some in zip(self._pictures, (slice(half), slice(half, None)), strict=True):
            picture.set_images(images[some], captions[some])
            picture.set_shape(self._shape_seen())
        self._pictures[1].setVisible(len(images) > half)

    def set_problem(self, sentence: str) -> None:
        """Say why what is chosen does not work, which cannot be opened then; "" where it does."""
        self._problem.setText(f"⚠ {sentence}" if sentence else "")
        self.accept_button.setEnabled(not sentence)

    def _captions(self, count: int) -> tuple[str, ...]:
        """Where the images that are shown come from, of a source with planes: "2, plane 1" or "2, z 1, channel 3"."""
        found = self._found
        if found.pages < 2 or found.count_after != found.n_images or found.options.samples == "pixels":
            return ()
        places = [found.moment_and_page(found.picked[k]) for k in found.shown(count)]
        return tuple(f"{k + 1}, {found.name_of_page(page)}" for k, page in places) if len(places) == count else ()

    def reject(self) -> None:
        """Close; steps, axes and a part of the images that were given are only dropped when the user says so."""
        first, given = self._first, self._wanted
        is_same = (first.axes, first.subset) == (given.axes, given.subset)
        if is_same and self.steps.steps == first.steps:
            super().reject()
            return
        self.question = UnsavedQuestion(
            self,
            "What you added or changed here is not applied yet.",
            "It is gone when this window closes.",
            {"discard": super().reject},
            lambda: None,
            discard="Drop it",
        )

    def _accept(self) -> None:
        self.optionsAccepted.emit(self._found.options)
        self.accept()


def _form(*rows: tuple[str, QWidget]) -> QFormLayout:
    form = QFormLayout()
    form.setHorizontalSpacing(16)
    form.setVerticalSpacing(8)
    for title, field in rows:
        form.addRow(title, field)
    return form


def _shape_of(text: str) -> tuple[int, int] | None:
    height, _, width = text.lower().replace("×", "x").replace(" ", "").partition("x")
    return (int(height), int(width)) if height.isdigit() and width.isdigit() else None
