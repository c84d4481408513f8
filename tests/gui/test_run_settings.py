"""Settings of the next run: what they take of a run, and what session files, old ones too, say of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gsp_studio.core.params import Params
from gsp_studio.gui.session_file.window_state import read_state
from gsp_studio.gui.state import RunSettings

#: Settings as the first versions wrote them: eight values, and 0 for coefficients that are free.
OLD = {
    "rank": 5,
    "method": "ahals",
    "sparsity": 0.6,
    "seed": 3,
    "max_iter": 40,
    "sparsity_h": 0.0,
    "init": "nndsvd",
    "backend": "cpu",
}


def read(content: object, most: int = 100) -> tuple[RunSettings, list[str]]:
    """Settings of a window that a session file describes, and what is said of it."""
    problems: list[str] = []
    return read_state({"choice": content}, most, problems).choice, problems


def test_settings_of_old_files() -> None:
    settings = RunSettings(Params(5, "ahals", 0.6, 3, 40, "nndsvd"), "cpu")
    assert read(OLD) == (settings, [])
    assert read({**OLD, "sparsity_h": 0.3}) == (settings.with_params(sparsity_h=0.3), [])


@pytest.mark.parametrize("changes", [{}, {"sparsity_h": 0.25, "method": "wsnmf"}])
def test_what_is_written_is_read(changes: dict[str, object]) -> None:
    settings = RunSettings(Params(7, seed=2), "reference").with_params(**changes)
    assert read(json.loads(json.dumps(settings.as_json()))) == (settings, [])


def test_settings_of_a_run_are_all_that_a_window_can_give() -> None:
    W, H = np.ones((4, 2)), np.ones((2, 6))
    given = Params(2, "wsnmf", init=(W, H), weights=np.ones(4), frozen=(1,), tol=0.01, continuation=9)
    settings = RunSettings.of_run(given, "cuda")
    assert settings == RunSettings(Params(2, "wsnmf", tol=0.01, continuation=9), "cuda")


def test_the_rank_is_one_that_the_data_can_have() -> None:
    settings, problems = read({"rank": 50}, most=30)
    assert settings.params.rank == 30
    assert "rank 50 is not used; accepted is a whole number from 1 to 30" in problems[0]
