"""Session without panels: opening data sets, and those that are superseded."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from handling import Listener, open_faces, settle, threads_of_sessions, wait_until
from PIL import Image

from gsp_studio.gui.jobs import compute
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import Phase, RunSettings
from gsp_studio.io import readers
from gsp_studio.io.dataset import DatasetError, LoadOptions
from gsp_studio.io.resources import sample_path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of six small images."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(6):
        Image.fromarray(rng.integers(0, 255, (6, 5), np.uint8)).save(folder / f"{k}.png")
    return folder


@pytest.fixture
def ambiguous(tmp_path: Path) -> Path:
    """A .npy matrix whose image shape has to be guessed."""
    path = tmp_path / "matrix.npy"
    np.save(path, np.random.default_rng(0).random((36, 50), np.float32))
    return path


def test_start_tells_what_the_solvers_can_do() -> None:
    session = Session()
    heard = Listener(session, "known", "phaseChanged", "activity.changed", "failed")
    session.start()
    wait_until(lambda: session.phase is Phase.EMPTY)
    [known] = heard["known"]
    assert {"psnmf", "ahals"} <= set(known.methods)
    assert known.methods["psnmf"][2]
    assert not known.methods["ahals"][2]
    assert known.backend
    assert heard["phaseChanged"] == [Phase.EMPTY]
    assert heard["changed"][0] == "getting the solvers ready"
    assert heard["changed"][-1] == ""
    assert heard["failed"] == []
    assert session.close()
    assert not threads_of_sessions()


def test_closing_before_the_solvers_are_there_leaves_no_thread() -> None:
    session = Session()
    session.start()
    assert session.close()
    assert not threads_of_sessions()


def test_what_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(compute, "warm_up", broken)
    session = Session()
    heard = Listener(session, "failed")
    session.start()
    wait_until(lambda: heard["failed"])
    [(sentence, details)] = heard["failed"]
    assert sentence == "GSP Studio cannot compute here: no space left on device"
    assert "OSError" in details
    assert session.close()


def test_opening_faces_tells_panels_in_order(session: Session) -> None:
    names = (
        "datasetChanged",
        "basis.pinnedChanged",
        "display.shownChanged",
        "settings.choiceChanged",
        "phaseChanged",
        "course.recordsReset",
    )
    heard = Listener(session, *names)
    open_faces(session)
    wait_until(lambda: session.display.shown is not None)
    [data] = heard["datasetChanged"]
    assert data is session.dataset
    assert data.X.shape == (361, 2000)
    assert heard["pinnedChanged"] == [None, session.basis.pinned]
    assert heard["shownChanged"] == [None, session.display.shown]
    assert heard["phaseChanged"] == [Phase.IDLE]
    assert heard["recordsReset"] == [()]
    assert heard["choiceChanged"][-1] == RunSettings().with_params(rank=9, max_iter=30)
    assert session.basis.pinned.W.shape == (361, 9)
    assert session.basis.pinned.H.shape == (9, 2000)
    assert session.basis.pinned.error < 0.3
    # The pinned basis is dense, and what is shown is its projection.
    assert session.basis.pinned.sparsity < 0.85
    assert session.display.shown.attained == pytest.approx(0.85, abs=1e-5)
    assert session.display.shown.baseline == session.basis.pinned.error


def test_opening_before_the_solvers_are_there_waits_for_them() -> None:
    session = Session()
    heard = Listener(session, "activity.changed", "failed")
    session.settings.set_choice(RunSettings().with_params(rank=4))
    session.start()
    session.open(sample_path("swimmer"))
    assert "then opening swimmer.npz" in heard["changed"][-1]
    wait_until(lambda: session.basis.pinned is not None)
    assert session.dataset.image_shape == (32, 32)
    assert session.basis.pinned.W.shape == (1024, 4)
    assert heard["failed"] == []
    assert session.close()


def test_rank_is_bounded_by_the_data(session: Session, pictures: Path) -> None:
    session.settings.set_choice(RunSettings().with_params(rank=49))
    session.open(pictures)
    wait_until(lambda: session.basis.pinned is not None)
    assert session.settings.params.rank == 3, "as many as images would copy them"
    assert session.basis.pinned.W.shape == (30, 3)


def test_a_rank_that_small_data_could_not_have_comes_back_with_larger_ones(session: Session, pictures: Path) -> None:
    heard = Listener(session, "logged")
    session.settings.set_choice(RunSettings().with_params(rank=40))
    session.open(pictures)
    wait_until(lambda: session.basis.pinned is not None)
    assert session.settings.params.rank == 3
    assert "Rank 3 is proposed: 40 is more than these data can have, 6." in heard["logged"]
    session.open(sample_path("swimmer"))
    wait_until(lambda: session.basis.pinned is not None and session.dataset.name == "swimmer.npz")
    assert session.settings.params.rank == 40
    session.open(pictures)
    wait_until(lambda: session.settings.params.rank == 3)
    session.settings.set_choice(session.settings.choice.with_params(rank=5))
    session.open(sample_path("swimmer"))
    wait_until(lambda: session.dataset.name == "swimmer.npz")
    assert session.settings.params.rank == 5, "it was chosen meanwhile"


def test_other_rank_fits_the_basis_of_the_slider_anew(faces: Session) -> None:
    first = faces.basis.pinned
    faces.settings.set_choice(faces.settings.choice.with_params(rank=5))
    wait_until(lambda: faces.basis.pinned is not first)
    assert faces.basis.pinned.W.shape == (361, 5)
    wait_until(lambda: faces.display.shown.W.shape == (361, 5))
    assert faces.phase is Phase.IDLE


def test_other_seed_fits_anew_and_other_iterations_do_not(faces: Session) -> None:
    first = faces.basis.pinned
    faces.settings.set_choice(faces.settings.choice.with_params(max_iter=77, method="ahals"))
    assert not faces.warm_fit.is_coming
    faces.settings.set_choice(faces.settings.choice.with_params(seed=5))
    wait_until(lambda: faces.basis.pinned is not first)
    assert not np.allclose(first.W, faces.basis.pinned.W)


def test_rank_above_the_limit_keeps_the_basis_and_run_says_why(session: Session, pictures: Path) -> None:
    session.settings.set_choice(RunSettings().with_params(rank=3))
    session.open(pictures)
    wait_until(lambda: session.basis.pinned is not None)
    heard = Listener(session, "failed")
    kept = session.basis.pinned
    session.settings.set_choice(session.settings.choice.with_params(rank=40))
    wait_until(lambda: not session.warm_fit._rest.isActive())
    assert heard["failed"] == []
    assert session.basis.pinned is kept
    session.run()
    [(sentence, _)] = heard["failed"]
    assert "40" in sentence
    assert "6" in sentence
    assert "\n" not in sentence
    assert session.phase is Phase.IDLE


def test_guessed_layout_is_asked_for_first(session: Session, ambiguous: Path) -> None:
    heard = Listener(session, "loader.layoutNeeded", "datasetChanged", "loader.previewReady")
    session.settings.set_choice(RunSettings().with_params(rank=3))
    session.open(ambiguous)
    wait_until(lambda: heard["layoutNeeded"])
    [found] = heard["layoutNeeded"]
    assert found.is_guess
    assert session.dataset is None
    assert heard["datasetChanged"] == []
    options = LoadOptions(image_shape=(4, 9), order="F", images_in="columns")
    session.loader.preview(ambiguous, options)
    wait_until(lambda: heard["previewReady"])
    [preview] = heard["previewReady"]
    assert preview.found.image_shape == (4, 9)
    assert preview.images.shape[1:] == (4, 9)
    session.open(ambiguous, options)
    wait_until(lambda: session.dataset is not None)
    assert session.dataset.image_shape == (4, 9)
    assert session.dataset.order == "F"


def test_preview_that_cannot_be_says_why(session: Session, ambiguous: Path) -> None:
    heard = Listener(session, "loader.previewReady", "failed", "loader.loadFailed")
    session.loader.preview(ambiguous, LoadOptions(image_shape=(5, 5), images_in="columns"))
    wait_until(lambda: heard["previewReady"])
    [preview] = heard["previewReady"]
    assert preview.found is None
    assert "25 pixels" in preview.error
    assert heard["failed"] == heard["loadFailed"] == []


def test_only_the_newest_preview_is_told(session: Session, ambiguous: Path) -> None:
    heard = Listener(session, "loader.previewReady")
    for shape in ((2, 18), (3, 12), (6, 6), (9, 4)):
        session.loader.preview(ambiguous, LoadOptions(image_shape=shape, images_in="columns"))
    wait_until(lambda: heard["previewReady"])
    settle()
    assert [preview.found.image_shape for preview in heard["previewReady"]] == [(9, 4)]


def test_preview_under_way_is_dropped_when_another_is_asked_for(
    session: Session, ambiguous: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun, go_on = readers.peek, threading.Event(), {(2, 18): threading.Event(), (9, 4): threading.Event()}

    def slow(path, options):
        begun.set()
        go_on[options.image_shape].wait(60)
        return real(path, options)

    monkeypatch.setattr(readers, "peek", slow)
    heard = Listener(session, "loader.previewReady")
    session.loader.preview(ambiguous, LoadOptions(image_shape=(2, 18), images_in="columns"))
    wait_until(begun.is_set)
    begun.clear()
    session.loader.preview(ambiguous, LoadOptions(image_shape=(9, 4), images_in="columns"))
    go_on[2, 18].set()
    wait_until(begun.is_set)  # the first one has been answered, the second one is being looked at
    for _ in range(3):
        session.poll()
    assert heard["previewReady"] == []
    go_on[9, 4].set()
    wait_until(lambda: heard["previewReady"])
    assert [preview.found.image_shape for preview in heard["previewReady"]] == [(9, 4)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.npy", None),
        ("words.npy", b"these are words"),
        ("empty.mat", b""),
        ("cut.npz", b"PK\x03\x04 and no more"),
    ],
)
def test_what_cannot_be_opened_is_told_in_a_sentence(
    session: Session, tmp_path: Path, name: str, content: bytes | None
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    heard = Listener(session, "loader.loadFailed", "failed", "datasetChanged")
    session.open(path)
    wait_until(lambda: heard["loadFailed"])
    [(where, sentence, details)] = heard["loadFailed"]
    assert where == path
    assert name in sentence
    assert "\n" not in sentence
    assert details == "", "a refusal, which needs no report"
    assert heard["failed"] == heard["datasetChanged"] == []
    assert session.phase is Phase.EMPTY
    assert not session.loader.is_loading


def test_data_set_stays_when_another_one_cannot_be_opened(faces: Session, tmp_path: Path) -> None:
    data, pinned = faces.dataset, faces.basis.pinned
    heard = Listener(faces, "loader.loadFailed")
    faces.open(tmp_path / "missing")
    wait_until(lambda: heard["loadFailed"])
    assert faces.dataset is data
    assert faces.basis.pinned is pinned
    assert faces.phase is Phase.IDLE


def test_data_set_that_is_opened_next_replaces_the_one_being_read(
    session: Session, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun = readers.load_dataset, threading.Event()

    def slow(path, options, *, progress, cancelled):
        if path == pictures:
            begun.set()
            while not cancelled():  # and then answers all the same, as a reader may that does not look again
                time.sleep(0.001)
            return real(path, options)
        return real(path, options, progress=progress, cancelled=cancelled)

    monkeypatch.setattr(readers, "load_dataset", slow)
    heard = Listener(session, "datasetChanged", "loader.loadFailed", "failed")
    session.settings.set_choice(RunSettings().with_params(rank=4))
    session.open(pictures)
    wait_until(begun.is_set)
    session.open(sample_path("swimmer"))
    wait_until(lambda: session.basis.pinned is not None)
    assert [data.name for data in heard["datasetChanged"]] == ["swimmer.npz"]
    assert heard["loadFailed"] == heard["failed"] == []
    assert not session.loader.is_loading


def test_opening_can_be_cancelled_between_images(
    session: Session, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun = readers.load_dataset, threading.Event()

    def slow(path, options, *, progress, cancelled):
        progress(2, 6)
        begun.set()
        while not cancelled():
            time.sleep(0.001)
        return real(path, options, progress=progress, cancelled=cancelled)

    monkeypatch.setattr(readers, "load_dataset", slow)
    heard = Listener(session, "datasetChanged", "loader.loadFailed", "failed", "activity.changed", "logged")
    session.open(pictures)
    wait_until(begun.is_set)
    wait_until(lambda: "opening pictures: 2 of 6 images" in heard["changed"])
    assert session.loader.is_loading
    session.cancel()
    wait_until(lambda: not session.loader.is_loading)
    assert heard["datasetChanged"] == heard["loadFailed"] == heard["failed"] == []
    assert heard["changed"][-1] == ""
    assert heard["logged"] == ["pictures: opening cancelled."]
    assert session.dataset is None


def test_closing_while_a_data_set_is_being_read_ends_the_reading(
    session: Session, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def slow(path, options, *, progress, cancelled):
        begun.set()
        while not cancelled():
            time.sleep(0.001)
        ended.set()
        raise DatasetError("nobody hears this")

    monkeypatch.setattr(readers, "load_dataset", slow)
    session.open(pictures)
    wait_until(begun.is_set)
    assert session.close()
    assert ended.is_set()


def test_other_data_drop_runs_and_basis_of_the_former(faces: Session) -> None:
    faces.settings.set_choice(faces.settings.choice.with_params(max_iter=3))
    faces.run()
    wait_until(lambda: faces.runs.entries)
    faces.display.select(2)
    heard = Listener(faces, "runs.changed", "display.selectionChanged", "course.recordsReset", "display.shownChanged")
    faces.open(sample_path("swimmer"))
    wait_until(lambda: faces.dataset.image_shape == (32, 32))
    assert faces.runs.entries == ()
    assert heard["changed"][0] == ((), -1)
    assert heard["selectionChanged"] == [-1]
    assert heard["recordsReset"][0] == ()
    assert heard["shownChanged"][0] is None
    wait_until(lambda: faces.basis.pinned is not None)
    assert faces.basis.pinned.W.shape[0] == 1024


def test_no_data_set_is_opened_over_a_run(faces: Session) -> None:
    data = faces.dataset
    faces.settings.set_choice(faces.settings.choice.with_params(max_iter=10**6, tol=0.0))
    faces.run()
    heard = Listener(faces, "failed", "datasetChanged")
    faces.open(sample_path("swimmer"))
    assert heard["failed"] == [("A run is going on; cancel it before you open another data set.", "")]
    assert faces.dataset is data
    assert not faces.loader.is_loading
    faces.cancel()
    wait_until(lambda: faces.phase is Phase.IDLE)


def test_run_that_is_started_while_a_data_set_is_read_keeps_its_data(
    faces: Session, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, go_on = readers.load_dataset, threading.Event()

    def slow(path, options, *, progress, cancelled):
        go_on.wait(60)
        return real(path, options)

    monkeypatch.setattr(readers, "load_dataset", slow)
    data = faces.dataset
    faces.settings.set_choice(faces.settings.choice.with_params(max_iter=10**6, tol=0.0))
    faces.open(pictures)
    faces.run()
    heard = Listener(faces, "datasetChanged", "logged")
    go_on.set()
    wait_until(lambda: heard["logged"])
    assert "pictures is not shown" in heard["logged"][0]
    assert heard["datasetChanged"] == []
    assert faces.dataset is data
    faces.cancel()
    wait_until(lambda: faces.phase is Phase.IDLE)
