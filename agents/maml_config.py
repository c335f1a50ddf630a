"""What MAML, E-MAML and ProMP can be told; they are described in :mod:`agents.maml`."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.estimators.surrogate import Order
from agents.trpo import TrustRegion

__all__ = ["MAMLConfig"]


@dataclass(frozen=True, kw_only=True)
class MAMLConfig:
    """MAML on a family of tasks."""

    env_id: str = "metaenvs/KrazyWorld-v0"
    """Id of the family."""
    env_arguments: dict[str, Any] = field(default_factory=dict)
    """The family's own arguments."""
    seed: int = 0
    """Decides the weights, the tasks, the episodes and the actions."""
    total_env_steps: int = 3_000_000
    """Training ends with the iteration that reaches it; inner and outer episodes count alike."""
    num_tasks: int = 20
    """Tasks of an iteration (Finn et al.: 20 for navigation, 40 for locomotion)."""
    rollouts_per_task: int = 20
    """Episodes of a task before each inner step, and after the last (Finn et al.: 20)."""
    inner_steps: int = 1
    """Updates that adapt to a task (Finn et al.: 1)."""
    inner_rate: float = 0.1
    """Alpha, the size of these (Finn et al.: 0.1)."""
    learn_inner_rates: bool = False
    """Whether each parameter has a rate of its own, learned with the initialisation."""
    inner_estimator: Literal["score", "lvc", "taypo", "dice", "dr"] = "score"
    """Whose derivatives the inner steps have; all take the same step at the first outer epoch,
    except dice, which has no critic."""
    taypo_order: int = 2
    """K of TayPO-K."""
    dice_decay: float = 1.0
    """Loaded DiCE's discount of earlier ratios, in dice and dr; 1 is unbiased."""
    first_order: bool = False
    """Whether inner gradients are taken as constants."""
    critic: Literal["linear", "none"] = "linear"
    """Baseline of the returns: fitted to each task's own episodes, or none."""
    discount: float = 0.99
    """Gamma."""
    trace_decay: float = 1.0
    """Lambda of the generalised advantage estimates (1 in all these papers' code)."""
    standardise_inner: bool = True
    """Whether each task's inner advantages are brought to mean 0 and deviation 1, without which
    the inner rate depends on the scale of the rewards."""
    standardise_advantages: bool = True
    """Whether outer advantages are centred and, with the returns in E-MAML's term, divided by the
    deviation of the returns of all tasks."""
    outer: Literal["gradient", "ppo", "trpo"] = "trpo"
    """How the initialisation is moved: policy gradient or clipped surrogate, both by Adam, or
    trust region (Finn et al.)."""
    learning_rate: float = 1e-3
    """Of Adam (Stadie et al., Rothfuss et al.)."""
    epochs: int = 1
    """Outer steps of Adam on the same episodes (Stadie et al.: 1; Rothfuss et al.: 5)."""
    clip: float = 0.2
    """Of PPO's ratio (Stadie et al.: 0.2; Rothfuss et al.: 0.3)."""
    max_gradient_norm: float = 1.0
    """Global norm that Adam's gradients are clipped to."""
    trust_region: TrustRegion = field(default_factory=TrustRegion)
    """Of TRPO."""
    correction_weight: float = 0.0
    """E-MAML's lambda: weight of the sampling correction; 0 is MAML."""
    correction_scale: Literal["sum", "mean"] = "sum"
    """The correction's log-probabilities summed over a task's inner samples, which is exact, or
    averaged, as in released code."""
    correction_baseline: Literal["cross-task", "none"] = "cross-task"
    """What a task's return is compared with there: the mean return of the other tasks, or 0."""
    inner_divergence_weight: float = 0.0
    """ProMP's penalty on the divergence before and during adaptation (Rothfuss et al.: 5e-4)."""
    entropy_weight: float = 0.0
    """Weight of the adapted policies' entropy."""
    hidden_sizes: tuple[int, ...] = (100, 100)
    """Widths of the layers of tanh units (Finn et al.: 100, 100)."""
    initial_deviation: float = 1.0
    """Of a Gaussian policy's actions."""
    steps_per_chunk: int = 20_000
    """Tasks are updated together until they have so many steps of one phase, or the threads have
    work; on a GPU all are. It changes rounding only."""
    episodes_per_trial: int = 21
    """Episodes when evaluated: all but the last are divided among the inner steps."""
    device: str = "cpu"
    """Where the tasks are played and the networks run: "cpu" or "cuda"."""

    def __post_init__(self) -> None:
        if isinstance(self.trust_region, dict):  # as a run's folder has it
            object.__setattr__(self, "trust_region", TrustRegion(**self.trust_region))
        needed = self.inner_steps + 1
        two = 2 if self.correction_weight and self.correction_baseline == "cross-task" else 1
        checks = [
            ("seed", self.seed >= 0, "at least 0"),
            ("total_env_steps", self.total_env_steps >= 1, "at least 1"),
            ("num_tasks", self.num_tasks >= two, f"at least {two}"),
            ("rollouts_per_task", self.rollouts_per_task >= 1, "at least 1"),
            ("inner_steps", self.inner_steps >= 1, "at least 1"),
            ("inner_rate", self.inner_rate > 0, "positive"),
            ("taypo_order", self.taypo_order >= 1, "at least 1"),
            ("dice_decay", 0 <= self.dice_decay <= 1, "from 0 to 1"),
            ("discount", 0 <= self.discount <= 1, "from 0 to 1"),
            ("trace_decay", 0 <= self.trace_decay <= 1, "from 0 to 1"),
            ("learning_rate", self.learning_rate > 0, "positive"),
            ("clip", self.clip > 0, "positive"),
            (
                "trust_region.curvature_share",
                0 < self.trust_region.curvature_share <= 1,
                "above 0 and at most 1",
            ),
            ("correction_weight", self.correction_weight >= 0, "at least 0"),
            ("inner_divergence_weight", self.inner_divergence_weight >= 0, "at least 0"),
            ("entropy_weight", self.entropy_weight >= 0, "at least 0"),
            ("hidden_sizes", all(size >= 1 for size in self.hidden_sizes), "of widths from 1 on"),
            ("initial_deviation", self.initial_deviation > 0, "positive"),
            ("steps_per_chunk", self.steps_per_chunk >= 1, "at least 1"),
            ("device", self.device in ("cpu", "cuda"), '"cpu" or "cuda"'),
            ("epochs", self.epochs >= 1, "at least 1"),
            ("episodes_per_trial", self.episodes_per_trial >= needed, f"at least {needed}"),
        ]
        for name, holds, expectation in checks:
            if not holds:
                value = functools.reduce(getattr, name.split("."), self)
                raise ValueError(f"{name} must be {expectation}, got {value!r}.")

    @property
    def inner_order(self) -> Order:
        """The inner estimator's row in the table of :mod:`agents.estimators.surrogate`."""
        orders: dict[str, Order] = {"score": "score", "lvc": 1, "taypo": self.taypo_order}
        return orders.get(self.inner_estimator, math.inf)

    @property
    def curved_tasks(self) -> int:
        """How many tasks TRPO takes the curvature of."""
        return max(1, round(self.trust_region.curvature_share * self.num_tasks))
