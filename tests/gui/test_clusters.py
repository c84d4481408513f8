"""Run on > Cluster: an address, workers in the status bar, and a run that is computed there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from handling import wait_until
from PySide6.QtCore import Qt

from gsp_studio.engine import cluster
from gsp_studio.gui.main_window import MainWindow


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workers in threads of this process, which start at once; its memory, that of all other tests too, is theirs."""
    import distributed

    made = distributed.LocalCluster
    monkeypatch.setattr(distributed, "LocalCluster", lambda **how: made(**how, processes=False, memory_limit=2**40))
    yield
    cluster.close_all()


def test_a_run_goes_to_the_cluster_and_comes_back(faces_window: MainWindow, in_threads: None) -> None:
    window = faces_window
    window.clusters.actions["cluster"].trigger()
    dialog = window.clusters.dialog
    assert dialog.textValue() == "local:2"
    dialog.accept()
    wait_until(lambda: window.session.scheduler == "local:2")
    assert window.clusters.actions["cluster"].isChecked()
    assert window.clusters.said.isVisible()
    assert "2 workers, " in window.clusters.said.text()
    assert re.search(r"workers, \d+\.\d of \d+\.\d GiB", window.clusters.said.text())
    assert '">dashboard</a>' in window.clusters.said.text()
    assert window.clusters.said.textFormat() == Qt.TextFormat.RichText
    session = window.session
    session.run()
    wait_until(lambda: len(session.runs) == 1)
    [entry] = session.runs
    assert entry.outcome.result.backend.startswith("2 workers, ")
    assert isinstance(entry.shown.H, np.ndarray)
    window.clusters.actions["here"].trigger()
    assert session.scheduler == ""
    assert not window.clusters.said.isVisible()
    session.run()
    wait_until(lambda: len(session.runs) == 2)
    assert session.runs[1].outcome.result.backend.startswith("cpu")
    assert session.runs[1].shown.error == pytest.approx(entry.shown.error, abs=1e-3)


def test_a_scheduler_that_is_not_there_is_told_and_nothing_changes(window: MainWindow, monkeypatch) -> None:
    monkeypatch.setattr(cluster, "_ANSWER", 0.5)
    heard: list[str] = []
    window.session.failed.disconnect()
    window.session.failed.connect(lambda sentence, details: heard.append(sentence))
    for address, told in (("nope", '"nope" is not a scheduler'), ("tcp://127.0.0.1:9", "no scheduler answers at tcp")):
        window.clusters.connect_to(address)
        wait_until(lambda: bool(heard))
        assert heard.pop().startswith(told)
        assert window.session.scheduler == ""
        assert window.clusters.actions["here"].isChecked()
        assert not window.clusters.said.isVisible()
