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

from agents.task_policy import Parameters, TaskPolicy

__all__ = ["ForwardPass", "Slopes"]


class ForwardPass:
    """Outputs of a policy's network, and what their derivatives need; no graph leads to it.

    Args:
        policy: Whose network.
        parameters: Of each task (tasks, ...).
        features: (tasks, n, features).
    """

    def __init__(self, policy: TaskPolicy, parameters: Parameters, features: Tensor) -> None:
        self._policy = policy
        with torch.no_grad():
            self._scaled = policy.scaled(parameters)
            self._read: list[Tensor] = []
            outputs = policy.run(self._scaled, features, self._read)
        self.outputs = outputs.requires_grad_()
        """(tasks, n, outputs), a leaf: objectives of outputs are differentiated down to it."""

    @torch.no_grad()
    def slopes(self, gradient: Tensor) -> Slopes:
        """The gradient by the parameters, from that by the outputs (tasks, n, outputs)."""
        policy, scaled = self._policy, self._scaled
        deviations = gradient[..., policy.num_means :]
        delta = gradient[..., : policy.num_means]
        deltas, found = [delta], {}
        for number in reversed(range(policy.num_layers)):
            read = self._read[number]
            found[f"weight_{number}"] = _products(read, delta)
            found[f"bias_{number}"] = delta.sum(1, keepdim=True)
            if number:
                delta = _through_units(delta @ scaled[f"weight_{number}"].mT, read)
                deltas.insert(0, delta)
        if "log_deviation" in scaled:
            found["log_deviation"] = deviations.sum(1)
        return Slopes(self, deltas, policy.unscaled(found))

    @torch.no_grad()
    def tangent(self, direction: Parameters) -> Tensor:
        """How the outputs (tasks, n, outputs) change along a direction (tasks, ...)."""
        return self._tangent(self._policy.scaled(direction))[0]

    def _tangent(self, direction: Parameters) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Also how sums and units of the hidden layers change; of a scaled direction."""
        sums: list[Tensor] = []
        units: list[Tensor] = []
        for number in range(self._policy.num_layers):
            change = torch.baddbmm(
                direction[f"bias_{number}"], self._read[number], direction[f"weight_{number}"]
            )
            if number:
                change.baddbmm_(units[-1], self._scaled[f"weight_{number}"])
            if number < self._policy.num_layers - 1:
                sums.append(change)
                units.append(torch.ops.aten.sigmoid_backward(change, self._read[number + 1]))
        return self._policy.with_deviations(change, direction), sums, units


class Slopes:
    """The gradient of an objective of the outputs by the parameters; it can be differentiated."""

    def __init__(self, passed: ForwardPass, deltas: list[Tensor], gradient: Parameters) -> None:
        self._passed, self._deltas = passed, deltas
        self._bends: list[Tensor] | None = None
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
        passed = self._passed
        with torch.no_grad():
            scaled = passed._policy.scaled(direction)
            outputs, sums, units = passed._tangent(scaled)
        # The Hessian by the outputs is symmetric: the product is a gradient.
        (curved,) = torch.autograd.grad(gradient, passed.outputs, outputs, retain_graph=True)
        with torch.no_grad():
            return self._change(scaled, curved, sums, units)

    def _change(
        self, direction: Parameters, curved: Tensor, sums: list[Tensor], units: list[Tensor]
    ) -> Parameters:
        policy, scaled, read = self._passed._policy, self._passed._scaled, self._passed._read
        if self._bends is None:
            self._bends = [
                torch.addcmul(delta, delta, unit, value=-2)
                for delta, unit in zip(self._deltas, read[1:], strict=False)
            ]
        found = {}
        change = curved[..., : policy.num_means]
        for number in reversed(range(policy.num_layers)):
            weight = _products(read[number], change)
            found[f"bias_{number}"] = change.sum(1, keepdim=True)
            if number:
                delta = self._deltas[number]
                weight += _products(units[number - 1], delta)
                change = change @ scaled[f"weight_{number}"].mT
                change.baddbmm_(delta, direction[f"weight_{number}"].mT)
                change = _through_units(change, read[number])
                change.addcmul_(self._bends[number - 1], sums[number - 1])
            found[f"weight_{number}"] = weight
        if "log_deviation" in scaled:
            found["log_deviation"] = curved[..., policy.num_means :].sum(1)
        return policy.unscaled(found)


def _products(one: Tensor, other: Tensor) -> Tensor:
    """``one.mT @ other``, of many rows; where the second is narrow, in the order that is faster."""
    if other.shape[-1] < one.shape[-1]:
        return (other.mT @ one).mT
    return one.mT @ other


def _through_units(gradient: Tensor, units: Tensor) -> Tensor:
    """From the gradient by sigmoid units to that by their sums, in the memory of the first."""
    through: Tensor = torch.ops.aten.sigmoid_backward.grad_input(
        gradient, units, grad_input=gradient
    )
    return through
