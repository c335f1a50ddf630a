"""Acting with a recurrent policy on a CPU: one compiled function instead of twenty operations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from agents import policy_kernels
from agents.gru import GRU
from agents.networks import TrialEncoder
from agents.policies import PolicyHead
from agents.register_tiles import BLOCK
from agents.rollouts import Act, Inputs
from agents.tensor_arrays import arrays

__all__ = ["compiled_act"]

TRIAL_INPUTS = ("observation", "previous_action", "previous_reward", "episode_end")


def compiled_act(
    encoder: TrialEncoder,
    memory: GRU,
    action: PolicyHead,
    value: nn.Linear,
) -> Act:
    """Bind the weights as they are now into a function that acts.

    It gives the modules' results to rounding. A row's own do not depend on the others, bit for bit.

    Args:
        encoder: Of the policy, float32, on a CPU; so are the other parts.
        memory: Its memory.
        action: Its head for the action, a categorical one.
        value: Its head for the value.
    """
    head_weight = torch.cat([action.layer.weight, value.weight])
    head_bias = torch.cat([action.layer.bias, value.bias])
    weights = arrays(
        encoder.table, encoder.values, encoder.bias,
        memory.input_weight.t(), memory.input_bias, memory.hidden_weight.t(), memory.hidden_bias,
        head_weight, head_bias,
    )  # fmt: skip
    size = memory.hidden_size
    scratch = (
        *(np.zeros((BLOCK, width), np.float32) for width in (len(encoder.bias), size)),
        *np.zeros((2, BLOCK, 3 * size), np.float32),
        np.zeros(size, np.float32),
        np.zeros(len(head_bias), np.float32),
        np.zeros(BLOCK, np.int64),
    )

    offsets, observes_codes = encoder.offsets.numpy(), encoder.observes_codes
    scale = np.float32(encoder.scale)

    def act(
        inputs: Inputs, hidden: Tensor, active: npt.NDArray[np.bool_], noise: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows = len(hidden)
        uniforms = np.full(rows, -1.0, np.float32) if noise is None else noise.numpy()
        actions = np.zeros(rows, np.int64)
        log_probabilities, predictions = np.zeros((2, rows), np.float32)
        output = np.zeros((rows, size), np.float32)
        seen = [inputs[name].reshape(rows, -1).numpy() for name in TRIAL_INPUTS]
        policy_kernels.policy_step(
            active, *seen, observes_codes, offsets, scale, hidden.numpy(), uniforms, weights,
            actions, log_probabilities, predictions, output, scratch,
        )  # fmt: skip
        written = (actions, log_probabilities, predictions, output)
        return tuple(torch.from_numpy(array) for array in written)  # type: ignore[return-value]

    return act
