"""The doubly robust recursions: exact in expectation, equal to the surrogate path by path."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.estimators.doubly_robust import dr_recursion, dr_recursion_q
from agents.estimators.surrogate import surrogate

ON_AND_OFF = pytest.mark.parametrize("on_policy", [True, False], ids=["on", "off"])
CRITICS = pytest.mark.parametrize("with_critic", [False, True], ids=["returns", "critic"])


def close(actual: Tensor, expected: Tensor, atol: float = 1e-10) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def dr(
    process: Any, logits: Tensor, values: Tensor | None, on_policy: bool, **clips: Any
) -> Tensor:
    return dr_recursion(
        process.logp(logits),
        process.rewards,
        values,
        gamma=process.gamma,
        behaviour_logp=process.behaviour_logp(on_policy),
        **clips,
    )


def action_values(process: Any, critic: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Of the actions taken, and expected under the policy, along every trajectory."""
    states, actions = process.trajectories.states, process.trajectories.actions
    times = torch.arange(process.horizon + 1)
    expected = (logits.softmax(-1) * critic).sum(-1)
    return critic[times[:-1], states[:, :-1], actions], expected[times, states]


def dr_q(process: Any, critic: Tensor, logits: Tensor, on_policy: bool) -> Tensor:
    taken, expected = action_values(process, critic, logits)
    return dr_recursion_q(
        process.logp(logits),
        process.rewards,
        taken,
        expected,
        gamma=process.gamma,
        behaviour_logp=process.behaviour_logp(on_policy),
    )


@ON_AND_OFF
@CRITICS
def test_state_critic_is_exact_in_expectation(
    process: Any, on_policy: bool, with_critic: bool
) -> None:
    values = process.values() if with_critic else None
    expected = process.expectation(
        lambda logits: dr(process, logits, values, on_policy)[:, 0], on_policy
    )
    for actual, exact in zip(expected, process.exact(), strict=True):
        close(actual, exact)


@ON_AND_OFF
def test_action_critic_is_exact_in_expectation(process: Any, on_policy: bool) -> None:
    expected = process.expectation(
        lambda logits: dr_q(process, process.action_critic, logits, on_policy)[:, 0], on_policy
    )
    for actual, exact in zip(expected, process.exact(), strict=True):
        close(actual, exact)


@ON_AND_OFF
@CRITICS
def test_equals_the_surrogate_of_infinite_order_on_every_path(
    process: Any, on_policy: bool, with_critic: bool, differentiate: Any
) -> None:
    values = process.values() if with_critic else None

    def from_surrogate(logits: Tensor) -> Tensor:
        return process.offset(values) + surrogate(
            process.logp(logits),
            process.advantages(values),
            behaviour_logp=process.behaviour_logp(on_policy),
            gamma=process.gamma,
        )

    recursion = differentiate(
        lambda logits: dr(process, logits, values, on_policy)[:, 0], process.logits
    )
    for ours, theirs in zip(recursion, differentiate(from_surrogate, process.logits), strict=True):
        close(ours, theirs)


def test_every_step_holds_the_estimate_from_there_on(process: Any) -> None:
    values, logp = process.values(), process.logp(process.logits)
    behaviour_logp = process.behaviour_logp(False)
    whole = dr(process, process.logits, values, on_policy=False)
    rest = dr_recursion(
        logp[:, 1:],
        process.rewards[:, 1:],
        values[:, 1:],
        gamma=process.gamma,
        behaviour_logp=behaviour_logp[:, 1:],
    )
    close(whole[:, 1:], rest)


def test_infinite_clips_are_none_and_finite_ones_bias_off_policy(process: Any) -> None:
    values = process.values()
    plain = dr(process, process.logits, values, on_policy=False)
    infinite = dr(
        process, process.logits, values, on_policy=False, rho_clip=math.inf, c_clip=math.inf
    )
    assert torch.equal(plain, infinite)
    law = process.probabilities(False)
    for clip in ("rho_clip", "c_clip"):
        clipped = dr(process, process.logits, values, on_policy=False, **{clip: 1.0})
        assert abs(float(law @ clipped[:, 0] - process.exact()[0])) > 1e-3


def test_clips_are_the_formula_of_v_trace(process: Any) -> None:
    logp, behaviour_logp = process.logp(process.logits), process.behaviour_logp(False)
    values, rewards = process.values(), process.rewards
    actual = dr(process, process.logits, values, on_policy=False, rho_clip=1.1, c_clip=0.9)
    ratio = (logp - behaviour_logp).exp()
    for start in range(3):
        expected, trace = values[:, start].clone(), torch.ones(64, dtype=torch.float64)
        for time in range(start, 3):
            error = rewards[:, time] + 0.8 * values[:, time + 1] - values[:, time]
            expected += 0.8 ** (time - start) * trace * ratio[:, time].clamp(max=1.1) * error
            trace = trace * ratio[:, time].clamp(max=0.9)
        close(actual[:, start], expected)


def test_on_policy_a_clip_of_one_changes_nothing(process: Any, differentiate: Any) -> None:
    """The ratio is exactly at the clip, where the gradient has to pass whole."""
    results = [
        differentiate(
            lambda logits, clips=clips: dr(process, logits, process.values(), True, **clips)[:, 0],
            process.logits,
        )
        for clips in ({}, {"rho_clip": 1.0, "c_clip": 1.0})
    ]
    for plain, clipped in zip(*results, strict=True):
        close(plain, clipped)


def test_recursions_of_gradient_and_hessian(process: Any, differentiate: Any) -> None:
    """Proposition 3.2 of Tang et al. 2021, its indices set right, against autodiff."""
    gamma, horizon, logits = process.gamma, process.horizon, process.logits
    scores = process.scores()
    curvature = torch.func.jacrev(torch.func.jacrev(process.logp))(logits).reshape(64, 3, 4, 4)
    taken, _ = action_values(process, process.action_critic, logits)
    expected, slope, bend = differentiate(
        lambda table: action_values(process, process.action_critic, table)[1], logits
    )
    slope, bend = slope.reshape(64, 4, 4), bend.reshape(64, 4, 4, 4)
    ratio = (process.logp(logits) - process.behaviour_logp(False)).exp()
    value, gradient, hessian = expected[:, -1], slope[:, -1], bend[:, -1]
    for time in range(horizon - 1, -1, -1):
        score, rho = scores[:, time], ratio[:, time]
        error = rho * (process.rewards[:, time] + gamma * value - taken[:, time])
        outer = score[:, :, None] * score[:, None, :]
        mixed = score[:, :, None] * gradient[:, None, :]
        hessian = (
            error[:, None, None] * (curvature[:, time] + outer)
            + bend[:, time]
            + gamma * rho[:, None, None] * (mixed + mixed.mT + hessian)
        )
        gradient = slope[:, time] + error[:, None] * score + gamma * rho[:, None] * gradient
        value = expected[:, time] + error
    autodiff = differentiate(
        lambda table: dr_q(process, process.action_critic, table, False)[:, 0], logits
    )
    close(autodiff[0], value)
    close(autodiff[1].reshape(64, 4), gradient)
    close(autodiff[2].reshape(64, 4, 4), hessian)


@pytest.mark.parametrize("critic", ["none", "state", "action"])
def test_padding_changes_nothing_whatever_it_holds(process: Any, critic: str) -> None:
    filler = torch.tensor([math.nan, -math.inf], dtype=torch.float64).expand(64, 2)
    mask = torch.cat([torch.ones(64, 3), torch.zeros(64, 2)], -1).bool()
    values = process.values() + 0.5  # A bootstrap other than 0.

    def estimate(logits: Tensor, pad: bool) -> Tensor:
        def put(tensor: Tensor) -> Tensor:
            return torch.cat([tensor, filler], -1) if pad else tensor

        common: dict[str, Any] = {"gamma": 0.8, "mask": mask if pad else None}
        logp, rewards = put(process.logp(logits)), put(process.rewards)
        if critic == "action":
            taken, expected = action_values(process, process.action_critic + 0.5, logits)
            return dr_recursion_q(logp, rewards, put(taken), put(expected), **common)[:, :3]
        state_values = put(values) if critic == "state" else None
        return dr_recursion(logp, rewards, state_values, **common)[:, :3]

    for transform in (lambda function: function, torch.func.jacrev):
        close(
            transform(lambda logits: estimate(logits, True))(process.logits),
            transform(lambda logits: estimate(logits, False))(process.logits),
            1e-14,
        )


def test_bad_arguments_are_refused() -> None:
    logp = torch.full((2, 3), -0.7)
    with pytest.raises(ValueError, match="rho_clip must be positive"):
        dr_recursion(logp, logp, gamma=0.9, rho_clip=0)
    with pytest.raises(ValueError, match="c_clip must be positive"):
        dr_recursion(logp, logp, gamma=0.9, c_clip=-1)
    with pytest.raises(ValueError, match=r"values must have shape \(2, 4\)"):
        dr_recursion(logp, logp, logp, gamma=0.9)
    with pytest.raises(ValueError, match="rewards must have the shape of logp"):
        dr_recursion(logp, logp[0], gamma=0.9)
    with pytest.raises(ValueError, match="taken_values must have the shape of logp"):
        dr_recursion_q(logp, logp, logp[0], torch.zeros(2, 4), gamma=0.9)
    with pytest.raises(ValueError, match=r"expected_values must have shape \(2, 4\)"):
        dr_recursion_q(logp, logp, logp, logp, gamma=0.9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_everything_is_computed_where_the_inputs_are(dtype: torch.dtype) -> None:
    """On a device without data, any tensor made elsewhere would be refused."""
    logp = torch.empty(2, 3, 5, dtype=dtype, device="meta")
    values = torch.empty(2, 3, 6, dtype=dtype, device="meta")
    results = [
        dr_recursion(logp, logp, gamma=0.9, mask=logp > 0),
        dr_recursion(logp, logp, values, gamma=0.9, rho_clip=1.0, mask=logp > 0),
        dr_recursion_q(logp, logp, logp, values, gamma=0.9, mask=logp > 0),
    ]
    for result in results:
        assert (result.shape, result.dtype, result.device.type) == (logp.shape, dtype, "meta")
