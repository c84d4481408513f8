"""Runs one solver: blocking for the command line, in its own thread for the app.

Every request (pause, cancel, steer) returns at once and takes effect at the next iteration's boundary. Nothing is
sent to the watcher: `poll` swaps out what has gathered since, so a fast solver cannot flood a slow window. A run is
repeatable: what it took, and after which iteration, is in its outcome.
"""

from __future__ import annotations

import gc
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gsp_studio.backends import Backend, OutOfDeviceMemory
from gsp_studio.backends.backend import is_out_of_core
from gsp_studio.backends.blocks import Interrupted
from gsp_studio.backends.data_access import keeps_coefficients, watched
from gsp_studio.core.distributed.protocol import ClusterError
from gsp_studio.core.edits import check_edit, difference, edited_params, text_of
from gsp_studio.core.matrix import backend_for
from gsp_studio.core.nmf import Best, Edit, Iterate, Params, Record, Result, Stop, iterate, result_of
from gsp_studio.core.trials import is_further
from gsp_studio.core.validation import check_steering
from gsp_studio.engine.cluster import connect
from gsp_studio.engine.run import FinishReason, Intervention, Outcome, Poll, RunSpec, RunState
from gsp_studio.io.memory import require_memory
from gsp_studio.io.versions import versions_now

#: Coefficients on a cluster come here with the result up to so many bytes; larger ones stay there.
LARGEST_FETCHED = 1 << 30
#: While a run goes on, for what is kept beside it, up to so many.
LARGEST_GLANCE = 1 << 26
#: Matrices of coefficients that a run holds at once: the last, the best, the next and what is made of them.
_COPIES = 4


class Runner:
    """One run of `spec`, from READY to FINISHED or FAILED. Used once.

    Parameters
    ----------
    spec : RunSpec
    replay : sequence of Intervention, optional
        Changes to take after given iterations, as the outcome of a former run recorded them. Other changes wait
        until the last of these.
    """

    def __init__(self, spec: RunSpec, replay: Sequence[Intervention] = ()) -> None:
        self.spec = spec
        self.replay = tuple(replay)
        self._params = spec.params
        for step in replay:
            self._params = _after(step.change, self._params)
        self._changed = threading.Condition()
        self._state = RunState.READY
        self._asked: list[Params | Edit] = []
        self._pause = False
        self._cancel = False
        self._records: list[Record] = []
        self._taken: list[Intervention] = []
        self._latest: Iterate | None = None
        #: The iterate that polls were given last.
        self._published: Iterate | None = None
        self._outcome: Outcome | None = None
        self._thread: threading.Thread | None = None
        self._solving: _Solving | None = None

    @property
    def state(self) -> RunState:
        """State of the run now."""
        return self._state

    @property
    def params(self) -> Params:
        """Parameters in force once the solver has taken all changes."""
        return self._params

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
        """Stop at the next iteration's end, of streamed data at the next block, and keep the best iterate."""
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
        with self._changed:
            check_steering(params, self._params, *self.spec.X.shape)
            if self._asked and isinstance(self._asked[-1], Params):
                self._asked.pop()
            self._ask(params)

    def edit(self, edit: Edit) -> None:
        """Change the basis before the next iteration: `Kill`, `Split` or `Reseed` of `core.edits`.

        Raises
        ------
        ValueError
            The basis cannot be edited so.
        """
        with self._changed:
            check_edit(edit, self._params, *self.spec.X.shape)
            self._ask(edit)

    def _ask(self, change: Params | Edit) -> None:
        self._asked.append(change)
        self._params = _after(change, self._params)

    def poll(self) -> Poll:
        """Return the news since the last poll. The outcome stays in every poll once the run has ended."""
        with self._changed:
            records, self._records = self._records, []
            taken, self._taken = self._taken, []
            latest, self._latest = self._latest, None
            return Poll(self._state, tuple(records), latest, self._outcome, tuple(taken))

    def so_far(self) -> Outcome | None:
        """Outcome of the run if it were cancelled now, for a copy beside it; None before its first iteration."""
        solving = self._solving
        if self._outcome is not None or solving is None:
            return self._outcome
        try:
            outcome = solving.so_far()
        except (ClusterError, Interrupted):  # a worker is gone, or the run ends: there will be another time to ask
            return None
        return None if outcome.result is None else outcome

    @property
    def is_iterating(self) -> bool:
        """Whether an exception that is raised now ends the iterations, and no more than these."""
        return self._solving is not None and self._solving.is_iterating

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
        self._solving = solving = _Solving(self, on_record)
        outcome = solving.outcome()
        if solving.backend is not None and solving.backend.remote is not None:
            if outcome.is_out_of_memory:
                gc.collect()  # what was raised may hold the solver's arrays, in a circle
            solving.backend.remote.release()
        with self._changed:
            self._outcome = outcome
            self._state = RunState.FAILED if outcome.reason is FinishReason.FAILED else RunState.FINISHED
            self._changed.notify_all()
        return outcome

    def _publish(self, it: Iterate, record: Record) -> None:
        with self._changed:
            self._records.append(record)
            if it is self._published:
                return
            if self._thread is None and it.is_here and is_out_of_core(it.H):
                return  # without polls the workers would have to keep them
            # A device sends the next iterate when the last one was fetched, so no faster than polls come.
            if it.is_here or self._latest is None:
                it.send()
                self._latest = self._published = it

    def _boundary(self, n_iter: int) -> tuple[bool, list[Params | Edit]]:
        """Between two iterations: wait while paused; then whether to go on, and what to take."""
        with self._changed:
            while self._pause and not self._cancel:
                self._state = RunState.PAUSED
                self._changed.wait()
            changes = [step.change for step in self.replay if step.n_iter == n_iter]
            if all(step.n_iter <= n_iter for step in self.replay):
                changes, self._asked = [*changes, *self._asked], []
            return not self._cancel, changes

    def _tell(self, steps: list[Intervention]) -> None:
        with self._changed:
            self._taken += steps


def _after(change: Params | Edit, params: Params) -> Params:
    return change if isinstance(change, Params) else edited_params(change, params)


class _Solving:
    """The solver's side of a run: what it has gathered, in one thread."""

    def __init__(self, runner: Runner, on_record: Callable[[Record], None] | None) -> None:
        self.runner = runner
        self.on_record = on_record
        self.params = runner.spec.params
        self.best = Best(self.params)
        self.records: list[Record] = []
        self.interventions: list[Intervention] = []
        self.backend: Backend | None = None
        self.stop: Stop | None = None
        self._fetched: tuple[Iterate, Iterate] | None = None
        self.is_iterating = False

    def outcome(self) -> Outcome:
        try:
            self.is_iterating = True
            reason = self.iterations()
            self.is_iterating = False
        except (KeyboardInterrupt, Interrupted):
            self.is_iterating = False
            reason = FinishReason.CANCELLED
        except OutOfDeviceMemory as error:
            steps, text = tuple(self.interventions), str(error)
            return Outcome(
                self.result(), FinishReason.FAILED, steps, text, traceback.format_exc(), is_out_of_memory=True
            )
        except Exception as error:  # the thread's edge: whatever happens must reach the user
            text = str(error) or type(error).__name__
            details = traceback.format_exc()
            return self.ended(FinishReason.FAILED, text, details)
        return self.ended(reason)

    def ended(self, reason: FinishReason, text: str = "", details: str = "") -> Outcome:
        return Outcome(self.result(), reason, tuple(self.interventions), text, details, versions_now())

    def so_far(self) -> Outcome:
        """Outcome as if the run had been cancelled now, for another thread."""
        result = self.result(is_over=False)
        if result is not None and is_out_of_core(result.H):
            result = None  # there is too much of it for a copy beside
        return Outcome(result, FinishReason.CANCELLED, tuple(self.interventions), versions=versions_now())

    def iterations(self) -> FinishReason:
        spec = self.runner.spec
        X = self.placed()
        is_spread = keeps_coefficients(X)  # then what is left to do here is small
        self.backend = backend_for(self.params, "cpu" if is_spread else spec.backend, spec.threads)
        solver = iterate(X, self.params, self.backend, spec.mask)
        it, is_edited = next(solver), False
        while True:
            record = it.record
            self.records.append(record)
            self.best.see(it, self.params, is_edited)  # after its record: `so_far` asks in mid-run
            self.runner._publish(self.for_screen(it), record)
            if self.on_record is not None:
                self.on_record(record)
            go_on, changes = self.runner._boundary(it.n_iter)
            if not go_on:
                return FinishReason.CANCELLED
            changes = self.take(it.n_iter, changes)
            is_edited = any(not isinstance(change, Params) for change in changes)
            try:
                it = solver.send(changes or None)
            except StopIteration as end:
                self.stop = end.value
                return FinishReason(self.stop.value)

    def for_screen(self, it: Iterate) -> Iterate:
        """The newest iterate; of a further start only where it is better than what the run has found."""
        best = self.best.iterate
        return it if best is None or not is_further(it.trial) else best

    def placed(self) -> Any:
        """The data where they are computed with, watched where a pass takes long."""
        spec = self.runner.spec
        if spec.scheduler:
            for what, is_given in (("a mask", spec.mask is not None), ("held_out", spec.params.held_out != 0)):
                if is_given:
                    raise ValueError(f"{what} needs the images in memory; on a cluster they are on other machines")
            X = connect(spec.scheduler).spread(spec.X, spec.backend, lambda: self.runner._cancel)
            return X.watched(lambda: self.runner._cancel)
        if not keeps_coefficients(spec.X):
            n, rank = spec.X.shape[1], spec.params.rank
            require_memory(_COPIES * rank * n * spec.X.dtype.itemsize, f"a run of rank {rank} on {n} images")
        return watched(spec.X, lambda: self.runner._cancel)

    def take(self, n_iter: int, changes: list[Params | Edit]) -> list[Params | Edit]:
        """Note what the solver is about to be sent; parameters that are in force already are none."""
        steps = []
        for change in changes:
            if change == self.params:
                continue
            text = difference(change, self.params) if isinstance(change, Params) else text_of(change)
            steps.append(Intervention(n_iter, change, text))
            self.params = _after(change, self.params)
        self.interventions += steps
        self.runner._tell(steps)
        return [step.change for step in steps]

    def result(self, is_over: bool = True) -> Result | None:
        """The best iterate; of a cluster's with its coefficients here where there is room for them."""
        best, params = self.best.iterate, self.best.params
        if best is None or self.backend is None:
            return None
        is_spread = is_out_of_core(best.H)
        most = LARGEST_FETCHED if is_over else LARGEST_GLANCE
        iterate = self.fetched(best, is_over) if is_spread and best.H.nbytes <= most else best
        result = result_of(iterate, list(self.records), params, self.backend, self.stop)
        return replace(result, backend=best.H.device) if is_spread else result

    def fetched(self, iterate: Iterate, is_over: bool) -> Iterate:
        """The iterate with its coefficients here: from the workers, or fitted anew where these are gone for good."""
        if self._fetched is None or self._fetched[0] is not iterate:
            try:
                here = replace(iterate, H=np.asarray(iterate.H))
            except (ClusterError, Interrupted):
                if not is_over:
                    raise
                new, B, G, left = iterate.H.fitted_here(iterate.W.T)
                gram = replace(iterate.gram, A=B.T, G=G)
                here = replace(iterate, H=new, gram=gram, error=gram.relative(left))
            self._fetched = (iterate, here)
        return self._fetched[1]


def branch(
    spec: RunSpec, interventions: Sequence[Intervention], n_iter: int, change: Callable[[Params], Params]
) -> Runner:
    """A run that shares its first iterations with another one, bit for bit, and then goes its own way.

    Parameters
    ----------
    spec : RunSpec
        Of the other one, as `interventions`: those that it has taken.
    n_iter : int
        Iterations that both share; they are computed again. What the other took later is left out.
    change : Params -> Params
        From the parameters in force then to those of the branch.

    Raises
    ------
    ValueError
        No iteration is left after `n_iter`, or parameters that a run which goes on cannot take.
    """
    shared = [step for step in interventions if step.n_iter < n_iter]
    params = spec.params
    for step in shared:
        params = _after(step.change, params)
    new = change(params)
    if not 1 <= n_iter < new.max_iter:
        raise ValueError(f"a branch after iteration {n_iter} is not possible; accepted are 1 to {new.max_iter - 1}")
    check_steering(new, params, *spec.X.shape)
    return Runner(spec, (*shared, Intervention(n_iter, new)))
