"""The tour: five hints beside what they are about, over a window that goes on working, shown once."""

from __future__ import annotations

from handling import open_faces, settle, tile_centre, wait_until
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from gsp_studio.gui.state import Phase
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.gui.window.tour import Tour, hints_of
from gsp_studio.nouns import IMAGES

LEFT = Qt.MouseButton.LeftButton


def started(window: MainWindow) -> Tour:
    window.take_tour()
    settle()
    assert window.tour is not None
    return window.tour


def test_five_hints_at_most_lie_in_the_window_and_cover_no_matter(window: MainWindow) -> None:
    tour = started(window)
    hints = hints_of(window.open_button, window.run, window.sparsity.slider, window.montage, window.centre.bar, IMAGES)
    assert len(hints) <= 5
    places = set()
    for k, hint in enumerate(hints):
        assert tour.index == k
        assert hint.title in [text.text() for text in tour.findChildren(QLabel)]
        assert window.rect().contains(tour.geometry())
        about = hint.about()
        assert tour._ring.geometry().contains(QRect(about.mapTo(window, QPoint(0, 0)), about.size()))
        assert not tour.geometry().intersects(QRect(about.mapTo(window, QPoint(0, 0)), about.size()))
        places.add(QRect(tour.next.mapTo(window, QPoint(0, 0)), tour.next.size()).getRect())
        QTest.mouseClick(tour.next, LEFT)
        settle()
    assert len(places) == 1, "the buttons stay under the pointer"
    assert window.tour is None


def test_it_is_offered_once(window: MainWindow) -> None:
    window.offer_tour()
    assert window.tour is not None
    QTest.mouseClick(window.tour.leave, LEFT)
    settle()
    assert window.tour is None
    window.offer_tour()
    assert window.tour is None
    window.take_tour()  # from the menu it can be taken again
    assert window.tour is not None
    window.tour.end()


def test_keys_go_through_it_and_esc_leaves(window: MainWindow) -> None:
    tour = started(window)
    key = Qt.Key
    for pressed, index in ((key.Key_Right, 1), (key.Key_Return, 2), (key.Key_Left, 1), (key.Key_Left, 0)):
        QTest.keyClick(QApplication.focusWidget(), pressed)
        assert tour.index == index
    QTest.keyClick(QApplication.focusWidget(), key.Key_Escape)
    settle()
    assert window.tour is None
    assert QApplication.focusWidget() is not None or not window.montage.view.isVisible()


def test_esc_leaves_from_anywhere_and_a_run_is_cancelled_first(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    session.settings.set_choice(session.settings.choice.with_params(max_iter=10**6, tol=0.0))
    started(window)
    QTest.mouseClick(window.run.run, LEFT)
    wait_until(lambda: len(session.course.records) > 2)
    window.montage.view.setFocus()
    QTest.keyClick(window.montage.view, Qt.Key.Key_Escape)
    wait_until(lambda: session.phase is Phase.IDLE and not session.can_cancel)
    assert window.tour is not None
    QTest.keyClick(window.montage.view, Qt.Key.Key_Escape)
    assert window.tour is None


def test_the_window_works_below_it_and_it_follows_the_size(faces_window: MainWindow) -> None:
    window = faces_window
    tour = started(window)
    tour.show_hint(2)
    view = window.montage.view
    QTest.mouseClick(view.viewport(), LEFT, pos=tile_centre(view, 0).toPoint())
    assert window.session.display.selected == int(window.session.display.shown.order[0])
    window.resize(1250, 760)
    settle()
    assert window.rect().contains(tour.geometry())
    tour.end()


def test_it_goes_on_when_images_are_opened_and_names_a_key_for_each_view(window: MainWindow) -> None:
    tour = started(window)
    QTest.keyClick(tour, Qt.Key.Key_Right)
    QTest.keyClick(tour, Qt.Key.Key_Left)
    window.open_button.setFocus()
    open_faces(window.session)
    settle()
    assert tour.index == 1
    assert window.open_button.hasFocus(), "keys are typed into what had them"
    open_faces(window.session)
    settle()
    assert tour.index == 1
    for _ in range(3):
        QTest.mouseClick(tour.next, LEFT)
    assert f"keys 1 to {window.centre.bar.count()}" in tour._text.text()
    tour.end()
