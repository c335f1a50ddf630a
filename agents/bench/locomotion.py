"""Measurements of locomotion: steps per second beside MuJoCo's own limit and other packages."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from agents.bench import peers
from agents.bench.rows import Row, absent_row, measured_row
from agents.bench.timing import Contender, Effort, interleave, sustained

__all__ = [
    "CONTESTS", "STEPS_UNIT", "ant_batch", "half_cheetah_batch", "locomotion_memory",
    "locomotion_single", "step_block", "varied_batch",
]  # fmt: skip

STEPS_UNIT = "env steps/s"
BATCH_SIZES = (64, 256)
BLOCK_STEPS = 20
ROLLOUT_STEPS = 40
"""Environment steps in one call of the open-loop rollout: the cost of the call is lost in it."""
MANY_MODELS = 1024

CONTESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    # Id, EnvPool's task, and arguments with which it computes no contact forces and ends at its
    # limit alone, as ours.
    "HalfCheetah": (
        "metaenvs/DOMINOHalfCheetah-v0",
        "HalfCheetah-v5",
        {"post_constraint": False},
    ),
    "Ant": (
        "metaenvs/DOMINOAnt-v0",
        "Ant-v5",
        {
            "post_constraint": False, "use_contact_force": False, "contact_cost_weight": 0.0,
            "terminate_when_unhealthy": False,
        },
    ),
}  # fmt: skip
SINGLES = {"HalfCheetah": "HalfCheetah-v5", "Ant": "Ant-v5"}


def half_cheetah_batch(effort: Effort) -> list[Row]:
    """HalfCheetah, every row with its own model, beside open-loop physics and EnvPool."""
    return _batch_rows("half-cheetah-batch", "HalfCheetah", effort)


def ant_batch(effort: Effort) -> list[Row]:
    """Ant likewise."""
    return _batch_rows("ant-batch", "Ant", effort)


def _batch_rows(name: str, robot: str, effort: Effort) -> list[Row]:
    env_id, pool_id, pool_arguments = CONTESTS[robot]
    pools = {"EnvPool without contact forces": pool_arguments, "EnvPool as it ships": {}}
    rows: list[Row] = []
    for num_envs in BATCH_SIZES:
        env = varied_batch(env_id, num_envs)
        ours, limit = "step()", "open-loop mujoco.rollout"
        blocks = {ours: step_block(env), limit: _rollout_block(env)}
        if peers.installed(peers.ENVPOOL):
            for pool, arguments in pools.items():
                blocks[pool] = peers.envpool_block(pool_id, num_envs, BLOCK_STEPS, arguments)
        rates = interleave(
            [Contender(what, sustained(block, effort.seconds)) for what, block in blocks.items()],
            effort.repeats,
        )
        label = f"{robot}, {num_envs} rows"
        notes = {
            ours: f"{num_envs} different models, no contact forces",
            limit: "the same models, as many physics steps",
            **dict.fromkeys(pools, "one model"),
        }
        for what, note in notes.items():
            if what not in rates:
                rows.append(absent_row(name, f"{label}: {what}", peers.ENVPOOL))
                continue
            rows.append(measured_row(name, f"{label}: {what}", STEPS_UNIT, rates[what], note))
            if what != ours:
                ratio = rates[ours] / rates[what]
                rows.append(measured_row(name, f"{label}: ratio to {what}", "times", ratio))
    return rows


def locomotion_single(effort: Effort) -> list[Row]:
    """One robot behind ``gymnasium.Env``, beside Gymnasium's own."""
    name = "locomotion-single"
    rows: list[Row] = []
    for robot, theirs_id in SINGLES.items():
        ours, theirs = f"{robot}, ours", f"{robot}, Gymnasium's"
        envs = {
            ours: gym.make(CONTESTS[robot][0]).unwrapped,
            theirs: gym.make(theirs_id).unwrapped,
        }
        contenders = [
            Contender(what, sustained(_single_block(env), effort.seconds))
            for what, env in envs.items()
        ]
        rates = interleave(contenders, effort.repeats)
        notes = {ours: "no contact forces", theirs: "as it ships, with contact forces"}
        rows += [measured_row(name, what, STEPS_UNIT, rates[what], notes[what]) for what in envs]
        ratio = rates[ours] / rates[theirs]
        rows.append(measured_row(name, f"{robot}: ratio", "times", ratio))
    return rows


def locomotion_memory(effort: Effort) -> list[Row]:
    """What 1,024 different models cost; the kernels were compiled before."""
    name = "locomotion-memory"
    rows: list[Row] = []
    for robot, (env_id, _, _) in CONTESTS.items():
        varied_batch(env_id, 2)
        before, begun = _resident(), time.perf_counter()
        env = varied_batch(env_id, MANY_MODELS)
        seconds = time.perf_counter() - begun
        added, total = _resident() - before, _resident()
        label = f"{robot}, {MANY_MODELS:,} models"
        rows.append(measured_row(name, f"{label}: made and reset", "s", [seconds]))
        rows.append(measured_row(name, f"{label}: added", "MiB", [added]))
        rows.append(measured_row(name, f"{label}: whole process", "MiB", [total]))
        env.close()
    return rows


def varied_batch(env_id: str, num_envs: int) -> Any:
    """Every row with a model of its own: masses and damping drawn from ranges."""
    env: Any = gym.make_vec(env_id, num_envs=num_envs, mode="range", autoreset_mode="SameStep")
    _, info = env.reset(seed=0)
    assert len(set(info["task_id"].tolist())) == num_envs
    return env


def _actions(env: Any, num_steps: int) -> npt.NDArray[np.float32]:
    size = (num_steps, env.num_envs, *env.single_action_space.shape)
    return np.random.default_rng(0).uniform(-1, 1, size).astype(np.float32)


def step_block(env: Any) -> Callable[[], int]:
    """Random steps, the actions drawn before."""
    actions = _actions(env, BLOCK_STEPS)

    def block() -> int:
        for row_actions in actions:
            env.step(row_actions)
        return BLOCK_STEPS * int(env.num_envs)

    return block


def _rollout_block(env: Any) -> Callable[[], int]:
    """The same models, states and kind of actions, stepped without looking at them."""
    from mujoco import MjData, rollout

    from metaenvs.locomotion.family import model_of
    from metaenvs.locomotion.published import PUBLISHED
    from metaenvs.locomotion.robots import ROBOTS

    state = env.unwrapped.get_state()
    setting = env.spec.kwargs["setting"]
    models = [model_of(setting, block) for block in state["states/block"]]
    model, frame_skip = models[0], ROBOTS[PUBLISHED[setting].robot].frame_skip
    datas = [MjData(model) for _ in range(len(os.sched_getaffinity(0)))]
    start = np.concatenate(
        [
            np.zeros((env.num_envs, 1)),
            state["states/positions"][:, : model.nq],
            state["states/velocities"][:, : model.nv],
        ],
        axis=1,
    )
    actions = np.repeat(_actions(env, ROLLOUT_STEPS), frame_skip, axis=0).swapaxes(0, 1)
    controls = np.ascontiguousarray(actions, np.float64)
    states = np.zeros((env.num_envs, controls.shape[1], start.shape[1]))
    runner = rollout.Rollout(nthread=len(datas))

    def block() -> int:
        nonlocal start
        runner.rollout(
            models, datas, start, controls, state=states, skip_checks=True,
            nstep=controls.shape[1],
        )  # fmt: skip
        # On from where it came to, as the environment goes on; a fall is not undone in either.
        start = states[:, -1].copy()
        return ROLLOUT_STEPS * int(env.num_envs)

    return block


def _single_block(env: Any) -> Callable[[], int]:
    actions = np.random.default_rng(0).uniform(-1, 1, (100, *env.action_space.shape))
    actions = actions.astype(np.float32)
    env.reset(seed=0)

    def block() -> int:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return len(actions)

    return block


def _resident() -> float:
    """Resident memory of this process in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
