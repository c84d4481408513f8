"""The warm fit: a few unconstrained iterations of the chosen rank, so that the slider is alive before any run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gsp_studio.engine.run import Outcome
    from gsp_studio.engine.runner import Runner


class WarmFit:
    """At most one fit that counts; those that were let go of end at their next iteration and nobody looks at them."""

    def __init__(self) -> None:
        self._runner: Runner | None = None
        self._retired: list[Runner] = []

    @property
    def is_running(self) -> bool:
        """Whether a fit that counts is under way."""
        return self._runner is not None

    def start(self, runner: Runner) -> None:
        """Let go of the fit under way and start another one."""
        self.retire()
        self._runner = runner
        runner.start()

    def retire(self) -> bool:
        """Let go of the fit under way; whether there was one."""
        if self._runner is None:
            return False
        self._runner.cancel()
        self._retired.append(self._runner)
        self._runner = None
        return True

    def poll(self) -> Outcome | None:
        """The outcome, once."""
        self._retired = [runner for runner in self._retired if not runner.join(0)]
        outcome = None if self._runner is None else self._runner.poll().outcome
        if outcome is not None:
            self._runner = None
        return outcome

    def close(self, timeout: Any = None) -> bool:
        """Stop and wait; True when no thread is left."""
        self.retire()
        ended = [runner.join(timeout) for runner in self._retired]
        return all(ended)
