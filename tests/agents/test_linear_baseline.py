"""The linear baseline recovers what is linear, task by task, and leaves padding alone."""

from __future__ import annotations

import subprocess
import sys

import torch

from agents.linear_baseline import fit_values


def test_recovers_a_function_of_its_regressors_of_each_task() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 60, 3, generator=generator)
    times = torch.arange(60).expand(2, -1)
    valid = torch.ones(2, 60, dtype=torch.bool)
    valid[1, 50:] = False
    slopes = torch.tensor([1.0, -2.0])[:, None]
    returns = slopes * features[..., 0] + features[..., 1] ** 2 + 0.02 * times + slopes
    returns[1, 50:] = 1e6
    fitted = fit_values(features, times, returns, valid)
    torch.testing.assert_close(fitted[valid], returns[valid], rtol=0, atol=1e-2)
    assert fitted[~valid].abs().max() == 0


def test_residuals_of_a_task_have_mean_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 200, 2, generator=generator)
    returns = torch.randn(2, 200, generator=generator) + 5
    valid = torch.ones(2, 200, dtype=torch.bool)
    residuals = returns - fit_values(features, torch.arange(200).expand(2, -1), returns, valid)
    assert residuals.mean(1).abs().max() < 1e-3


def test_many_regressors_on_many_threads() -> None:
    """PyTorch's own solution of such systems hangs or fails (torch 2.13 on a CPU)."""
    command = [sys.executable, "-c", MANY_REGRESSORS]
    fitted = subprocess.run(command, timeout=120, capture_output=True, text=True)
    assert fitted.returncode == 0, fitted.stderr
    assert abs(float(fitted.stdout)) < 1e-3


def test_squares_of_zeros_and_ones_add_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randint(2, (2, 60, 5), generator=generator).float()
    returns = torch.randn(2, 60, generator=generator, dtype=torch.float64)
    times, valid = torch.arange(60).expand(2, -1), torch.ones(2, 60, dtype=torch.bool)
    fitted = fit_values(features, times, returns, valid)
    without = fit_values(features, times, returns, valid, squares=False)
    torch.testing.assert_close(fitted, without, rtol=0, atol=1e-4)
    assert not torch.equal(fitted, without)


def test_squares_of_other_numbers_do() -> None:
    features = torch.linspace(-1, 1, 50)[None, :, None]
    returns, times = features[..., 0] ** 2, torch.zeros(1, 50, dtype=torch.int64)
    valid = torch.ones(1, 50, dtype=torch.bool)
    fitted = fit_values(features, times, returns, valid)
    torch.testing.assert_close(fitted, returns, rtol=0, atol=1e-4)
    without = fit_values(features, times, returns, valid, squares=False)
    assert (without - returns).abs().max() > 0.1


MANY_REGRESSORS = """
import torch
from agents.linear_baseline import fit_values
torch.set_num_threads(2)
generator = torch.Generator().manual_seed(0)
features = torch.nn.functional.one_hot(torch.randint(124, (2, 13), generator=generator)).float()
returns = torch.randn(2, 13, generator=generator)
valid = torch.ones(2, 13, dtype=torch.bool)
fitted = fit_values(features, torch.arange(13).expand(2, -1), returns, valid)
print((returns - fitted).mean(1).abs().max().item())
"""
