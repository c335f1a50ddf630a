"""Rectified sums of table rows against PyTorch's one-hot product."""

from __future__ import annotations

import torch
from torch.nn import functional

from agents.table_sum import rectified_table_sum


def test_equals_the_product_with_one_hot_vectors() -> None:
    generator = torch.Generator().manual_seed(0)
    indices = torch.randint(7, (20, 3), generator=generator)
    base, weights = torch.randn(2, 20, 5, generator=generator, dtype=torch.float64)
    table = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    given = [tensor.clone().requires_grad_() for tensor in (base, table)]
    dense = [tensor.clone().requires_grad_() for tensor in (base, table)]
    one_hot = functional.one_hot(indices, 7).sum(1).double()
    expected = torch.relu(dense[0] + one_hot @ dense[1])
    total = rectified_table_sum(given[0], indices, given[1])
    torch.testing.assert_close(total, expected)
    (total * weights).sum().backward()
    (expected * weights).sum().backward()
    for one, other in zip(given, dense, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_without_codes_the_base_is_rectified() -> None:
    base = torch.tensor([[-1.0, 2.0]], requires_grad=True)
    table = torch.zeros(1, 2, requires_grad=True)
    total = rectified_table_sum(base, torch.zeros(1, 0, dtype=torch.int64), table)
    assert total.tolist() == [[0, 2]]
    total.sum().backward()
    assert base.grad.tolist() == [[0, 1]]
    assert table.grad.tolist() == [[0, 0]]


def test_gradients_are_those_of_finite_differences() -> None:
    indices = torch.tensor([[0, 2], [2, 2], [1, 0]])
    base = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    table = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda base, rows: rectified_table_sum(base, indices, rows), (base, table)
    )


def test_nan_stays_one() -> None:
    base = torch.tensor([[torch.nan, 1.0]])
    assert (
        rectified_table_sum(base, torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 2))
        .isnan()
        .any()
    )
