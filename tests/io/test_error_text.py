"""Errors as sentences, and which of them are ordinary refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.io.error_text import is_refusal
from gsp_studio.io.resources import sample_path


def caught(do: object) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        do()  # type: ignore[operator]
    return caught.value


def test_checks_refuse_and_mistakes_are_none(tmp_path: Path) -> None:
    assert is_refusal(caught(lambda: gs.load_dataset(tmp_path / "missing.npy")))
    assert is_refusal(caught(lambda: sample_path("none")))
    assert not is_refusal(caught(lambda: np.zeros(3) + np.zeros(4)))
    assert not is_refusal(caught(lambda: int("a")))
    assert not is_refusal(caught(lambda: 1 / 0))
    assert not is_refusal(ValueError("never raised"))
