"""Job: the newest request wins or all in their order, nothing stale or late is told, closing at any time is safe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import shiboken6
from handling import Listener, settle, threads_of_sessions, wait_until
from PySide6.QtCore import QObject, QThread

from gsp_studio.gui.jobs.job import Job

PATIENCE = 60


class Gate:
    """A function that starts when let in."""

    def __init__(self) -> None:
        self.entered, self.let = threading.Semaphore(0), threading.Semaphore(0)
        self.done: list[object] = []
        self.job: Job[object, object] | None = None
        self.was_superseded = False

    def work(self, request: object) -> object:
        self.entered.release()
        assert self.let.acquire(timeout=PATIENCE)
        self.was_superseded = self.job is not None and self.job.is_superseded
        if request == "bad":
            raise ValueError("bad request")
        self.done.append(request)
        return (request, threading.current_thread().name)

    def enter(self) -> None:
        assert self.entered.acquire(timeout=PATIENCE)

    def open(self) -> None:
        for _ in range(100):
            self.let.release()


@pytest.fixture
def parent(app: object) -> Iterator[QObject]:
    made = QObject()
    yield made
    if shiboken6.isValid(made):
        shiboken6.delete(made)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open()
    for thread in threading.enumerate():
        if thread.name == "gsp-test":
            thread.join(PATIENCE)
    assert not threads_of_sessions()


@pytest.fixture
def make(parent: QObject, gate: Gate) -> Iterator[Callable[..., tuple[Job[object, object], Listener]]]:
    made = []

    def make(**options: bool) -> tuple[Job[object, object], Listener]:
        gate.job = job = Job(gate.work, "gsp-test", parent, **options)
        made.append(job)
        return job, Listener(job, "answered", "failed", "raised", "progressed")

    yield make
    gate.open()
    for job in made:
        if shiboken6.isValid(job):
            assert job.close(PATIENCE)


def requests_of(heard: Listener) -> list[object]:
    return [request for request, _ in heard["answered"]]


def test_of_those_that_wait_the_newest_wins(make: Callable, gate: Gate) -> None:
    job, heard = make()
    job.submit(0)
    gate.enter()
    for request in range(1, 40):
        job.submit(request)
    gate.open()
    wait_until(lambda: not job.is_busy)
    assert gate.done == [0, 39]
    assert requests_of(heard)[-1] == 39


def test_in_order_every_request_is_answered_in_its_turn(make: Callable, gate: Gate) -> None:
    job, heard = make(in_order=True)
    for request in (1, "bad", 2, 3):
        job.submit(request)
    gate.open()
    wait_until(lambda: not job.is_busy)
    assert requests_of(heard) == [1, 2, 3]
    assert gate.done == [1, 2, 3]
    assert [sentence for sentence, _ in heard["failed"]] == ["bad request"]


def test_answers_are_told_on_the_gui_thread(make: Callable, gate: Gate, app: object) -> None:
    job, heard = make()
    threads: list[object] = []
    job.answered.connect(lambda *_: threads.append(QThread.currentThread()))
    job.submit(1)
    gate.open()
    wait_until(lambda: threads)
    assert heard["answered"] == [(1, (1, "gsp-test"))]
    assert threads == [app.thread()]


def test_an_answer_that_was_discarded_under_way_is_not_told(make: Callable, gate: Gate) -> None:
    job, heard = make()
    job.submit(1)
    gate.enter()
    job.discard()
    gate.open()
    wait_until(lambda: not job.is_busy)
    settle()
    assert gate.done == [1]
    assert gate.was_superseded
    assert heard.is_silent


def test_an_answer_that_was_discarded_with_its_notification_under_way_is_not_told(make: Callable, gate: Gate) -> None:
    job, heard = make()
    gate.open()
    job.submit(1)
    wait_for_answer(job)  # without processing events: the notification lies in the queue
    job.discard()
    job.submit(2)
    wait_until(lambda: heard["answered"])
    settle()
    assert requests_of(heard) == [2]


def test_an_error_is_a_sentence_and_the_job_lives_on(make: Callable, gate: Gate) -> None:
    job, heard = make()
    gate.open()
    job.submit("bad")
    wait_until(lambda: heard["failed"])
    [(sentence, details)] = heard["failed"]
    assert sentence == "bad request"
    assert "Traceback" in details
    [(request, error)] = heard["raised"]
    assert request == "bad"
    assert isinstance(error, ValueError)
    job.submit(2)
    wait_until(lambda: heard["answered"])
    assert requests_of(heard) == [2]


def test_a_listener_that_discards_hears_nothing_more(make: Callable, gate: Gate) -> None:
    job, heard = make(in_order=True)
    job.answered.connect(lambda *_: job.discard())
    gate.open()
    for request in range(5):
        job.submit(request)
    wait_for_idle(job)
    settle()
    assert requests_of(heard) == [0]


def test_a_thread_starts_with_the_first_request(make: Callable, gate: Gate) -> None:
    job, _ = make()
    assert not threads_of_sessions()
    job.submit(1)
    assert threads_of_sessions() == {"gsp-test"}


def test_closed_while_it_works_it_tells_nothing(make: Callable, gate: Gate) -> None:
    job, heard = make()
    job.submit(1)
    gate.enter()
    job.submit(2)
    assert not job.close(0.0), "what is under way has not ended"
    gate.open()
    assert job.close(PATIENCE)
    settle()
    assert gate.done == [1]
    assert heard.is_silent


def test_closed_with_an_answer_under_way_it_tells_nothing(make: Callable, gate: Gate) -> None:
    job, heard = make()
    gate.open()
    job.submit(1)
    wait_for_answer(job)
    assert job.close(PATIENCE)
    settle()
    assert heard.is_silent


def test_in_order_closing_finishes_what_waits(make: Callable, gate: Gate) -> None:
    job, heard = make(in_order=True)
    for request in range(4):
        job.submit(request)
    gate.open()
    assert job.close(PATIENCE)
    settle()
    assert gate.done == [0, 1, 2, 3]
    assert heard.is_silent


def test_deleted_while_it_works_it_emits_nothing(make: Callable, gate: Gate, parent: QObject) -> None:
    job, heard = make()
    job.submit(1)
    gate.enter()
    shiboken6.delete(parent)  # and with it the job, which was not closed
    assert not shiboken6.isValid(job)
    gate.open()
    for thread in threading.enumerate():
        if thread.name == "gsp-test":
            thread.join(PATIENCE)
    settle()
    assert gate.done == [1]
    assert heard.is_silent
    assert not threads_of_sessions()


def test_progress_is_told_a_few_times_however_often_it_is_reported(parent: QObject) -> None:
    def work(request: int) -> int:
        for _ in range(request):
            job.report()
        return request

    job: Job[int, int] = Job(work, "gsp-test", parent)
    heard = Listener(job, "answered", "progressed")
    job.submit(20_000)
    wait_until(lambda: heard["answered"])
    assert 1 <= len(heard["progressed"]) < 20_000 / 10
    assert job.close(PATIENCE)


def test_progress_that_follows_at_once_is_told_before_the_answer(parent: QObject) -> None:
    known, go_on = [], threading.Event()

    def work(request: int) -> None:
        for k in range(request):
            known.append(k)
            job.report()
        go_on.wait(PATIENCE)

    job: Job[int, None] = Job(work, "gsp-test", parent)
    seen: list[int] = []
    job.progressed.connect(lambda: seen.append(len(known)))
    job.submit(50)
    wait_until(lambda: seen and seen[-1] == 50)
    go_on.set()
    assert job.close(PATIENCE)


def wait_for_answer(job: Job) -> None:
    tick = threading.Event()
    for _ in range(PATIENCE * 1000):
        if job._worker._answers:
            return
        tick.wait(0.001)
    raise AssertionError("nothing came")


def wait_for_idle(job: Job) -> None:
    tick = threading.Event()
    for _ in range(PATIENCE * 1000):
        if not job._worker._waiting and not job._worker._working:
            return
        tick.wait(0.001)
    raise AssertionError("it goes on")
