"""Curves of a run in its report."""

import re

import numpy as np

from gsp_studio.core.results import History, Record
from gsp_studio.io.export.svg_curve import error_curve, sparsity_curve


def history(held_out=float("nan")):
    rows = [(0.3, 1, 0), (0.9, 2, 0), (0.28, 2, 2), (0.29, 0, 1), *((0.2, 0, n) for n in range(4, 8))]
    return History.of(
        [Record(n, e, 0.5, 0.5, 0.1 * n, held_out, trial, follows) for n, (e, trial, follows) in enumerate(rows, 1)]
    )


def test_trials_that_led_to_nothing_are_left_out():
    drawn = error_curve(history())
    lines = re.findall(r'points="([^"]*)"', drawn)
    assert [len(line.split()) for line in lines] == [6]
    assert ">90<" not in drawn
    assert ">30<" in drawn
    assert "held-out" not in drawn


def test_held_out_errors_are_a_second_line_with_its_name():
    drawn = error_curve(history(0.25))
    assert len(re.findall("<polyline", drawn)) == 2
    assert len(set(re.findall(r'stroke="(#\w+)"', drawn))) == 2
    assert ">held-out error<" in drawn


def test_a_run_of_one_iteration_has_no_curve():
    one = History.of([Record(1, 0.3, 0.5, 0.5, 0.1)])
    assert error_curve(one) == sparsity_curve(one) == ""
    assert "average sparsity" in sparsity_curve(history())
    assert np.isnan(one.held_out_error[0])


def test_a_line_ends_where_the_next_iteration_follows_one_that_is_not_drawn():
    rows = [(0.3, 1, 0), (0.25, 1, 1), (0.2, 0, 2), (0.19, 0, 3), (0.9, 4, 2), (0.1, 4, 5), (0.09, 0, 6)]
    made = [Record(n, e, 0.5, 0.5, 0.1 * n, trial=trial, follows=f) for n, (e, trial, f) in enumerate(rows, 1)]
    for curve in (error_curve, sparsity_curve):
        lines = re.findall(r'points="([^"]*)"', curve(History.of(made)))
        assert [len(line.split()) for line in lines] == [4, 3]
