"""Noise of rows: as a policy's own in distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents.distributions import Categorical, Gaussian
from agents.row_noise import RowNoise


@pytest.mark.parametrize("kind", ["categorical", "gaussian"])
def test_noise_is_distributed_as_the_policy_expects(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    distribution = {"categorical": Categorical(3), "gaussian": Gaussian(3)}[kind]
    draw = RowNoise(np.arange(2000, dtype=np.uint64), distribution.num_normals)
    noise = torch.stack([draw() for _ in range(10)])
    like = distribution.noise((2000,), generator)
    assert (noise.shape[1:], noise.dtype) == (like.shape, like.dtype)
    assert len(noise.unique()) > 0.99 * noise.numel()
    # 20,000 or 60,000 draws: five standard errors of a mean are below 0.036.
    expected_mean, expected_deviation = (0.5, 12**-0.5) if kind == "categorical" else (0.0, 1.0)
    assert float(noise.mean()) == pytest.approx(expected_mean, abs=0.036)
    assert float(noise.std()) == pytest.approx(expected_deviation, abs=0.036)
