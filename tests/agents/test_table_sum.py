"""Sums of table rows against PyTorch's one-hot product."""

from __future__ import annotations

import torch
from torch.nn import functional

from agents.table_sum import table_sum


def test_equals_the_product_with_one_hot_vectors() -> None:
    generator = torch.Generator().manual_seed(0)
    indices = torch.randint(7, (20, 3), generator=generator)
    table = torch.randn(7, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(20, 5, generator=generator, dtype=torch.float64)
    dense = table.detach().clone().requires_grad_()
    expected = functional.one_hot(indices, 7).sum(1).double() @ dense
    total = table_sum(indices, table)
    torch.testing.assert_close(total, expected)
    (total * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(table.grad, dense.grad)


def test_gradients_are_those_of_finite_differences() -> None:
    indices = torch.tensor([[0, 2], [2, 2], [1, 0]])
    table = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda rows: table_sum(indices, rows), (table,))
