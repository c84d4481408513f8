"""Parts of a session alone: each keeps its piece of the state and tells of it, with no session and no other part."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import fakes
import pytest
from handling import Listener
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from gsp_studio.gui.session.activity import Activity
from gsp_studio.gui.session.course import Course
from gsp_studio.gui.session.display import Display
from gsp_studio.gui.session.exports import Exports
from gsp_studio.gui.session.run_list import RunList
from gsp_studio.gui.session.settings import Settings
from gsp_studio.gui.state import RunSettings, View
from gsp_studio.io.annotations import Annotations


@pytest.fixture
def owner(app: QApplication) -> QObject:
    return QObject()


def test_only_basis_images_that_are_on_the_screen_are_selected(owner: QObject) -> None:
    display = Display(owner)
    heard = Listener(display, "selectionChanged", "markedChanged", "edited")
    display.mark((2, 1))
    assert display.marked == ()
    display.show(fakes.shown(fakes.dataset(), 5))
    display.mark((2, 7, 4, -1))
    assert (display.marked, display.selected) == ((2, 4), 4)
    display.move_marks((1,))
    assert heard["markedChanged"] == [(), (2, 4), (1,)]
    assert heard["selectionChanged"] == [-1, 4, 1]
    assert heard["edited"] == ["selection", "selection"], "that numbers change is no step of the user's"
    display.set_view(View())
    assert heard["edited"] == ["selection", "selection"], "nothing has changed"


def test_a_glimpse_goes_with_the_next_basis(owner: QObject) -> None:
    display, data = Display(owner), fakes.dataset()
    heard = Listener(display, "shownChanged", "glimpseChanged")
    glimpse = SimpleNamespace()
    display.show_glimpse(glimpse)  # type: ignore[arg-type]
    assert display.glimpse is glimpse
    shown = fakes.shown(data)
    display.show(shown)
    assert display.glimpse is None
    assert (heard["glimpseChanged"], heard["shownChanged"]) == ([glimpse], [shown])


def test_settings_are_told_before_what_follows_from_them(owner: QObject) -> None:
    settings = Settings(owner)
    order: list[str] = []
    settings.choiceChanged.connect(lambda choice: order.append(f"show {choice.params.rank}, {choice.params.sparsity}"))
    settings.choiceSet.connect(
        lambda before, choice: order.append(f"from {before.params.rank} to {choice.params.rank}")
    )
    settings.targetsSet.connect(lambda: order.append(f"project to {settings.params.sparsity}"))
    settings.set_choice(RunSettings().with_params(rank=5, sparsity=0.5))
    settings.set_choice(RunSettings().with_params(rank=5, sparsity=0.5))
    settings.set_sparsity(0.75)
    settings.step_sparsity(0.5)
    settings.take(RunSettings().with_params(rank=3, sparsity=0.5))
    assert order == [
        "show 5, 0.5",
        "from 49 to 5",
        "show 5, 0.75",
        "project to 0.75",
        "show 5, 1.0",
        "project to 1.0",
        "show 3, 0.5",
    ]


def test_while_a_run_is_going_on_only_its_targets_change(owner: QObject) -> None:
    settings = Settings(owner)
    settings.is_fixed = True
    settings.set_choice(RunSettings().with_params(rank=5))
    assert settings.choice == RunSettings()
    settings.set_targets(0.5, 0.25)
    assert settings.choice == RunSettings().with_params(sparsity=0.5, sparsity_h=0.25)


def test_a_new_data_set_bounds_the_rank_and_drops_the_weights(owner: QObject) -> None:
    settings, data = Settings(owner), fakes.dataset(4, 3, 7)
    settings.set_weights(data.X[:, 0])
    settings.begin_anew(data)
    assert (settings.params.rank, settings.weights) == (3, None)


def test_runs_are_numbered_on_and_found_again(owner: QObject) -> None:
    runs, data = RunList(owner), fakes.dataset()
    heard = Listener(runs, "changed", "noted")
    assert (runs.next_number, runs.current, runs.at(0)) == (1, None, None)
    first, third = fakes.run_entry(1, data), fakes.run_entry(3, data)
    runs.take((first,))
    runs.show(runs.append(third))
    assert heard["changed"] == [((first,), -1), ((first, third), 1)]
    assert (runs.current, runs.next_number) == (third, 4)
    assert runs.records_of(3) == third.records
    assert runs.records_of(2) == ()
    runs.remark(0, Annotations(name="mine"))
    runs.remark(0, Annotations(name="mine"))
    runs.remark(5, Annotations(name="none"))
    assert [entry.name for entry in heard["noted"]] == ["mine"]
    runs.judge((2,), accept=True)
    assert runs.entries[1].remarks.accepted == {2}
    runs.show(-1)
    runs.judge((2,), accept=False)
    assert not runs.can_judge((2,))
    assert runs.entries[1].remarks.rejected == set()


def test_stability_is_kept_with_the_run_as_it_is_now(owner: QObject) -> None:
    runs, entry = RunList(owner), fakes.run_entry(1, fakes.dataset())
    runs.take((entry,))
    runs.show(0)
    runs.remark(0, Annotations(note="written while it was looked for"))
    heard = Listener(runs, "stabilityFound", "stabilityChanged")
    found = SimpleNamespace()
    kept = runs.keep_stability(entry, found)  # type: ignore[arg-type]
    assert kept == runs.current
    assert (kept.remarks.note, kept.stability) == ("written while it was looked for", found)
    assert heard["stabilityFound"] == heard["stabilityChanged"] == [kept]
    runs.show(-1)
    assert heard["stabilityChanged"][1:] == [None]


def test_a_course_begins_empty_and_grows(owner: QObject) -> None:
    course, entry = Course(owner), fakes.run_entry(1, fakes.dataset())
    heard = Listener(course, "recordsReset", "recordsAdded", "originChanged", "marksChanged")
    course.show(1, entry.records, entry.marks, ())
    course.begin(2, entry.records)
    records = [fakes.record(1), fakes.record(2), fakes.record(3)]  # their NaN is equal to itself alone
    course.add((records[0],))
    course.add((records[1], records[2]))
    assert course.records == records
    assert heard["recordsReset"] == [entry.records, ()]
    assert heard["originChanged"] == [(), entry.records]
    assert [len(part) for part in heard["recordsAdded"]] == [1, 2]
    assert heard["marksChanged"] == []


def test_compilation_goes_before_what_is_being_done(owner: QObject) -> None:
    activity = Activity(owner)
    heard = Listener(activity, "changed")
    activity.set("opening faces")
    activity.set_compiling(True)
    activity.set("fitting")
    activity.set_compiling(False)
    activity.set("fitting")
    activity.set("")
    assert heard["changed"] == ["opening faces", "compiling the solvers, which is done once", "fitting", ""]


def test_there_is_nothing_to_export_without_a_run(owner: QObject) -> None:
    exports = Exports(owner)
    heard = Listener(exports, "failed", "exported")
    exports.set_dataset(fakes.dataset())
    exports.export("anywhere", None)
    assert heard["failed"] == [("There is no run to export yet; press Run first.", "")]
    assert exports.text_of("python", None) == ""
    assert "pictures" not in exports.extras
    assert exports.close(10.0)


def test_remarks_of_other_runs_stay(owner: QObject) -> None:
    runs, data = RunList(owner), fakes.dataset()
    first, second = fakes.run_entry(1, data), fakes.run_entry(2, data)
    runs.take((first, replace(second, remarks=Annotations(name="other"))))
    runs.remark(0, Annotations(name="mine"))
    assert [entry.name for entry in runs.entries] == ["mine", "other"]
