"""Screenshots of every state of the window: ``script/screenshots [FOLDER]``, by default out/screenshots.

Each look (dark, light, dark at 1280 x 720, and at 200 %) is a process of its own in the real window with real
solvers, on the bundled data. Ends with 1 where a state has words that overlap or are cut off, or too little contrast
(`legibility.problems`), each in a line. With ``--guide`` the pictures of docs/guide.md are written anew, too, with
fewer colours.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from legibility import problems
from PIL import Image
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QWidget

from gsp_studio.gui import app
from gsp_studio.gui.state import Phase, RunSettings
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.resources import sample_path

#: A look: the theme, how many pixels of the screen one of the window takes, and the window's size.
LOOKS = {
    "dark": ("dark", 1, (1280, 800)),
    "light": ("light", 1, (1280, 800)),
    "dark-720": ("dark", 1, (1280, 720)),
    "dark-200": ("dark", 2, (1280, 720)),
}
GUIDE = Path(__file__).parent / "images" / "guide"
#: States whose pictures the guide shows.
IN_GUIDE = (
    "run",
    "drag",
    "locked",
    "stability",
    "compare",
    "inspector",
    "error-map",
    "path",
    "weights",
    "steered",
    "branch",
    "sweep",
    "networks",
)
LEFT = Qt.MouseButton.LeftButton
PATIENCE = 300.0


class Studio:
    """Window, operated like by hand."""

    def __init__(self, scheme: str, size: tuple[int, int], folder: Path) -> None:
        self.app = app.make_application()
        settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
        settings.setValue("scheme", scheme)
        settings.setValue("sweeps", str(folder / "sweeps"))
        self.folder = folder
        self.window: MainWindow = app.make_window(settings)
        self.window.resize(*size)
        self.window.show()
        self.session = self.window.session

    def wait(self, condition: Callable[[], object]) -> None:
        """Process events until the condition holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError("a state did not come")
            self.app.processEvents()
            time.sleep(0.005)

    def idle(self, seconds: float) -> None:
        """Process events for a while: what is drawn later gets its time."""
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > end)

    def open_faces(self) -> None:
        """The bundled faces with a basis under the slider."""
        self.wait(lambda: self.session.phase is Phase.EMPTY)
        self.session.settings.set_choice(RunSettings().with_params(rank=49, max_iter=200))
        self.session.open(sample_path("faces"))
        self.wait(lambda: self.session.display.shown is not None)

    def run(self, **changes: object) -> None:
        """A run to its end."""
        self.session.settings.set_choice(self.session.settings.choice.with_params(**changes))
        before = len(self.session.runs.entries)
        self.session.run()
        self.wait(lambda: len(self.session.runs.entries) > before)

    def drag(self, start: float, end: float) -> None:
        """The slider's handle, with the left button; it stays down."""
        slider = self.window.sparsity.slider
        self.session.settings.set_sparsity(start)
        y = round(slider.handle_position().y())
        room = slider.width() - 24
        QTest.mousePress(slider, LEFT, pos=QPoint(round(12 + start * room), y))
        for step in range(1, 11):
            QTest.mouseMove(slider, QPoint(round(12 + (start + (end - start) * step / 10) * room), y))
        self.idle(0.2)

    def release(self) -> None:
        """End the drag."""
        slider = self.window.sparsity.slider
        QTest.mouseRelease(slider, LEFT, pos=slider.handle_position().toPoint())

    def dialog(self) -> QDialog:
        """The dialog that is open."""
        found = [w for w in QApplication.topLevelWidgets() if isinstance(w, QDialog) and w.isVisible()]
        return found[-1]


def states(studio: Studio) -> Iterator[tuple[str, QWidget]]:
    """Bring the window from state to state; the name of each, and what is to be seen of it."""
    window, session = studio.window, studio.session
    studio.wait(lambda: session.phase is Phase.EMPTY)
    studio.idle(1.0)
    yield "empty", window
    window.take_tour()
    yield "tour", window
    window.tour.end()
    studio.open_faces()
    yield "opened", window
    studio.run()
    studio.idle(1.5)
    yield "run", window
    yield from steering(studio)
    session.control.show(0)
    session.display.select(int(session.display.shown.order[3]))
    studio.drag(0.85, 0.93)
    yield "drag", window
    studio.release()
    studio.wait(lambda: session.display.shown.is_solved)
    yield "refined", window
    for tile in (0, 4, 9):
        window.montage.view.barActivated.emit(tile)  # as a double click on the bar under it
    session.settings.set_sparsity(0.96)
    studio.idle(0.3)
    yield "locked", window
    session.slider.lock({})
    session.settings.set_sparsity(1.0)
    session.slider.toggle_locked(int(session.display.shown.order[0]))
    session.settings.set_sparsity_h(0.4)
    studio.idle(0.5)
    yield "coefficients", window
    session.settings.set_sparsity_h(0.0)
    session.slider.lock({})
    yield from other_views(studio)
    yield from sweep(studio)
    yield from networks(studio)
    yield from dialogs(studio)


def steering(studio: Studio) -> Iterator[tuple[str, QWidget]]:
    """A run that is changed on its way, and a branch of it."""
    window, session = studio.window, studio.session

    def pause_after(iterations: int) -> None:
        studio.wait(lambda: len(session.course.records) > iterations)
        session.run_or_pause()
        studio.idle(0.3)

    session.settings.set_choice(RunSettings().with_params(rank=49, max_iter=600))
    session.run()
    pause_after(60)
    order = [int(basis) for basis in session.display.shown.order]
    session.display.mark((order[2], order[4]))
    session.live.toggle_frozen(session.display.marked)
    session.display.mark((order[0],))
    session.live.split(session.display.marked)
    session.run_or_pause()
    pause_after(150)
    session.display.mark((order[8],))
    session.live.kill(session.display.marked)
    session.run_or_pause()
    pause_after(250)
    session.settings.set_sparsity(0.8)
    session.run_or_pause()
    studio.wait(lambda: len(session.course.records) > 300)
    yield "running", window
    pause_after(350)
    yield "steered", window
    session.run_or_pause()
    studio.wait(lambda: session.phase is Phase.IDLE)
    window.prompts.branch(200)
    studio.idle(0.3)
    yield "dialog-branch", studio.dialog()
    studio.dialog().close()
    session.control.branch(200, 0.75)
    studio.wait(lambda: session.phase is Phase.IDLE)
    yield "branch", window


def stability(studio: Studio) -> Iterator[tuple[str, QWidget]]:
    """Show the stability of the run over further seeds."""
    window, session = studio.window, studio.session
    before = session.display.marked
    session.stability.check()
    studio.wait(lambda: session.runs.entries[-1].stability is not None)
    session.display.select(int(session.runs.entries[-1].stability.similarity.argmin()))
    studio.idle(0.5)
    yield "stability", window
    session.display.mark(before)
    window.prompts.rank()
    dialog = studio.dialog()
    dialog.first.setValue(20)
    dialog.last.setValue(26)
    dialog.seeds.setValue(3)
    dialog.start.click()
    studio.wait(dialog.use.isEnabled)
    yield "dialog-rank", dialog
    dialog.close()


def other_views(studio: Studio) -> Iterator[tuple[str, QWidget]]:
    """Show the other tabs."""
    window, session = studio.window, studio.session
    studio.run(rank=25, sparsity=0.7, seed=1)
    yield from stability(studio)
    window.centre.show_view("Compare")
    studio.idle(1.0)
    yield "compare", window
    session.control.show(0)
    window.centre.show_view("Inspector")
    studio.idle(1.5)
    yield "inspector", window
    window.inspector.view.buttons[1].click()
    studio.idle(0.5)
    yield "error-map", window
    window.inspector.view.buttons[0].click()
    window.centre.show_view("Path")
    studio.wait(lambda: session.basis.path.present.is_whole)
    session.settings.set_sparsity(0.9)
    session.settings.settle_sparsity()
    studio.wait(lambda: session.display.shown.is_solved)
    studio.idle(1.0)
    yield "path", window
    window.centre.show_view("Weights")
    studio.wait(lambda: window.weights.presets.buttons["residual"].isEnabled())
    window.weights.presets.buttons["centre"].click()
    studio.wait(lambda: window.weights.pair._bases[1] is not None)
    studio.idle(0.5)
    yield "weights", window
    window.centre.show_view("Basis")
    session.undo.stack.undo()


def sweep(studio: Studio) -> Iterator[tuple[str, QWidget]]:
    """A sweep on its way."""
    window, sweep = studio.window, studio.window.sweep
    window.prompts.sweep()
    dialog = studio.dialog()
    studio.wait(lambda: dialog.map._tiles)
    for number, value in zip((*dialog.form.ranks, dialog.form.seeds), (9, 49, 10, 2), strict=True):
        number.setValue(value)
    dialog.form.iterations.setValue(100)
    dialog.set_folder(Path("~/.local/share/gsp-studio/sweeps"))
    dialog.start.click()
    studio.wait(lambda: dialog.bar.value() >= 38)
    yield "sweep", dialog
    sweep.cancel_all()
    dialog.close()
    studio.wait(lambda: not sweep.is_going)


def networks(studio: Studio) -> Iterator[tuple[str, QWidget]]:
    """A network for digits, trained here, before and after its accuracy is known."""
    window, session = studio.window, studio.window.network_controller.session
    window.centre.show_view("Networks")
    yield "networks-empty", window
    window.network_controller.open(trained_on_digits(studio.folder))
    studio.wait(lambda: session.curves.zeros is not None and session.curves.zeros.is_whole)
    session.set_choice(replace(session.choice, mode="network"))
    studio.wait(lambda: session.curves.zeros is not None and session.curves.zeros.is_whole)
    session.set_sparsity(0.6)
    session.select("conv2.weight")
    studio.idle(0.5)
    yield "networks-open", window
    session.find_accuracy(studio.folder / "digits.npz", "360 digits")
    studio.wait(lambda: session.curves.accuracy.done > 4)
    yield "networks-measuring", window
    studio.wait(lambda: session.curves.accuracy.state == "done")
    yield "networks", window
    window.centre.show_view("Basis")


def trained_on_digits(folder: Path) -> Path:
    """LeNet-5 trained on four fifths of scikit-learn's digits; the others lie beside it as digits.npz."""
    import torch

    from gsp_studio.pruning.images import digits, split
    from gsp_studio.pruning.models import make_model
    from gsp_studio.pruning.training import SCHEDULES, Stage, make_sets, train

    training, test = split(digits())
    model, schedule = make_model("lenet5", training.shape, 10, seed=0), SCHEDULES["lenet5"]
    train(model, make_sets(training, test), Stage(schedule.epochs, schedule.rate, 0, schedule.batch, schedule.decay))
    torch.save(model.state_dict(), folder / "lenet5.pt")
    np.savez(folder / "digits.npz", images=test.images[:, 0], labels=test.labels)
    return folder / "lenet5.pt"


def dialogs(studio: Studio) -> Iterator[tuple[str, QWidget]]:
    """Show the dialogs."""
    window = studio.window
    for name, show in (
        ("keys", lambda: window.prompts.keys(window.menus)),
        ("palette", lambda: window.prompts.palette(window.menus)),
        ("about", window.prompts.about),
        ("export", window.prompts.export),
        ("layout", window.prompts.another_layout),
        ("files", lambda: QFileDialog(window, options=QFileDialog.Option.DontUseNativeDialog).show()),
        ("error", lambda: studio.session.open(studio.folder / "nothing.npy")),
    ):
        (studio.folder / "nothing.npy").write_bytes(b"this is no array")
        show()
        studio.wait(lambda: any(isinstance(w, QDialog) and w.isVisible() for w in QApplication.topLevelWidgets()))
        studio.idle(0.8)
        dialog = studio.dialog()
        yield f"dialog-{name}", dialog
        dialog.close()
        studio.idle(0.1)


def take(look: str, out: Path) -> None:
    """Write the pictures of one look, in this process, and name what is hard to read on them."""
    out.mkdir(parents=True, exist_ok=True)
    scheme, _, size = LOOKS[look]
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(scheme, size, Path(folder))
        for name, part in states(studio):
            studio.idle(0.2)
            part.grab().save(str(out / f"{name}.png"))
            found = problems(part)
            count += len(found)
            print("\n    ".join([f"{look}/{name}.png", *found]), flush=True)
        studio.window.close()
        sys.stdout.flush()
        os._exit(1 if count else 0)  # no thread is waited for: nothing of it is kept


def write_guide(pictures: Path) -> None:
    """Reduce the colours of the guide's pictures: a third of the bytes, without a visible difference."""
    GUIDE.mkdir(parents=True, exist_ok=True)
    for name in IN_GUIDE:
        picture = Image.open(pictures / f"{name}.png").convert("RGB")
        colours = 256 if name == "sweep" else 96  # whose map is all colours
        picture.quantize(colours, dither=Image.Dither.NONE).save(GUIDE / f"{name}.png", optimize=True)


def main() -> int:
    """All looks, each in a process of its own."""
    parser = argparse.ArgumentParser(description="Write screenshots of every state of the window.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("out/screenshots"))
    parser.add_argument("--look", choices=LOOKS, help="only this one")
    parser.add_argument("--guide", action="store_true", help="write the guide's pictures, too")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        take(args.look, args.folder / args.look)
        return 0
    is_legible = True
    for look in [args.look] if args.look else LOOKS:
        env = {**os.environ, "QT_SCALE_FACTOR": str(LOOKS[look][1])}
        command = [sys.executable, __file__, str(args.folder), "--look", look, "--here"]
        is_legible = subprocess.run(command, env=env, check=False).returncode == 0 and is_legible
    if args.guide:
        write_guide(args.folder / "dark")
    return 0 if is_legible else 1


if __name__ == "__main__":
    sys.exit(main())
