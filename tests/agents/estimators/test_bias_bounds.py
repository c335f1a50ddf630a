"""The bound of lemma 4.4 against its recursion, and refusals; against biases in meta oracles."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.estimators.bias_bounds import compositional_bias_bound

CONSTANTS = st.floats(0.01, 10)


@given(CONSTANTS, st.floats(0, 10), CONSTANTS, st.floats(0.01, 2), st.integers(0, 6))
def test_the_error_of_a_step_grows_and_a_new_one_joins(
    lipschitz: float, smoothness: float, deviation: float, step_size: float, num_steps: int
) -> None:
    """e_{k+1} = (1 + alpha c) e_k + alpha sigma / sqrt(n)."""
    error = 0.0
    for _ in range(num_steps):
        error = (1 + step_size * smoothness) * error + step_size * deviation / 49**0.5
    bound = compositional_bias_bound(
        lipschitz=lipschitz, smoothness=smoothness, gradient_deviation=deviation,
        step_size=step_size, num_steps=num_steps, batch_size=49,
    )  # fmt: skip
    assert bound == pytest.approx(lipschitz * error, rel=1e-6)


@pytest.mark.parametrize("change", [{"smoothness": -1.0}, {"batch_size": 0}, {"num_steps": -1}])
def test_what_is_no_constant_is_refused(change: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {
        "lipschitz": 1.0, "smoothness": 1.0, "gradient_deviation": 1.0,
        "step_size": 1.0, "num_steps": 1, "batch_size": 1,
    }  # fmt: skip
    with pytest.raises(
        ValueError, match=r"not negative.*got .*" + "=".join(map(str, *change.items()))
    ):
        compositional_bias_bound(**(arguments | change))
