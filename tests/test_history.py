"""`benchmarks.history`: rows of a release are kept, and two sets are compared row by row."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

import pytest

import gsp_studio
from benchmarks import history
from benchmarks.timing import Row

OLD = [Row("a", 2.0, "ms", 3.0), Row("b", 1.0, "s"), Row("c", math.nan, "x, of 3"), Row("gone", 5.0, "x (4 of 5)")]


def test_rows_are_compared_and_what_cannot_be_is_said() -> None:
    new = [Row("a", 4.0, "ms", 3.0), Row("b", 7.0, "ms"), Row("c", 2.0, "x, of 4"), Row("fresh", 1.5, "s")]
    a, b, c, fresh, gone = history.compare(OLD, new)
    assert a == "a       2.000 x  (2 -> 4 ms)  its goal was met and is MISSED now"
    assert "not compared: in ms now, in s before" in b
    assert "no ratio: nan before, 2 now, x" in c
    assert "new: 1.5 s" in fresh
    assert "missing now: 5 x before" in gone
    assert "MISSED" not in "".join(history.compare(OLD, OLD))


def test_rows_are_kept_under_the_version_and_replaced_by_name(tmp_path: Path) -> None:
    kept = tmp_path / "history.json"
    kept.write_text(json.dumps([{"version": "0.0.1", "rows": [asdict(OLD[0])]}]), "utf-8")
    version = history.keep(OLD, kept)
    assert version == gsp_studio.__version__
    history.keep([Row("a", 9.0, "ms")], kept)
    assert [row.value for row in history.read_rows(version, kept)[:2]] == [9.0, 1.0]
    assert math.isnan(history.read_rows(version, kept)[2].value)
    assert history.read_rows("0.0.1", kept) == OLD[:1]
    first = json.loads(kept.read_text("utf-8"))[1]["rows"][0]
    assert {"commit", "date", "cores", "python", "load"} <= set(first)


@pytest.mark.parametrize(
    "text", ["{", "3", '[{"name": 1}]', '{"rows": 4}', '[{"name": "a", "value": "x", "unit": "s"}]']
)
def test_a_file_without_rows_is_told_in_a_sentence(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.json").write_text(text, "utf-8")
    assert history.main([str(tmp_path / "rows.json"), "no such release"]) == 2
    told = capsys.readouterr().err
    assert "rows.json" in told
    assert told.count("\n") == 1


def test_what_is_neither_file_nor_release_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert history.main(["0.0.0", "0.0.0"]) == 2
    assert "0.0.0 is neither a file of rows nor a kept release; kept are " in capsys.readouterr().err


def test_the_history_and_the_results_of_devices_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    results = sorted((Path(history.__file__).parent / "results").glob("*.json"))
    assert results
    assert history.main([str(results[0]), gsp_studio.__version__]) == 0
    assert "missing now" in capsys.readouterr().out
