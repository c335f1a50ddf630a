"""What is written to an array is in the tensor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents.tensor_arrays import arrays, arrays_to_write


def test_arrays_are_row_major() -> None:
    matrix = torch.arange(6.0, requires_grad=True).view(2, 3)
    for array, tensor in zip(arrays(matrix, matrix.mT), (matrix, matrix.mT), strict=True):
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, tensor.detach().numpy())


def test_what_is_written_is_in_the_tensor() -> None:
    tensors = torch.zeros(3), torch.zeros(2, 2)
    for number, array in enumerate(arrays_to_write(*tensors)):
        array[...] = number + 1
    assert tensors[0].tolist() == [1.0] * 3
    assert tensors[1].tolist() == [[2.0] * 2] * 2


def test_what_would_be_lost_is_refused() -> None:
    with pytest.raises(ValueError, match=r"contiguous.*shape \(3, 2\) and strides \(1, 3\)"):
        arrays_to_write(torch.zeros(1), torch.zeros(2, 3).mT)
