"""MuJoCo Warp's worlds, one a row, of which every row has a model of its own."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import mujoco
import mujoco_warp
import torch
import warp as wp

from metaenvs.locomotion.models import BlockLayout, field_of
from metaenvs.locomotion.warp_kernels import align_contacts
from metaenvs.locomotion.warp_records import Physics

__all__ = ["WarpWorlds"]

CONTACTS_OF_PAIR = 2
"""At most, of the shapes that robots and grounds are made of: planes, spheres and capsules."""
ROWS_OF_CONTACT = 4
"""Rows of the constraints' matrix for a contact with friction (pyramidal cone)."""

OPTIONS = ("gravity",)
"""Fields of a block that belong to the model's options."""
ON_HOST = ("dof_M0", "meaninertia")
"""Fields of a block that MuJoCo Warp's models do not have: it derives them on its own."""


class WarpWorlds:
    """Models and data of ``num_rows`` worlds on one device, in float32.

    The fields that tasks change are views of one array, :attr:`blocks`: to write there is to
    change the worlds' models, with nothing to be compiled or captured anew.

    There is room for as many contacts as the robot's shapes can have at once, so that no world
    can take another's.

    Args:
        model: The nominal model. MuJoCo Warp has no projected Gauss-Seidel solver; models that
            ask for it (the humanoid) are solved by Newton's method, as all others are.
        num_rows: Number of worlds.
        frame_skip: Physics steps in a step.
        with_contact_forces: Whether :meth:`simulate` derives the forces on the bodies.
        device: Warp's device.
    """

    def __init__(
        self,
        model: Any,
        num_rows: int,
        *,
        frame_skip: int,
        with_contact_forces: bool,
        device: Any,
    ) -> None:
        if model.opt.solver == mujoco.mjtSolver.mjSOL_PGS:
            model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON
        # What MuJoCo Warp never does it cannot be told to leave out either.
        model.opt.disableflags &= functools.reduce(operator.or_, map(int, mujoco_warp.DisableBit))
        self.device = device
        self._frame_skip = frame_skip
        self._with_contact_forces = with_contact_forces
        with wp.ScopedDevice(device):
            self._model = mujoco_warp.put_model(model)
            self._model.callback.contactfilter = _align_contacts
            if self.device.is_cuda and not wp.is_conditional_graph_supported():
                self._model.opt.graph_conditional = False
            num_contacts = CONTACTS_OF_PAIR * len(self._model.nxn_geom_pair_filtered)
            num_limits = int(model.jnt_limited.sum() + (model.dof_frictionloss > 0).sum())
            self._data = mujoco_warp.make_data(
                model,
                nworld=num_rows,
                nconmax=num_contacts,
                njmax=ROWS_OF_CONTACT * num_contacts + num_limits,
            )
        layout = BlockLayout.of(model)
        self.blocks = torch.zeros(
            (num_rows, layout.size), dtype=torch.float32, device=wp.device_to_torch(device)
        )
        self.blocks[:] = torch.from_numpy(layout.read(model))
        for name in layout.starts:
            if name not in ON_HOST and layout.lengths[name] > 0:
                self._make_view(name, field_of(model, name).shape, layout.slice(name))
        with wp.ScopedDevice(device):
            # Older drivers cannot load kernels while a graph is captured.
            mujoco_warp.step(self._model, self._data)

    def _make_view(self, name: str, shape: tuple[int, ...], where: slice) -> None:
        """Put a part of the blocks in the place of one of the model's fields."""
        owner = self._model.opt if name in OPTIONS else self._model
        kind = getattr(owner, name).dtype
        view: torch.Tensor = self.blocks[:, where].unflatten(1, shape)  # type: ignore[no-untyped-call]
        setattr(owner, name, wp.from_torch(view, dtype=kind))

    @property
    def physics(self) -> Physics:
        """The data's arrays that the rules work on."""
        data = self._data
        physics = Physics()
        physics.positions, physics.velocities = data.qpos, data.qvel
        physics.accelerations, physics.warm_start = data.qacc, data.qacc_warmstart
        physics.controls, physics.contact_forces = data.ctrl, data.cfrc_ext
        physics.body_positions, physics.body_rotations = data.xpos, data.xmat
        return physics

    def simulate(self, after_each: Callable[[], None]) -> None:
        """Step all worlds with their controls; ``after_each`` is called after a physics step."""
        for _ in range(self._frame_skip):
            mujoco_warp.step(self._model, self._data)
            after_each()
        if self._with_contact_forces:
            mujoco_warp.rne_postconstraint(self._model, self._data)

    def place_bodies(self) -> None:
        """Derive where all bodies are from the positions."""
        mujoco_warp.kinematics(self._model, self._data)


def _align_contacts(model: Any, data: Any) -> None:
    """Called after contacts are found."""
    contact = data.contact
    wp.launch(
        align_contacts,
        dim=data.naconmax,
        inputs=[
            data.nacon, model.geom_type, data.geom_xmat, contact.geom, contact.worldid,
            contact.frame,
        ],
    )  # fmt: skip
