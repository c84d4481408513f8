"""The window itself: slider to painted pixels, how late the GUI's timers are beside a solver, start to first paint.

Everything happens in processes of their own, in the real window, on the display that there is; without one on an Xvfb
that is started for it, and without Xvfb in memory. Rows name the platform and the load of the machine before the
measurement: milliseconds are worth little on a machine that does other things.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.timing import Row

if TYPE_CHECKING:
    from gsp_studio.gui.window.main_window import MainWindow

ROOT = Path(__file__).parents[1]
CBCL = ROOT.parent / "shared" / "data" / "CBCL.mat"

#: Milliseconds from a move to its pixels, by rank and image; the largest may show a part of its pixels first.
SLIDER = {"49x19x19": 8.0, "100x128x128": 16.0, "100x512x512": 60.0}
#: Runs of so many images of these sizes are selected in the list.
SELECT, SELECTED = ("49x19x19", "100x128x128"), 200.0
#: Milliseconds: a frame at 60 Hz; how late a timer may be; from Cancel to the end; what feels like at once.
FRAME, LATE, CANCEL, START = 16.0, 12.0, 500.0, 700.0
#: Milliseconds until a refined basis is as good as a run, and the targets at which its error is compared with a run's.
REFINED, GAPS = 150.0, (0.6, 0.7, 0.8, 0.9, 0.95)
#: Seconds in which a path of 25 targets is solved.
WALKED = 8.0
#: Memory after many gestures over that after the first tenth of them.
FLAT = 1.05
#: Solvers may have to be compiled before the first measurement.
PATIENCE = 300.0


def rows(quick: bool) -> list[Row]:
    """Slider, lateness and start, each in a child process."""
    out: list[Row] = []
    with display() as (env, platform), tempfile.TemporaryDirectory() as settings:
        env = {**env, "XDG_CONFIG_HOME": settings}

        def add(name: str, goal: float, measure: Callable[[], tuple[list[float], float, str]]) -> None:
            load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
            values, percentile, what = measure()
            value = float(np.percentile(values, percentile))
            out.append(Row(name, value, f"ms, {what}, {platform}, load {load:.1f}", goal))

        moves = 150 if quick else 400
        for size, goal in SLIDER.items():
            name = f"slider_p99_ms_{size}"
            add(name, goal, lambda name=name: (child(env, name, moves), 99, f"{moves} moves"))
        picks = 20 if quick else 100
        for size in SELECT:
            name = f"select_run_p99_ms_{size}"
            add(name, SELECTED, lambda name=name: (child(env, name, picks), 99, f"{picks} old runs selected"))
        name = "slider_p99_ms_network_1m"
        add(name, FRAME, lambda: (child(env, name, moves), 99, f"{moves} moves, 1.1 M weights in 11 layers"))
        seconds = 4 if quick else 15
        add(
            "gui_lateness_p99_ms",
            LATE,
            lambda: (child(env, "gui_lateness_p99_ms", seconds), 99, f"{seconds} s of a run"),
        )
        solved = child(env, "refine", 500)
        words = f"from the release at s = 0.93 to 5 % above a run there, {platform}"
        out.append(Row("refine_to_5_percent_ms", solved[0], f"ms, {words}", REFINED))
        gap = f"% over runs of 500 iterations at s = {', '.join(map(str, GAPS))}: median"
        out.append(Row("refine_gap_percent", float(np.median(solved[1:])), f"{gap}, worst {max(solved[1:]):.1f}", 0.0))
        walked = child(env, "solved_path", 500)[0]
        what = f"s, 25 targets solved while the view Path is open and nothing else computes, {platform}"
        out.append(Row("solved_path_s", walked, what, WALKED))
        cycles = 40 if quick else 200
        times = child(env, "cycles", cycles)
        add("cancel_p99_ms", CANCEL, lambda: (times[1:], 99, f"{cycles} runs started and cancelled"))
        memory = f"x memory, {cycles} runs started and cancelled"
        out.append(Row("memory_of_cycles", times[0], f"{memory}, {platform}", FLAT))
        drag = 400 if quick else 2000
        grown = child(env, "memory_of_drag", drag)[0]
        out.append(Row("memory_of_drag", grown, f"x memory, a drag of {drag} moves, {platform}", FLAT))
        starts = 3 if quick else 9
        add("start_to_paint_ms", START, lambda: (start_times(env, starts), 50, f"median of {starts} starts"))
    return out


# The parent's side


@contextlib.contextmanager
def display() -> Iterator[tuple[dict[str, str], str]]:
    """Environment with a display, and its name."""
    env = {**os.environ, "QT_API": "pyside6"}
    if os.environ.get("QT_QPA_PLATFORM"):
        yield env, os.environ["QT_QPA_PLATFORM"]
    elif sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        yield env, f"display {os.environ.get('DISPLAY', '')}".strip()
    elif shutil.which("Xvfb") is None:
        yield {**env, "QT_QPA_PLATFORM": "offscreen"}, "offscreen"
    else:
        reading, writing = os.pipe()
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
        server = subprocess.Popen(command, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(writing)
        try:
            with os.fdopen(reading) as number:
                yield {**env, "DISPLAY": f":{number.readline().strip()}", "QT_QPA_PLATFORM": "xcb"}, "xcb on Xvfb"
        finally:
            server.terminate()
            server.wait()


def child(env: dict[str, str], name: str, amount: int) -> list[float]:
    """Milliseconds that a process of its own measured."""
    command = [sys.executable, "-m", "benchmarks.interaction", name, str(amount)]
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=PATIENCE)
    return json.loads(done.stdout.splitlines()[-1])


def start_times(env: dict[str, str], starts: int) -> list[float]:
    """Milliseconds from the start of a process to the first paint of its window; the first start warms the caches.

    Modules are compiled by then, as they are where the app was installed or started before, whatever this shell says.
    """
    env = {name: value for name, value in env.items() if name != "PYTHONDONTWRITEBYTECODE"}
    times = []
    with tempfile.TemporaryDirectory() as compiled:
        for _ in range(starts + 1):
            # The clock is the system's: parent and child read the same.
            began = {"PYTHONPYCACHEPREFIX": compiled, "GSP_BENCHMARK_BEGAN": repr(time.monotonic())}
            times += child({**env, **began}, "start_to_paint_ms", 0)
    return times[1:]


# The child's side


class Bench:
    """The real window with a data set or a network, and the target of the tiles that were last painted."""

    def __init__(self, data: Any = None, rank: int = 0) -> None:
        from PySide6.QtCore import QSettings

        from gsp_studio.gui import app
        from gsp_studio.gui.state import RunSettings
        from gsp_studio.gui.widgets.tile_view import TileView

        self.painted_target = float("nan")
        paint = TileView.paintEvent

        def paint_and_note(view: TileView, event: object) -> None:
            paint(view, event)
            self.painted_target = self.target

        TileView.paintEvent = paint_and_note
        self.app = app.make_application()
        settings = QSettings(os.path.join(os.environ["XDG_CONFIG_HOME"], "bench.ini"), QSettings.Format.IniFormat)
        self.window: MainWindow = app.make_window(settings)
        self.window.show()
        session = self.window.session
        self.wait(lambda: session.phase.name == "EMPTY")
        if data is None:
            return
        session.settings.set_choice(RunSettings().with_params(rank=rank, max_iter=10**6, tol=0.0))
        session.set_dataset(data)
        self.wait(lambda: session.display.shown is not None)
        self.idle(0.5)

    @property
    def target(self) -> float:
        """Sparsity of the basis to be painted: of a preview while there is one."""
        if self.window.network_controller.is_front:
            network = self.window.network_controller.session.shown
            return float("nan") if network is None else network.choice.sparsity
        session = self.window.session
        seen = session.display.glimpse or session.display.shown
        return float("nan") if seen is None else seen.target

    def wait(self, condition: Callable[[], bool]) -> None:
        """Process events until the condition holds; asleep between them, as an event loop is."""
        from PySide6.QtCore import QEventLoop

        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError
            # The session's timer ends this wait about 30 times a second.
            self.app.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)

    def idle(self, seconds: float) -> None:
        """Process events for a while, asleep in between."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.app.processEvents()
            time.sleep(min(left, 0.001))

    def close(self) -> None:
        """End the run."""
        self.window.unsaved.leave()


def slider_times(data: Any, rank: int, moves: int) -> list[float]:
    """Milliseconds from a mouse move on the slider until all that it changes has been painted, move after move."""
    bench = Bench(data, rank)
    return drag_times(bench, bench.window.sparsity.slider, moves)


def network_times(moves: int) -> list[float]:
    """The same for the slider of a network with 1.1 million weights as one group, its largest layer selected."""
    bench = Bench()
    session = bench.window.network_controller.session
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "network.npz"
    rng = np.random.default_rng(0)
    shapes = [(64, 3, 3, 3), *[(64, 64, 3, 3)] * 4, (128, 64, 3, 3), *[(128, 128, 3, 3)] * 2]
    shapes += [(256, 128, 3, 3), (128, 256, 3, 3), (10, 128)]
    np.savez(path, **{f"layer{k}.weight": rng.normal(size=shape).astype("f4") for k, shape in enumerate(shapes)})
    bench.window.network_controller.open(path)
    bench.wait(lambda: session.path is not None)
    session.select("layer8.weight")
    session.set_choice(replace(session.choice, mode="network"))
    bench.wait(lambda: session.path is not None and session.curves.zeros is not None and session.curves.zeros.is_whole)
    bench.idle(0.5)
    return drag_times(bench, bench.window.networks.view.controls.slider, moves)


def drag_times(bench: Bench, slider: Any, moves: int) -> list[float]:
    """Milliseconds from a mouse move on a slider until the tiles that it changes have been painted."""
    from PySide6.QtCore import QEvent, QPointF, Qt
    from PySide6.QtGui import QMouseEvent

    def send(kind: QEvent.Type, x: float) -> None:
        place = QPointF(x, slider.handle_position().y())
        held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else Qt.MouseButton.LeftButton
        button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else Qt.MouseButton.LeftButton
        event = QMouseEvent(kind, place, slider.mapToGlobal(place), button, held, Qt.KeyboardModifier.NoModifier)
        bench.app.sendEvent(slider, event)

    send(QEvent.Type.MouseButtonPress, slider.handle_position().x())
    times = []
    for k in range(moves):
        s = 0.75 + 0.2 * np.sin(0.11 * k) + 1e-4 * (k % 7)  # above the pinned basis's own sparsity: every step projects
        began = time.perf_counter()
        send(QEvent.Type.MouseMove, 12 + s * (slider.width() - 24))
        wanted = slider.value()
        bench.wait(lambda wanted=wanted: bench.target == wanted and bench.painted_target == wanted)
        took = time.perf_counter() - began  # processEvents has come back: bars, chip and numbers are painted too
        times.append(1000 * took)
        bench.idle(max(0.0, FRAME / 1000 - took))
    send(QEvent.Type.MouseButtonRelease, slider.handle_position().x())
    bench.close()
    return times[5:]


def select_times(data: Any, rank: int, picks: int) -> list[float]:
    """Milliseconds from a click on a run of the list until its basis, curves and numbers are painted."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    from gsp_studio.gui.state import RunSettings

    bench = Bench(data, rank)
    session, table = bench.window.session, bench.window.runs.table
    for s in (0.7, 0.8, 0.9):
        session.settings.set_choice(RunSettings().with_params(rank=rank, max_iter=10, sparsity=s))
        session.run()
        bench.wait(lambda: session.phase.name == "IDLE")
    times = []
    for k in range(picks):
        row = k % 3
        place = table.visualRect(table.model().index(row, 1)).center()
        wanted = session.runs.entries[row].shown.target
        bench.idle(0.05)
        began = time.perf_counter()
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        bench.wait(lambda wanted=wanted: bench.target == wanted and bench.painted_target == wanted)
        times.append(1000 * (time.perf_counter() - began))
    bench.close()
    return times[3:]


def lateness(seconds: int) -> list[float]:
    """Lateness of a timer of 5 ms while a run goes on in the window, in milliseconds."""
    from PySide6.QtCore import QEventLoop, Qt, QTimer

    bench = Bench(faces_like_cbcl(), 49)
    late: list[float] = []
    last = time.perf_counter()

    def note() -> None:
        nonlocal last
        now = time.perf_counter()
        late.append(max(0.0, 1000 * (now - last) - 5.0))
        last = now

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setInterval(5)
    timer.timeout.connect(note)
    bench.window.session.run_or_pause()
    bench.wait(lambda: bench.window.curves._count > 20)
    timer.start()
    last = time.perf_counter()
    loop = QEventLoop()  # the app's own would ask, before it ends, about the run that is going
    QTimer.singleShot(1000 * seconds, loop.quit)
    loop.exec()
    timer.stop()
    if bench.window.session.phase.name != "RUNNING":
        raise RuntimeError("the run ended before the measurement")
    bench.close()
    return late


def refine_times(max_iter: int) -> list[float]:
    """Milliseconds from a release at s = 0.93 to 5 % above the error of a run there; % over runs at `GAPS`."""
    import gsp_studio as gs
    from gsp_studio.gui.state import RunSettings

    bench = Bench(faces_like_cbcl(), 49)
    session = bench.window.session
    session.settings.set_choice(RunSettings().with_params(rank=49, max_iter=max_iter, sparsity=0.85))
    session.run()
    bench.wait(lambda: bool(session.runs.entries))
    found, milliseconds = [], float("nan")
    for s in (0.93, *GAPS):
        params = gs.Params(49, "gsphals", sparsity=s, max_iter=max_iter)
        fresh = gs.factorize(session.dataset.X, params).error
        session.control.show(0)
        bench.idle(0.5)
        began = time.perf_counter()
        session.settings.set_sparsity(s)
        session.settings.settle_sparsity()
        if s == 0.93:
            bench.wait(lambda fresh=fresh: session.display.shown.error <= 1.05 * fresh)
            milliseconds = 1000 * (time.perf_counter() - began)
        bench.wait(lambda: session.display.shown.is_solved)
        bench.wait(lambda: not session.basis.is_working)  # a start of its own may be better
        found.append(100 * (session.display.shown.error / fresh - 1))
    bench.close()
    return [milliseconds, *found[1:]]


def solved_path_time(max_iter: int) -> list[float]:
    """Seconds from the moment that the view Path is opened until all targets are solved."""
    from gsp_studio.gui.state import RunSettings

    bench = Bench(faces_like_cbcl(), 49)
    window, session = bench.window, bench.window.session
    session.settings.set_choice(RunSettings().with_params(rank=49, max_iter=max_iter, sparsity=0.85))
    session.run()
    bench.wait(lambda: bool(session.runs.entries))
    bench.idle(0.5)
    path = session.basis.path.present
    assert path is not None
    began = time.perf_counter()
    window.centre.show_view("Path")
    bench.wait(lambda: path.is_whole)
    took = time.perf_counter() - began
    if len(path.points) != 25:
        raise RuntimeError(f"the path has {len(path.points)} points")
    bench.close()
    return [took]


def resident() -> float:
    """Bytes of memory of this process; NaN where the system has no such number."""
    import gc

    gc.collect()
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return float("nan")


def cycles(count: int) -> list[float]:
    """Start and cancel runs; the growth of memory since the first tenth of them, then milliseconds to each end."""
    from PySide6.QtCore import QEvent

    bench = Bench(faces_like_cbcl(), 49)
    session = bench.window.session
    times, before = [], float("nan")
    for k in range(count):
        if k == count // 10:
            before = resident()
        session.run()
        bench.wait(lambda: bool(session.course.records))
        began = time.perf_counter()
        session.cancel()
        if bench.window.run.cancel.isEnabled():
            raise RuntimeError("the window does not show at once that the run is being cancelled")
        bench.wait(lambda: session.phase.name == "IDLE")
        times.append(1000 * (time.perf_counter() - began))
        # Each run keeps its factors, and so does the step that undoes it: this measures the memory beside them.
        session.runs.take(())
        session.undo.stack.clear()
        bench.app.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # as the app's own loop does
    grown = resident() / before
    bench.close()
    return [grown, *times]


def memory_of_drag(moves: int) -> list[float]:
    """The growth of memory in a drag, since its first tenth."""
    bench = Bench(bundled_faces(), 49)
    slider, before = bench.window.sparsity.slider, float("nan")
    for k in range(moves):
        if k == moves // 10:
            before = resident()
        slider.setValue(0.75 + 0.2 * np.sin(0.11 * k))
        slider.valueChanged.emit(slider.value())
        bench.app.processEvents()
    grown = resident() / before
    bench.close()
    return [grown]


def first_paint() -> list[float]:
    """Start ``gsp-studio`` as its command does and print the age of the process at the first paint."""
    from gsp_studio import cli
    from gsp_studio.gui import app

    make = app.make_window

    def make_and_tell(settings: Any) -> MainWindow:
        window = make(settings)
        window.firstPainted.connect(tell)
        return window

    def tell() -> None:
        print(json.dumps([1000 * (time.monotonic() - float(os.environ["GSP_BENCHMARK_BEGAN"]))]), flush=True)
        os._exit(0)  # the solvers are being imported by now, and are not waited for

    app.make_window = make_and_tell
    cli.main([])
    raise RuntimeError("the window was never painted")


def bundled_faces() -> Any:
    """2,000 faces of 19 x 19."""
    import gsp_studio as gs
    from gsp_studio.io.resources import sample_path

    return gs.load_dataset(sample_path("faces"))


def faces_like_cbcl() -> Any:
    """CBCL where it lies beside the checkout, else as many of the bundled faces: 2,429 of 19 x 19."""
    import gsp_studio as gs
    from gsp_studio.io.dataset import Dataset

    if CBCL.exists():
        return gs.load_dataset(CBCL, dtype="float32")
    X = bundled_faces().X
    rng = np.random.default_rng(0)
    X = np.asfortranarray(np.hstack([X, X[:, : 2429 - X.shape[1]]]) * rng.uniform(0.8, 1, (1, 2429)), np.float32)
    return Dataset(X, (19, 19), "C", "faces", tuple(map(str, range(2429))))


def blobs(side: int = 128) -> Any:
    """240 images of side x side made of soft spots."""
    from gsp_studio.io.dataset import Dataset

    rng = np.random.default_rng(0)
    grid = np.arange(side, dtype=np.float32)
    parts = []
    for _ in range(120):
        (y, x), width = rng.uniform(0, side, 2), rng.uniform(side / 32, side / 6.4)
        parts.append(np.outer(np.exp(-(((grid - y) / width) ** 2)), np.exp(-(((grid - x) / width) ** 2))).ravel())
    X = np.asfortranarray(np.array(parts).T @ rng.gamma(0.3, size=(120, 240)) + 0.01, np.float32)
    return Dataset(X, (side, side), "C", "spots", tuple(map(str, range(240))))


MEASUREMENTS: dict[str, Callable[[int], list[float]]] = {
    "slider_p99_ms_49x19x19": lambda moves: slider_times(bundled_faces(), 49, moves),
    "slider_p99_ms_100x128x128": lambda moves: slider_times(blobs(), 100, moves),
    "slider_p99_ms_100x512x512": lambda moves: slider_times(blobs(512), 100, moves),
    "select_run_p99_ms_49x19x19": lambda picks: select_times(bundled_faces(), 49, picks),
    "select_run_p99_ms_100x128x128": lambda picks: select_times(blobs(), 100, picks),
    "slider_p99_ms_network_1m": network_times,
    "gui_lateness_p99_ms": lateness,
    "refine": refine_times,
    "solved_path": solved_path_time,
    "cycles": cycles,
    "memory_of_drag": memory_of_drag,
    "start_to_paint_ms": lambda _: first_paint(),
}

if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]](int(sys.argv[2]))))
