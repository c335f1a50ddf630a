"""Curves of known runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.evaluation.curves import adaptation_curve, learning_curve, profile_curve, read_metric
from agents.evaluation.scores import AgentReturns


def test_adaptation_curve_is_the_mean_by_episode() -> None:
    returns = np.random.default_rng(0).normal(size=(4, 9, 3))
    returns[:, :, 1] = 5.0
    agent = AgentReturns("a", tuple("0123"), np.arange(9), returns, np.ones(9, np.int64))
    curve = adaptation_curve(agent, np.random.default_rng(1))
    assert curve.x.tolist() == [1, 2, 3]
    np.testing.assert_allclose(curve.y, returns.mean((0, 1)), rtol=1e-13)
    # Where all runs and tasks are alike, no resample differs.
    assert (curve.low < curve.y).tolist() == [True, False, True]
    assert (curve.y < curve.high).tolist() == [True, False, True]


def test_learning_curve_averages_equal_shares_of_the_steps() -> None:
    """A line's value holds for the steps since the line before; shares cut lines in two."""
    first = (np.array([10.0, 20.0, 40.0]), np.array([1.0, 3.0, 7.0]))
    second = (np.array([30.0, 40.0, 90.0]), np.array([2.0, 6.0, 1000.0]))
    curve = learning_curve([first, second], np.random.default_rng(0), num_points=2)
    assert curve.x.tolist() == [20, 40]
    by_hand = [[(1 + 3) / 2, 7], [2, (2 * 10 + 6 * 10) / 20]]
    np.testing.assert_allclose(curve.y, np.mean(by_hand, 0))
    # Of two runs drawn with replacement, either comes twice in a quarter of all resamples.
    np.testing.assert_allclose(curve.low, np.min(by_hand, 0))
    np.testing.assert_allclose(curve.high, np.max(by_hand, 0))


def test_learning_curve_of_one_run_has_no_band() -> None:
    steps = np.arange(1.0, 201) * 7
    curve = learning_curve([(steps, steps)], np.random.default_rng(0))
    assert len(curve.x) == 50
    assert curve.low.tolist() == curve.high.tolist()
    np.testing.assert_allclose(curve.y, curve.x - 4 * 7 / 2 + 7 / 2)
    short = learning_curve([(steps[:3], steps[:3]), (steps, steps)], np.random.default_rng(0))
    assert short.x.tolist() == [7, 14, 21]
    with pytest.raises(ValueError, match="at least one run"):
        learning_curve([], np.random.default_rng(0))


def test_profile_curve_holds_the_profile() -> None:
    scores = np.array([[0.0, 1.0], [2.0, 3.0]])
    curve = profile_curve(scores, np.array([-1.0, 0.5, 3.0]), np.random.default_rng(0))
    assert curve.y.tolist() == [1, 0.75, 0]
    assert (curve.low <= curve.y).all() and (curve.y <= curve.high).all()
    assert curve.low[1] < 0.75 < curve.high[1]


def test_metrics_are_read_by_name(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("iteration,env_steps,train/return\n1,100,0.5\n2,200,0.75\n")
    steps, values = read_metric(path, "train/return")
    assert (steps.tolist(), values.tolist()) == ([100, 200], [0.5, 0.75])
    with pytest.raises(ValueError, match="lacks env_steps or 'loss/value'"):
        read_metric(path, "loss/value")
    for content in (b"env_steps,train/return\n", b"", b"\xff", b"env_steps\nx\n", b"a,b\n1\n"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"metrics.csv holds no metrics, or is damaged"):
            read_metric(path, "train/return")
