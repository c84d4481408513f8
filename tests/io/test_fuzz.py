"""Damaged files of every kind, a few of the many that ``python tests/io/fuzz.py --runs 100000`` tries."""

import fuzz
import pytest


@pytest.mark.parametrize("kind", fuzz.samples_of)
def test_damaged_files_end_in_one_sentence(tmp_path, kind):
    told = [(seed, fuzz.attempt(kind, seed, tmp_path)) for seed in range(60)]
    assert [pair for pair in told if pair[1]] == []


def test_the_files_are_valid_before_they_are_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "damaged", lambda content, rng: content)
    for kind in fuzz.samples_of:
        monkeypatch.setattr(fuzz.gs, "DatasetError", ZeroDivisionError)
        assert fuzz.attempt(kind, 0, tmp_path / kind.replace(" ", "")) == ""
        monkeypatch.undo()
        monkeypatch.setattr(fuzz, "damaged", lambda content, rng: content)
