"""Advantages over trials, against direct sums."""

from __future__ import annotations

import pytest
import torch

from agents.returns import explore_mask, generalised_advantages


def make_trials(time: int = 9, rows: int = 4) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    lengths = torch.tensor([9, 1, 5, 7])
    return {
        "rewards": torch.randn(time, rows, generator=generator, dtype=torch.float64),
        "values": torch.randn(time, rows, generator=generator, dtype=torch.float64),
        "alive": torch.arange(time)[:, None] < lengths,
        "bootstrap": torch.tensor([0.0, 2.0, 0.0, -1.5], dtype=torch.float64),
    }


@pytest.mark.parametrize("trace_decay", [0.0, 0.7, 1.0])
def test_equals_the_double_sum(trace_decay: float) -> None:
    trials = make_trials()
    generator = torch.Generator().manual_seed(4)
    discounts = torch.rand(9, 4, generator=generator, dtype=torch.float64)
    advantages, returns = generalised_advantages(
        **trials, discounts=discounts, trace_decay=trace_decay
    )
    for row in range(4):
        length = int(trials["alive"][:, row].sum())
        following = [*trials["values"][1:length, row].tolist(), float(trials["bootstrap"][row])]
        errors = [
            float(trials["rewards"][t, row])
            + float(discounts[t, row]) * following[t]
            - float(trials["values"][t, row])
            for t in range(length)
        ]
        for start in range(length):
            weight, expected = 1.0, 0.0
            for t in range(start, length):
                expected += weight * errors[t]
                weight *= float(discounts[t, row]) * trace_decay
            assert float(advantages[start, row]) == pytest.approx(expected, abs=1e-12)
            assert float(returns[start, row]) == pytest.approx(
                expected + float(trials["values"][start, row]), abs=1e-12
            )
        assert (advantages[length:, row] == 0).all()
        assert (returns[length:, row] == 0).all()


def test_full_trace_gives_discounted_rewards_to_the_end_of_the_trial() -> None:
    trials = make_trials()
    trials["bootstrap"] = torch.zeros(4, dtype=torch.float64)
    _, returns = generalised_advantages(
        **trials, discounts=torch.full((9, 4), 0.9, dtype=torch.float64), trace_decay=1.0
    )
    expected = sum(0.9**t * float(trials["rewards"][t, 0]) for t in range(9))
    assert float(returns[0, 0]) == pytest.approx(expected)


def test_mask_silences_the_first_episodes() -> None:
    index = torch.tensor([[0, 0], [1, 0], [2, 1], [3, 3]])
    assert explore_mask(index, 2).tolist() == [[0, 0], [0, 0], [1, 0], [1, 1]]
    assert explore_mask(index, 0).min() == 1
