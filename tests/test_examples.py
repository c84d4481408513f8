"""Examples of docstrings run, and give what they say."""

from __future__ import annotations

import doctest
import importlib
import os
import re
from pathlib import Path

import pytest

import gsp_studio as gs

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gsp_studio"
#: An example that is not skipped, as those are that need a user's file.
RUNS = re.compile(r"^ +>>> (?!.*doctest: \+SKIP)", re.MULTILINE)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


MODULES = [
    module_name(path)
    for path in sorted(PACKAGE.rglob("*.py"))
    if RUNS.search(path.read_text(encoding="utf-8")) and PACKAGE / "gui" not in path.parents
]
#: Functions and classes that compute; those that only hold values have their examples in the pages of the reference.
COMPUTE = (
    "SparseNMF",
    "SparsityPath",
    "column_sparse_projection",
    "factorize",
    "get_backend",
    "group_sparse_projection",
    "hoyer_sparsity",
    "iterate",
    "load_dataset",
    "project_to_zeros",
    "solved_path",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    done = doctest.testmod(module, optionflags=flags, raise_on_error=False)
    assert done.attempted > 0
    assert done.failed == 0
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", COMPUTE)
def test_what_computes_has_an_example(name: str) -> None:
    assert ">>> " in (getattr(gs, name).__doc__ or "")
