"""LatestOnly: the newest wins, the last is always answered, nothing stale comes back."""

import threading

import pytest

from gsp_studio.engine.latest import InOrder, LatestOnly

PATIENCE = 60


def wait_for(condition):
    tick = threading.Event()
    for _ in range(PATIENCE * 1000):
        value = condition()
        if value:
            return value
        tick.wait(0.001)
    raise AssertionError("nothing came")


@pytest.fixture
def gate():
    """A function that starts when let in: (worker, entered, let)."""
    entered, let = threading.Semaphore(0), threading.Semaphore(0)

    def work(request):
        entered.release()
        assert let.acquire(timeout=PATIENCE)
        if request == "bad":
            raise ValueError("bad request")
        return request * 2

    worker = LatestOnly(work)
    yield worker, entered, let
    for _ in range(100):
        let.release()
    assert worker.close(PATIENCE)


def test_waiting_requests_are_replaced_and_the_last_is_answered(gate):
    worker, entered, let = gate
    worker.submit(1)
    assert entered.acquire(timeout=PATIENCE)
    for request in range(2, 50):
        last = worker.submit(request)
    let.release()
    first = wait_for(worker.poll)
    assert (first.request, first.value) == (1, 2)
    let.release()
    answer = wait_for(worker.poll)
    assert (answer.generation, answer.request, answer.value) == (last, 49, 98)
    assert worker.poll() is None
    assert not worker.is_busy


def test_discard_drops_what_is_under_way(gate):
    worker, entered, let = gate
    worker.submit(1)
    assert entered.acquire(timeout=PATIENCE)
    worker.discard()
    let.release()
    wait_for(lambda: not worker.is_busy)
    assert worker.poll() is None
    worker.submit(5)
    let.release()
    assert wait_for(worker.poll).value == 10


def test_it_is_busy_until_the_answer_is_fetched(gate):
    worker, _, let = gate
    assert not worker.is_busy
    worker.submit(1)
    assert worker.is_busy
    let.release()
    wait_for(lambda: worker._answers)
    assert worker.is_busy
    assert wait_for(worker.poll).value == 2
    assert not worker.is_busy


def test_an_error_comes_back_and_the_worker_lives_on(gate):
    worker, _, let = gate
    worker.submit("bad")
    let.release()
    answer = wait_for(worker.poll)
    assert answer.value is None
    assert str(answer.error) == "bad request"
    worker.submit(2)
    let.release()
    assert wait_for(worker.poll).value == 4


def test_close_ends_the_thread_and_refuses_more():
    worker = LatestOnly(lambda request: request)
    assert worker.close(PATIENCE)
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(1)


def test_in_order_answers_each_and_closing_finishes_those_that_wait():
    done, told = [], []
    worker = InOrder(lambda request: done.append(request) or request * 2, notify=lambda: told.append(1))
    for request in range(20):
        worker.submit(request)
    wait_for(lambda: len(done) == 20)
    wait_for(lambda: len(worker._answers) == 20)
    assert [worker.poll().value for _ in range(20)] == [2 * request for request in range(20)]
    assert len(told) == 20
    entered, let = threading.Event(), threading.Event()
    worker.submit(20)
    slow = InOrder(lambda request: (entered.set(), let.wait(PATIENCE), done.append(request)))
    for request in range(21, 25):
        slow.submit(request)
    assert entered.wait(PATIENCE)
    let.set()
    assert worker.close(PATIENCE)
    assert slow.close(PATIENCE)
    assert sorted(done) == list(range(25))


def test_no_notification_follows_close():
    entered, let, told = threading.Event(), threading.Event(), []
    worker = LatestOnly(lambda request: (entered.set(), let.wait(PATIENCE)), notify=lambda: told.append(1))
    worker.submit(1)
    assert entered.wait(PATIENCE)
    assert not worker.close(0)
    let.set()
    assert worker.close(PATIENCE)
    assert not told
