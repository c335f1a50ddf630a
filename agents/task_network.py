"""First and second derivatives of the network of a task policy, written out.

One pass through the network costs as much as the products of its matrices; so does, to a factor,
each derivative. Here a gradient takes three passes (one forward) and a product with a Hessian six
more, and all of them work on what the forward pass left. Automatic differentiation of the gradient
takes half as much again, and more memory.

For ``z_l = a_(l-1) W_l + b_l`` and ``a_l = sigmoid(z_l)``, with the gradient ``d_l`` by ``z_l``, a
direction ``R`` in the space of parameters gives (Pearlmutter 1994)

    R z_l = a_(l-1) R W_l + R b_l + R a_(l-1) W_l,        R a_l = sigmoid'(z_l) R z_l,
    R d_l = sigmoid'(z_l) (R d_(l+1) W_(l+1)^T + d_(l+1) R W_(l+1)^T) + (1 - 2 a_l) d_l R z_l,
    R dW_l = a_(l-1)^T R d_l + R a_(l-1)^T d_l.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents import compiled_passes, network_passes
from agents.task_policy import Parameters, TaskPolicy

__all__ = ["ForwardPass", "Slopes"]


class ForwardPass:
    """Outputs of a policy's network, and what their derivatives need; no graph leads to it.

    Args:
        policy: Whose network.
        parameters: Of each task (tasks, ...).
        features: (tasks, n, features).
        known: What each layer read and the outputs, where these parameters have acted: the pass is
            then not taken again.
    """

    def __init__(
        self,
        policy: TaskPolicy,
        parameters: Parameters,
        features: Tensor,
        known: tuple[list[Tensor], Tensor] | None = None,
    ) -> None:
        self._policy = policy
        with torch.no_grad():
            self._scaled = policy.scaled(parameters)
            self._read: list[Tensor] = []
            if known is None:
                outputs = policy.run(self._scaled, features, self._read)
            else:
                self._read, outputs = known
        self._weights = self._layers(self._scaled)[0]
        # The same functions: compiled where they can be.
        compiled = compiled_passes.serves(features, policy.num_layers)
        self._passes = compiled_passes if compiled else network_passes
        self.outputs = outputs.detach().requires_grad_()
        """(tasks, n, outputs), a leaf: objectives of outputs are differentiated down to it."""

    @torch.no_grad()
    def slopes(self, gradient: Tensor) -> Slopes:
        """The gradient by the parameters, from that by the outputs (tasks, n, outputs)."""
        policy = self._policy
        delta = gradient[..., : policy.num_means]
        deltas, of_weights, of_biases = self._passes.backward(self._read, self._weights, delta)
        return Slopes(self, deltas, self._unscaled(of_weights, of_biases, gradient))

    @torch.no_grad()
    def tangent(self, direction: Parameters) -> Tensor:
        """How the outputs (tasks, n, outputs) change along a direction (tasks, ...)."""
        return self._tangent(self._policy.scaled(direction))[0]

    def _tangent(self, direction: Parameters) -> tuple[Tensor, list[Tensor]]:
        """Also how the sums of the layers change; of a scaled direction."""
        change, biases = self._layers(direction)
        sums = self._passes.tangent(self._read, self._weights, change, biases)
        return self._policy.with_deviations(sums[-1], direction), sums

    def _layers(self, scaled: Parameters) -> tuple[list[Tensor], list[Tensor]]:
        layers = range(self._policy.num_layers)
        weights, biases = (
            [scaled[f"{kind}_{layer}"] for layer in layers] for kind in ("weight", "bias")
        )
        return weights, biases

    def _unscaled(
        self, of_weights: list[Tensor], of_biases: list[Tensor], by_outputs: Tensor
    ) -> Parameters:
        """By parameters, from what is by weights and biases, and by the outputs."""
        found = {f"weight_{layer}": part for layer, part in enumerate(of_weights)}
        found |= {f"bias_{layer}": part for layer, part in enumerate(of_biases)}
        if "log_deviation" in self._scaled:
            found["log_deviation"] = by_outputs[..., self._policy.num_means :].sum(1)
        return self._policy.unscaled(found)


class Slopes:
    """The gradient of an objective of the outputs by the parameters; it can be differentiated."""

    def __init__(self, passed: ForwardPass, deltas: list[Tensor], gradient: Parameters) -> None:
        self._passed, self._deltas = passed, deltas
        self.gradient = gradient
        """By the parameters of each task (tasks, ...)."""

    def change(self, direction: Parameters, gradient: Tensor) -> Parameters:
        """How the gradient changes along a direction: the product with the objective's Hessian.

        Args:
            direction: In the space of parameters (tasks, ...).
            gradient: The objective's by the outputs, with the graph that leads to them.

        Returns:
            (tasks, ...)
        """
        passed, policy = self._passed, self._passed._policy
        with torch.no_grad():
            scaled = policy.scaled(direction)
            outputs, sums = passed._tangent(scaled)
        # The Hessian by the outputs is symmetric: the product is a gradient.
        (curved,) = torch.autograd.grad(gradient, passed.outputs, outputs, retain_graph=True)
        with torch.no_grad():
            of_weights, of_biases = passed._passes.backward_change(
                passed._read, passed._weights, passed._layers(scaled)[0], self._deltas,
                curved[..., : policy.num_means], sums,
            )  # fmt: skip
            return passed._unscaled(of_weights, of_biases, curved)
