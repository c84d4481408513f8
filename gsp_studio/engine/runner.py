"""Runs one solver: blocking for the command line, in its own thread for the app.

Every request (pause, cancel, steer) returns at once and takes effect at the next iteration's boundary. Nothing is
sent to the watcher: `poll` swaps out what has gathered since, so a fast solver cannot flood a slow window. A run is
repeatable: the parameters that it took, and after which iteration, are in its outcome.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence

from gsp_studio.backends import Backend, get_backend
from gsp_studio.core.nmf import (
    Iterate,
    Params,
    Result,
    Stop,
    better,
    check_params,
    history_of,
    iterate,
    result_of,
)
from gsp_studio.engine.run import FinishReason, Intervention, Outcome, Poll, Record, RunSpec, RunState


class Runner:
    """One run of `spec`, from READY to FINISHED or FAILED. Used once.

    Parameters
    ----------
    spec : RunSpec
    replay : sequence of Intervention, optional
        Parameters to take after given iterations, as a former run's outcome recorded them.
    """

    def __init__(self, spec: RunSpec, replay: Sequence[Intervention] = ()) -> None:
        self.spec = spec
        self._replay = {step.n_iter: step.params for step in replay}
        self._changed = threading.Condition()
        self._state = RunState.READY
        self._steering: Params | None = None
        self._pause = False
        self._cancel = False
        self._records: list[Record] = []
        self._latest: Iterate | None = None
        self._outcome: Outcome | None = None
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> RunState:
        """Where the run stands now."""
        return self._state

    def run(self, on_record: Callable[[Record], None] | None = None) -> Outcome:
        """Solve in the calling thread and return the outcome; `on_record` sees every iteration.

        A KeyboardInterrupt counts as `cancel`: the best iterate is kept. Other exceptions end in the outcome.
        """
        self._claim()
        return self._solve(on_record)

    def start(self) -> None:
        """Solve in a thread of its own."""
        self._claim()
        self._thread = threading.Thread(target=self._solve, args=(None,), name="gsp-solver", daemon=True)
        self._thread.start()

    def pause(self) -> None:
        """Wait at the next iteration's end until `resume` or `cancel`."""
        with self._changed:
            self._pause = True

    def resume(self) -> None:
        """Go on after `pause`."""
        with self._changed:
            self._pause = False
            if self._state is RunState.PAUSED:
                self._state = RunState.RUNNING
            self._changed.notify_all()

    def cancel(self) -> None:
        """Stop at the next iteration's end and keep the best iterate."""
        with self._changed:
            self._cancel = True
            if self._state in (RunState.RUNNING, RunState.PAUSED):
                self._state = RunState.CANCELLING
            self._changed.notify_all()

    def steer(self, params: Params) -> None:
        """Give the running solver new parameters from its next iteration on; the newest wins.

        Raises
        ------
        ValueError
            Parameters out of range, or another rank, seed or start.
        """
        check_params(params, *self.spec.X.shape)
        for name in ("rank", "seed"):
            if getattr(params, name) != getattr(self.spec.params, name):
                raise ValueError(f"{name} is fixed while a run goes on; it can be set for the next run")
        with self._changed:
            self._steering = params

    def poll(self) -> Poll:
        """What is new since the last poll. The outcome stays in every poll once the run has ended."""
        with self._changed:
            records, self._records = self._records, []
            latest, self._latest = self._latest, None
            return Poll(self._state, tuple(records), latest, self._outcome)

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread of `start`; True when the run has ended (or was never started)."""
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def _claim(self) -> None:
        with self._changed:
            if self._state is not RunState.READY:
                raise RuntimeError("a Runner runs once; make another one")
            self._state = RunState.RUNNING

    def _solve(self, on_record: Callable[[Record], None] | None) -> Outcome:
        outcome = _Solving(self, on_record).outcome()
        with self._changed:
            self._outcome = outcome
            self._state = RunState.FAILED if outcome.reason is FinishReason.FAILED else RunState.FINISHED
            self._changed.notify_all()
        return outcome

    def _publish(self, it: Iterate, record: Record) -> None:
        with self._changed:
            self._records.append(record)
            self._latest = it

    def _boundary(self, n_iter: int) -> tuple[bool, Params | None]:
        """Between two iterations: wait while paused; then whether to go on, and new parameters if there are any."""
        with self._changed:
            while self._pause and not self._cancel:
                self._state = RunState.PAUSED
                self._changed.wait()
            steering, self._steering = self._steering, None
            return not self._cancel, self._replay.get(n_iter, steering)


class _Solving:
    """The solver's side of a run: what it has gathered, in one thread."""

    def __init__(self, runner: Runner, on_record: Callable[[Record], None] | None) -> None:
        self.runner = runner
        self.on_record = on_record
        self.params = runner.spec.params
        self.best: Iterate | None = None
        self.rows: list[tuple[int, float, float, float, float]] = []
        self.interventions: list[Intervention] = []
        self.backend: Backend | None = None
        self.stop: Stop | None = None

    def outcome(self) -> Outcome:
        try:
            reason = self.iterations()
        except KeyboardInterrupt:
            reason = FinishReason.CANCELLED
        except Exception as error:  # the thread's edge: whatever happens must reach the user
            text = str(error) or type(error).__name__
            details = traceback.format_exc()
            return Outcome(self.result(), FinishReason.FAILED, tuple(self.interventions), text, details)
        return Outcome(self.result(), reason, tuple(self.interventions))

    def iterations(self) -> FinishReason:
        spec = self.runner.spec
        self.backend = get_backend(spec.backend, spec.threads)
        solver = iterate(spec.X, self.params, self.backend, spec.mask)
        it = next(solver)
        while True:
            record = Record(it.n_iter, it.error, it.sparsity, it.target, it.seconds)
            self.best = better(it, self.best)
            self.rows.append((it.n_iter, it.error, it.sparsity, it.target, it.seconds))
            self.runner._publish(it, record)
            if self.on_record is not None:
                self.on_record(record)
            go_on, steering = self.runner._boundary(it.n_iter)
            if not go_on:
                return FinishReason.CANCELLED
            try:
                if steering is None or steering is self.params:
                    it = next(solver)
                else:
                    self.interventions.append(Intervention(it.n_iter, steering))
                    self.params = steering
                    it = solver.send(steering)
            except StopIteration as end:
                self.stop = end.value
                return FinishReason(self.stop.value)

    def result(self) -> Result | None:
        if self.best is None or self.backend is None:
            return None
        return result_of(self.best, history_of(self.rows), self.params, self.backend, self.stop)
