"""Choosing which tasks are met: uniformly, from fixed lists and splits, from grids."""

from __future__ import annotations

from task_samplers.fixed import FixedSampler
from task_samplers.grid import ProductGrid, product_grid
from task_samplers.protocol import TaskSampler
from task_samplers.split import SplitSampler, split_tasks
from task_samplers.uniform import UniformSampler

__all__ = [
    "FixedSampler",
    "ProductGrid",
    "SplitSampler",
    "TaskSampler",
    "UniformSampler",
    "product_grid",
    "split_tasks",
]
