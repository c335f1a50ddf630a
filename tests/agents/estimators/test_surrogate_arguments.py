"""What the surrogate takes: padding, leading dimensions, dtypes, devices; and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.estimators.surrogate import Order, log_ratio, surrogate


def close(actual: Tensor, expected: Tensor, atol: float) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("order", ["score", 1, 2, math.inf])
def test_padding_changes_nothing_whatever_it_holds(process: Any, order: Order) -> None:
    advantages = process.advantages(process.values())
    filler = torch.tensor([math.nan, -math.inf], dtype=torch.float64).expand(64, 2)
    mask = torch.cat([torch.ones(64, 3), torch.zeros(64, 2)], -1).bool()

    def padded(logits: Tensor) -> Tensor:
        return surrogate(
            torch.cat([process.logp(logits), filler], -1),
            torch.cat([advantages, filler], -1),
            order=order,
            gamma=0.8,
            mask=mask,
        )

    def plain(logits: Tensor) -> Tensor:
        return surrogate(process.logp(logits), advantages, order=order, gamma=0.8)

    for transform in (lambda f: f, torch.func.jacrev):
        close(transform(padded)(process.logits), transform(plain)(process.logits), 1e-14)


@pytest.mark.parametrize("order", ["score", 1, 2, math.inf])
def test_trajectories_do_not_see_one_another(process: Any, order: Order) -> None:
    logp, advantages = process.logp(process.logits) - 0.1, process.advantages(None)
    behaviour_logp = None if order == "score" else process.logp(process.logits)
    together = surrogate(logp, advantages, behaviour_logp=behaviour_logp, order=order)
    shuffled = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    again = surrogate(
        logp[shuffled].view(8, 8, 3),
        advantages[shuffled].view(8, 8, 3),
        behaviour_logp=None if behaviour_logp is None else logp[shuffled].view(8, 8, 3) + 0.1,
        order=order,
    )
    close(again.flatten(), together[shuffled], 1e-14)


def test_log_ratios_of_agents_add() -> None:
    generator = torch.Generator().manual_seed(1)
    logp = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    behaviour_logp = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    close(
        log_ratio(logp.sum(0), behaviour_logp.sum(0)),
        log_ratio(logp[0], behaviour_logp[0]) + log_ratio(logp[1], behaviour_logp[1]),
        1e-14,
    )


def test_float32_stays_float32_and_small_ratios_keep_their_digits() -> None:
    behaviour_logp = torch.tensor([-1.0, -1.0])
    logp = behaviour_logp + torch.tensor([1e-5, 1e-5])
    exact = (logp.double() - behaviour_logp.double()).expm1()
    for order in (1, 2, math.inf):
        value = surrogate(logp, torch.ones(2), behaviour_logp=behaviour_logp, order=order)
        assert value.dtype == torch.float32
        chain = exact.sum() + (exact.prod() if order != 1 else 0)
        assert float(value) == pytest.approx(float(chain), rel=1e-6)


LOGP = torch.full((2, 3), -0.7)


@pytest.mark.parametrize("order", [0, -1, 1.5, "scores", True, math.nan, -math.inf])
def test_unknown_orders_are_refused(order: Any) -> None:
    with pytest.raises(ValueError, match="order must be 'score', a whole number from 1 on"):
        surrogate(LOGP, LOGP, order=order)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"decay": 1.5}, ValueError, r"decay must lie in \[0, 1\], got 1.5"),
        ({"order": 1, "decay": 0.5}, ValueError, "decay belongs to order infinity"),
        ({"order": "score", "behaviour_logp": LOGP}, ValueError, "leave out behaviour_logp"),
        ({"behaviour_logp": LOGP[:1]}, ValueError, r"the shape of logp, \(2, 3\), got \(1, 3\)"),
        ({"behaviour_logp": LOGP.double()}, TypeError, "the dtype of logp, torch.float32"),
        ({"mask": torch.ones(2, 3)}, TypeError, "mask must be boolean"),
        ({"mask": torch.ones(3).bool()}, ValueError, "mask must have the shape of logp"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        surrogate(LOGP, LOGP, **arguments)


def test_bad_sequences_are_refused() -> None:
    with pytest.raises(TypeError, match=r"logp must be floating, got torch\.int64"):
        surrogate(LOGP.long(), LOGP)
    with pytest.raises(ValueError, match="at least one step"):
        surrogate(LOGP[:, :0], LOGP[:, :0])
    with pytest.raises(ValueError, match="advantages must have the shape of logp"):
        surrogate(LOGP, LOGP[0])


@pytest.mark.parametrize("order", ["score", 1, 3, math.inf])
@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_everything_is_computed_where_the_inputs_are(order: Order, decay: float) -> None:
    """On a device without data, any tensor made elsewhere would be refused."""
    logp = torch.empty(2, 3, 5, dtype=torch.float32, device="meta")
    gamma = torch.empty((), dtype=torch.float32, device="meta")
    result = surrogate(
        logp,
        logp,
        behaviour_logp=None if order == "score" else logp,
        order=order,
        decay=decay if order == math.inf else 1.0,
        gamma=gamma,
        mask=logp > 0,
    )
    assert (result.shape, result.dtype, result.device.type) == ((2, 3), torch.float32, "meta")
