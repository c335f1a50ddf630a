"""The vector environment: resets, seeds, state, pools, pins, and what it refuses."""

from __future__ import annotations

import io
import threading
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from metaenvs import Tasks

EASY = "metaenvs/KrazyWorldEasy-v0"
PAPER = "metaenvs/KrazyWorld-v0"
BANDIT = "metaenvs/ExplorationBandit-v0"


def make(env_id: str, num_envs: int, **arguments: Any) -> Any:
    return gym.make_vec(env_id, num_envs=num_envs, **arguments)


def contract(env: Any) -> Any:
    return env.unwrapped


def random_actions(env: Any, num_steps: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(env.single_action_space.n, size=(num_steps, env.num_envs))


def mask_of(env: Any, *rows: int) -> np.ndarray:
    return np.isin(np.arange(env.num_envs), rows)


def same_state(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(
        first[name].dtype == second[name].dtype and np.array_equal(first[name], second[name])
        for name in first
    )


def assert_same(first: Any, second: Any) -> None:
    """Equal to the bit, in nested dictionaries, tuples and arrays of objects too."""
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for name in first:
            assert_same(first[name], second[name])
    elif isinstance(first, tuple) or (isinstance(first, np.ndarray) and first.dtype.kind == "O"):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    else:
        np.testing.assert_array_equal(first, second)
        assert np.asarray(first).dtype == np.asarray(second).dtype


def assert_steps_alike(first: Any, second: Any, actions: np.ndarray) -> None:
    """Both environments see the same from here on."""
    for action in actions:
        assert_same(first.step(action), second.step(action))


# ---------------------------------------------------------------------- resets of some rows


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_masked_reset_leaves_the_other_rows_untouched(mode: AutoresetMode) -> None:
    env = make(PAPER, 5, autoreset_mode=mode)
    env.reset(seed=0)
    observation = env.step(np.zeros(5, int))[0]
    before, mask = contract(env).get_state(), mask_of(env, 1, 3)
    after_observation, info = env.reset(options={"reset_mask": mask})
    after = contract(env).get_state()
    for name in before:
        if name.split("/")[0] in ("rows", "tasks", "states"):
            np.testing.assert_array_equal(before[name][~mask], after[name][~mask])
    np.testing.assert_array_equal(observation[~mask], after_observation[~mask])
    np.testing.assert_array_equal(after["rows/trial"] - before["rows/trial"], mask)
    assert (after["rows/episode_step"][mask] == 0).all()
    assert (after["rows/task_id"][mask] != before["rows/task_id"][mask]).all()
    np.testing.assert_array_equal(info["task_id"], after["rows/task_id"])
    for name in (name for name in info if name[0] == "_"):
        np.testing.assert_array_equal(info[name], mask)


def test_a_mask_may_be_a_strided_view_and_stays_the_callers() -> None:
    env = make(BANDIT, 3)
    env.reset(seed=0)
    wide = np.array([True, True, False, False, True, True])
    assert not wide[::2].flags.c_contiguous
    info = env.reset(options={"reset_mask": wide[::2]})[1]
    assert contract(env).get_state()["rows/trial"].tolist() == [1, 0, 1]
    wide[:] = False
    assert info["_task_id"].tolist() == [True, False, True]
    assert (wide == False).all()  # noqa: E712


def test_a_masked_reset_of_a_finished_row_takes_its_autoreset_away() -> None:
    env = make(BANDIT, 2, episodes_per_trial=1)
    env.reset(seed=0)
    assert env.step(np.zeros(2, int))[2].all()
    env.reset(options={"reset_mask": mask_of(env, 0)})
    _, reward, terminated, _, _ = env.step(np.zeros(2, int))
    assert reward.tolist() == [0.5, 0.0]
    assert terminated.tolist() == [True, False]


def test_trial_inputs_are_kept_in_rows_outside_the_mask() -> None:
    """A row's inputs after other rows were reset are those it had: zeros at a trial's start."""
    env = make(BANDIT, 3, trial_inputs="dict", episodes_per_trial=2)
    env.reset(seed=0)
    actions = np.array([0, 1, 2])
    seen = env.step(actions)[0]
    actions[:] = 6
    expected = seen["previous_action"].copy()
    for row in (0, 2):
        again = env.reset(options={"reset_mask": mask_of(env, row)})[0]
        expected[row] = 0
        np.testing.assert_array_equal(again["previous_action"], expected)
        np.testing.assert_array_equal(again["episode_end"], [0 if a == 0 else 1 for a in expected])
        np.testing.assert_array_equal(again["previous_reward"][1], seen["previous_reward"][1])
    np.testing.assert_array_equal(again["previous_reward"][[0, 2]], 0.0)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_trial_inputs_stay_zero_after_autoreset_while_others_are_reset(
    mode: AutoresetMode,
) -> None:
    env = make(BANDIT, 2, trial_inputs="dict", episodes_per_trial=1, autoreset_mode=mode)
    env.reset(seed=0)
    for _ in range(1 if mode == AutoresetMode.SAME_STEP else 2):
        seen = env.step(np.array([3, 4]))[0]
    assert seen["previous_action"].tolist() == [0, 0]
    again = env.reset(options={"reset_mask": mask_of(env, 0)})[0]
    assert again["previous_action"].tolist() == [0, 0]
    assert again["previous_reward"].ravel().tolist() == [0.0, 0.0]
    assert again["episode_end"].tolist() == [0, 0]


# ---------------------------------------------------------------------- seeds


def test_a_list_of_seeds_gives_each_row_its_own_and_none_goes_on() -> None:
    env, straight = make(PAPER, 4), make(PAPER, 4)
    env.reset(seed=0)
    straight.reset(seed=0)
    tasks = env.reset(seed=[None, 70, None, 3])[1]["task_id"]
    going_on = straight.reset()[1]["task_id"]
    assert tasks[[0, 2]].tolist() == going_on[[0, 2]].tolist()
    assert tasks[1] == make(PAPER, 1).reset(seed=70)[1]["task_id"][0]
    assert tasks[3] == make(PAPER, 1).reset(seed=3)[1]["task_id"][0]


def test_numpy_and_enormous_seeds() -> None:
    env = make(PAPER, 2)
    tasks = [
        tuple(env.reset(seed=seed)[1]["task_id"])
        for seed in (7, np.int64(7), np.array([7, 8]), 2**64 - 1, 2**64, 2**200)
    ]
    assert tasks[0] == tasks[1] == tasks[2]
    assert len(set(tasks)) == 4
    assert tasks[3][1] == tasks[4][0]


def test_without_a_seed_every_environment_is_different() -> None:
    tasks = {int(env_id) for _ in range(3) for env_id in make(PAPER, 4).reset()[1]["task_id"]}
    assert len(tasks) == 12


def test_seeds_of_rows_outside_the_mask_are_ignored() -> None:
    env = make(PAPER, 2)
    env.reset(seed=0)
    before = contract(env).get_state()
    env.reset(seed=[5, 6], options={"reset_mask": mask_of(env, 1)})
    after = contract(env).get_state()
    assert before["rows/key"][0] == after["rows/key"][0]
    assert after["rows/task_id"][1] == make(PAPER, 1).reset(seed=6)[1]["task_id"][0]


def test_sampled_tasks_go_on_and_start_anew_with_a_seeded_reset() -> None:
    env = make(PAPER, 2)
    first, second = contract(env).sample_tasks(5), contract(env).sample_tasks(5)
    assert len(Tasks.concatenate([first, second]).unique()) == 10
    assert make(PAPER, 3).unwrapped.sample_tasks(5) == first
    env.reset(seed=1)
    seeded = contract(env).sample_tasks(5)
    env.reset()
    assert contract(env).sample_tasks(5) != seeded
    env.reset(seed=1)
    assert contract(env).sample_tasks(5) == seeded
    assert seeded != first
    env.reset(seed=[None, 4])
    twin = make(PAPER, 2)
    twin.reset(seed=1)
    contract(twin).sample_tasks(5)
    assert contract(env).sample_tasks(5) == contract(twin).sample_tasks(5)


# ---------------------------------------------------------------------- exact state


STATEFUL: dict[str, Any] = {"episodes_per_trial": 3, "trial_inputs": "dict", "task_in_info": True}


def env_in_the_middle(mode: AutoresetMode) -> Any:
    """Rows in the middle of their episodes, with a pool, pins, inputs and a sampling stream."""
    env = make(EASY, 4, autoreset_mode=mode, **STATEFUL)
    env.reset(seed=3)
    contract(env).set_pool(contract(env).sample_tasks(7), np.arange(7.0))
    contract(env).set_task(contract(env).sample_tasks(4), mask=mask_of(env, 0, 2))
    env.reset(options={"reset_mask": mask_of(env, 0, 1)})
    for actions in random_actions(env, 9):
        _, _, terminated, truncated, _ = env.step(actions)
        assert not (terminated | truncated).any()
    return env


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_the_state_is_exact_in_the_middle_of_an_episode(mode: AutoresetMode) -> None:
    env = env_in_the_middle(mode)
    file = io.BytesIO()
    np.savez(file, **contract(env).get_state())
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        state = {name: archive[name] for name in archive.files}
    assert same_state(state, contract(env).get_state())
    assert all(array.dtype.names is None for array in state.values())

    restored = make(EASY, 4, autoreset_mode=mode, **STATEFUL)
    contract(restored).set_state(state)
    mask = {"reset_mask": mask_of(env, 1)}
    assert_same(env.reset(options=mask), restored.reset(options=mask))
    assert_steps_alike(env, restored, random_actions(env, 200, seed=1))
    assert contract(env).sample_tasks(5) == contract(restored).sample_tasks(5)
    assert contract(env).pool == contract(restored).pool
    assert_same(env.reset(), restored.reset())


def test_a_state_shares_no_memory_with_the_environment() -> None:
    env = env_in_the_middle(AutoresetMode.NEXT_STEP)
    state = contract(env).get_state()
    kept = {name: array.copy() for name, array in state.items()}
    env.step(np.zeros(4, int))
    assert same_state(state, kept)
    contract(env).set_state(state)
    contract(env).set_task(contract(env).sample_tasks(4))
    for actions in random_actions(env, 60):
        env.step(actions)
    assert same_state(state, kept)
    contract(env).set_state(state)
    for array in state.values():
        array[...] = 0
    kept["num_sampled"] = contract(env).get_state()["num_sampled"]
    assert same_state(contract(env).get_state(), kept)


def test_the_state_of_a_fresh_environment_asks_for_a_reset() -> None:
    env = make(BANDIT, 2)
    env.reset(seed=0)
    env.step(np.zeros(2, int))
    contract(env).set_state(contract(make(BANDIT, 2)).get_state())
    with pytest.raises(gym.error.ResetNeeded):
        env.step(np.zeros(2, int))
    with pytest.raises(gym.error.ResetNeeded):
        contract(env).get_task()


def test_states_that_do_not_fit_are_refused_and_change_nothing() -> None:
    env = env_in_the_middle(AutoresetMode.NEXT_STEP)
    state = contract(env).get_state()
    missing = {name: array for name, array in state.items() if name != "rows/key"}
    wrong: dict[str, dict[str, np.ndarray]] = {
        r"\['rows/key'\]": missing,
        r"\['surplus'\]": {**state, "surplus": np.zeros(1)},
        r"rows/trial: expected int64\[4\], got float64": {
            **state, "rows/trial": np.zeros(4)
        },
        r"tasks/start: expected int16\[4\], got int16\[3\]": {
            **state, "tasks/start": state["tasks/start"][:3]
        },
        r"pool: expected uint64.*\[7, 1\]": {**state, "pool": state["pool"][:, :1]},
        "lengths that do not fit": {**state, "pool": state["pool"][:5]},
        "lengths that do not fit.*": {**state, "pins": state["pins"][:2]},
    }  # fmt: skip
    wrong["rows/key: expected"] = contract(make(EASY, 5)).get_state()
    wrong["tasks/tiles: expected"] = contract(make(PAPER, 4)).get_state()
    for message, bad in wrong.items():
        with pytest.raises(ValueError, match=message):
            contract(env).set_state(bad)
        assert same_state(contract(env).get_state(), state)


# ---------------------------------------------------------------------- pools


def chi_square(counts: np.ndarray, expected: np.ndarray) -> float:
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("num_envs", [50, 300])
def test_pool_weights_are_frequencies(num_envs: int) -> None:
    env = make(BANDIT, num_envs)
    pool = Tasks({"best_arm": np.array([5, 2, 4, 1], np.int16)})
    weights = np.array([1.0, 0.0, 5.0, 2.0])
    env.reset(seed=0)
    current = contract(env).get_task()
    contract(env).set_pool(pool, weights)
    assert contract(env).get_task() == current
    assert contract(env).pool == pool
    resets = 6000 // num_envs
    ids = np.concatenate([env.reset()[1]["task_id"] for _ in range(resets)])
    for drawn in (ids, contract(env).sample_tasks(6000).ids):
        counts = np.array([(drawn == task_id).sum() for task_id in pool.ids])
        assert counts.sum() == 6000
        assert counts[1] == 0
        expected = 6000 * weights / 8
        # Two degrees of freedom: above 23 once in 100000.
        assert chi_square(counts[[0, 2, 3]], expected[[0, 2, 3]]) < 23


def test_a_pool_without_weights_is_uniform_and_none_is_the_familys_stream() -> None:
    pool = Tasks({"best_arm": np.array([2, 4, 6], np.int16)})
    env = make(BANDIT, 60, tasks=pool)
    counts = np.zeros(7)
    env.reset(seed=0)
    for _ in range(100):
        env.reset()
        counts += np.bincount(contract(env).get_task()["best_arm"], minlength=7)
    assert counts[[2, 4, 6]].sum() == 6000
    assert chi_square(counts[[2, 4, 6]], np.full(3, 2000.0)) < 23
    contract(env).set_pool(None)
    with pytest.raises(ValueError, match="unlimited stream"):
        contract(env).pool  # noqa: B018
    met = {int(arm) for arm in contract(env).sample_tasks(200)["best_arm"]}
    assert met == {1, 2, 3, 4, 5, 6}
    counts[:] = 0
    for _ in range(100):
        env.reset()
        counts += np.bincount(contract(env).get_task()["best_arm"], minlength=7)
    assert chi_square(counts[1:], np.full(6, 1000.0)) < 32  # Five degrees of freedom.


def test_a_pool_is_entered_at_the_next_trial_and_ids_are_its_own() -> None:
    env = make(PAPER, 3)
    pool = contract(env).sample_tasks(2)
    env.reset(seed=0)
    before = contract(env).get_task()
    contract(env).set_pool(pool)
    env.step(np.zeros(3, int))
    assert contract(env).get_task() == before
    info = env.reset()[1]
    assert set(info["task_id"]) <= set(pool.ids)
    np.testing.assert_array_equal(contract(env).get_task().ids, info["task_id"])


def test_one_task_given_to_make_is_the_whole_pool() -> None:
    env = make(BANDIT, 4, tasks={"best_arm": 3})
    env.reset(seed=0)
    assert contract(env).get_task()["best_arm"].tolist() == [3] * 4
    weighted = make(BANDIT, 4, tasks=Tasks({"best_arm": [1, 6]}), task_weights=[0, 2])
    weighted.reset(seed=0)
    assert contract(weighted).get_task()["best_arm"].tolist() == [6] * 4


def test_n_tasks_are_the_first_of_the_split() -> None:
    few, many = (make(PAPER, 1, split="train", n_tasks=number) for number in (5, 300))
    assert contract(few).pool == contract(many).pool[:5]
    assert len(contract(many).pool.unique()) == 300
    assert len(contract(make(PAPER, 1, split="test")).pool) == 64


def test_splits_divide_all_tasks_of_a_small_space() -> None:
    """A start and the only goal, which are not neighbours: enough draws meet all of them."""
    small = {"num_goals": 1, "death_fraction": 0.0, "ice_fraction": 0.0}

    def met(split: str, split_seed: int) -> set[int]:
        env = make(EASY, 2, split=split, split_seed=split_seed, **small)
        contract(env).set_pool(None)
        return set(contract(env).sample_tasks(20_000).ids.tolist())

    everything = met("all", 0)
    assert len(everything) == 25 * 24 - 2 * 40  # Ordered pairs of cells; 40 neighbouring pairs.
    tests = []
    for split_seed in (0, 1):
        train, test = met("train", split_seed), met("test", split_seed)
        assert not train & test
        assert train | test == everything
        assert 5 < len(test) < 60  # 520 / 16 = 32.5, standard deviation 5.5.
        tests.append(test)
    assert tests[0] != tests[1]


# ---------------------------------------------------------------------- sticky tasks and pins


def test_a_task_stays_for_its_trial_and_changes_with_the_next() -> None:
    env = make(EASY, 6, episodes_per_trial=3, episode_steps=5)
    ids = env.reset(seed=0)[1]["task_id"]
    over, trials = np.zeros(6, np.bool_), 0
    for actions in random_actions(env, 120):
        _, _, terminated, truncated, info = env.step(actions)
        np.testing.assert_array_equal(info["task_id"] == ids, ~over)
        trials += int(over.sum())
        ids, over = info["task_id"], terminated | truncated
    assert trials > 30


@pytest.mark.parametrize("mode", AutoresetMode)
def test_pins_of_some_rows_survive_autoreset_and_seeds(mode: AutoresetMode) -> None:
    env = make(EASY, 4, autoreset_mode=mode, episode_steps=4)
    pinned, mask = contract(env).sample_tasks(4), mask_of(env, 1, 2)
    env.reset(seed=0)
    before = contract(env).get_task()
    contract(env).set_task(pinned, mask=mask)
    env.step(np.zeros(4, int))
    assert contract(env).get_task() == before

    def check_pins() -> None:
        np.testing.assert_array_equal(contract(env).get_task().ids == pinned.ids, mask)

    env.reset(seed=8)
    check_pins()
    others = set()
    for actions in random_actions(env, 60):
        _, _, terminated, truncated, _ = env.step(actions)
        if mode == AutoresetMode.DISABLED and (terminated | truncated).any():
            env.reset(options={"reset_mask": terminated | truncated})
        check_pins()
        others.add(int(contract(env).get_task().ids[0]))
    assert len(others) > 5
    env.reset(seed=[4, None, 4, None])
    check_pins()
    contract(env).set_task(None, mask=mask_of(env, 1))
    check_pins()
    env.reset()
    mask = mask_of(env, 2)
    check_pins()


def test_one_pinned_task_serves_all_rows_and_later_pins_replace_it() -> None:
    env = make(PAPER, 3)
    tasks = contract(env).sample_tasks(2)
    env.reset(seed=0, options={"task": tasks[0]})
    assert contract(env).get_task().ids.tolist() == [tasks.ids[0]] * 3
    options = {"task": tasks[1:], "reset_mask": mask_of(env, 2)}
    env.reset(options=options)
    assert contract(env).get_task().ids.tolist() == [*[tasks.ids[0]] * 2, tasks.ids[1]]
    env.reset(seed=5)
    assert contract(env).get_task().ids.tolist() == [*[tasks.ids[0]] * 2, tasks.ids[1]]
    env.reset(options={"task": None})
    assert not set(contract(env).get_task().ids) & set(tasks.ids)


def test_a_pin_goes_before_the_pool() -> None:
    env = make(BANDIT, 3, tasks={"best_arm": 1})
    contract(env).set_task({"best_arm": 2}, mask=mask_of(env, 0))
    env.reset(seed=0)
    assert contract(env).get_task()["best_arm"].tolist() == [2, 1, 1]


# ---------------------------------------------------------------------- observations


def test_every_step_returns_fresh_arrays_that_are_the_callers() -> None:
    env, twin = (make(EASY, 3, **STATEFUL) for _ in range(2))
    env.reset(seed=0)
    twin.reset(seed=0)
    for actions in random_actions(env, 60):
        given = actions.copy()
        result = env.step(given)
        np.testing.assert_array_equal(given, actions)
        assert_same(result, twin.step(actions))
        observation, reward, terminated, truncated, info = result
        info_arrays = [value for name, value in info.items() if name not in ("task", "_task")]
        for array in (given, reward, terminated, truncated, *observation.values(), *info_arrays):
            if array.flags.writeable:
                array[...] = 1


def test_one_hot_is_the_codes_expanded() -> None:
    codes_env, env = make(EASY, 3), make(EASY, 3, one_hot=True)
    sizes = codes_env.single_observation_space.nvec
    codes, one_hot = codes_env.reset(seed=0)[0], env.reset(seed=0)[0]
    for actions in random_actions(env, 20):
        for row in range(3):
            parts = [np.eye(size)[code] for size, code in zip(sizes, codes[row], strict=True)]
            np.testing.assert_array_equal(one_hot[row], np.concatenate(parts))
        assert one_hot in env.observation_space
        codes, one_hot = codes_env.step(actions)[0], env.step(actions)[0]


def test_a_visible_task_is_seen_in_full() -> None:
    hidden, env = make(EASY, 3), make(EASY, 3, task_visible=True)
    seen, plain = env.reset(seed=0)[0], hidden.reset(seed=0)[0]
    width = plain.shape[1]
    np.testing.assert_array_equal(seen[:, :width], plain)
    tasks = contract(env).get_task()
    assert tasks == contract(hidden).get_task()
    shown = [tasks["tiles"], tasks["start"][:, None]]
    shown += [tasks["displacements"].reshape(3, -1) + 3, tasks["tile_codes"]]
    np.testing.assert_array_equal(seen[:, width:], np.concatenate(shown, axis=1))
    assert seen in env.observation_space


def test_next_step_ignores_the_action_of_a_finished_row() -> None:
    envs = [make(BANDIT, 2, episodes_per_trial=1) for _ in range(2)]
    for env in envs:
        env.reset(seed=0)
        assert env.step(np.zeros(2, int))[2].all()
    one, other = envs[0].step(np.array([0, 0])), envs[1].step(np.array([3, 6]))
    assert_same(one, other)
    assert one[1].tolist() == [0.0, 0.0]


def test_batches_may_be_stepped_from_several_python_threads() -> None:
    def rollout(env: Any, returns: list[float]) -> None:
        env.reset(seed=0)
        actions = random_actions(env, 100)
        returns.append(sum(float((env.step(a)[1] * np.arange(300)).sum()) for a in actions))

    expected: list[float] = []
    rollout(make(BANDIT, 300), expected)
    returns: list[float] = []
    workers = [
        threading.Thread(target=rollout, args=(make(BANDIT, 300), returns)) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert returns == expected * 4


def test_attributes_and_methods_can_be_called_by_name() -> None:
    env = make(BANDIT, 3)
    env.reset(seed=0)
    assert env.unwrapped.get_attr("episodes_per_trial") == (5, 5, 5)
    tasks = env.unwrapped.call("get_task")
    assert len(tasks) == 3 and tasks[0] == contract(env).get_task()


def test_pictures_and_texts_of_all_rows() -> None:
    env, texts = (make(EASY, 3, render_mode=mode) for mode in ("rgb_array", "ansi"))
    first: list[Any] = []
    for viewer in (env, texts):
        viewer.reset(seed=0)
        first.append(viewer.render())
        assert len(first[-1]) == 3
        viewer.step(np.array([0, 1, 2]))
        for row, picture in enumerate(viewer.render()):
            assert_same(picture, contract(viewer).render_row(row))
    assert all(p.dtype == np.uint8 and p.shape == first[0][0].shape for p in first[0])
    assert any((old != new).any() for old, new in zip(first[0], env.render(), strict=True))
    assert any(old != new for old, new in zip(first[1], texts.render(), strict=True))


# ---------------------------------------------------------------------- what is refused

TASK = {"best_arm": 3}
BAD_CALLS: list[tuple[str, Any, type[Exception], str]] = [
    ("step", [np.array([0, 1])], ValueError, r"shape \(3,\), got \(2,\)"),
    ("step", [np.zeros((3, 1), int)], ValueError, r"shape \(3,\), got \(3, 1\)"),
    ("step", [0], ValueError, r"shape \(3,\), got \(\)"),
    ("step", [np.zeros(3)], ValueError, "int64 numbers, got dtype float64"),
    ("step", [np.zeros(3, np.bool_)], ValueError, "int64 numbers, got dtype bool"),
    ("step", [["a", "b", "c"]], ValueError, "int64 numbers, got dtype <U1"),
    ("step", [np.array([0, 7, 0])], ValueError, r"Discrete\(7\), got 7 in row 1"),
    ("step", [np.array([0, 0, -1])], ValueError, r"Discrete\(7\), got -1 in row 2"),
    ("step", [np.array([255, 0, 0], np.uint8)], ValueError, "got 255 in row 0"),
    ("reset", [{"seed": -1}], ValueError, "seed must be an integer of at least 0, got -1"),
    ("reset", [{"seed": 1.5}], ValueError, "a list with one for each row, or None; got 1.5"),
    ("reset", [{"seed": "one"}], ValueError, "a list with one for each row, or None; got 'one'"),
    ("reset", [{"seed": [1, 2]}], ValueError, "num_envs=3, got 2"),
    ("reset", [{"seed": [1, 2, 0.5]}], ValueError, "integer of at least 0, got 0.5"),
    ("reset", [{"seed": [1, 2, True]}], ValueError, "integer of at least 0, got True"),
    ("reset", [{"seed": [1, 2, -3]}], ValueError, "integer of at least 0, got -3"),
    ("reset", [{"options": {"tusk": TASK}}], ValueError, r"\['task', 'reset_mask'\].*'tusk'"),
    ("reset", [{"options": {"task": {}}}], ValueError, r"missing \['best_arm'\]"),
    ("reset", [{"options": {"task": {"best_arm": 0}}}], ValueError, "'best_arm' must lie in"),
    ("reset", [{"options": {"reset_mask": [True] * 3}}], TypeError, "NumPy array, got list"),
    ("reset", [{"options": {"reset_mask": np.ones(3, int)}}], TypeError, "Boolean.*got int64"),
    ("reset", [{"options": {"reset_mask": np.ones(2, bool)}}], ValueError, r"\(3,\), got \(2,\)"),
    ("reset", [{"options": {"reset_mask": np.zeros(3, bool)}}], ValueError, "at least one row"),
    ("reset", [{"seed": 5, "options": {"task": {}}}], ValueError, "missing"),
    ("reset", [{"seed": [5], "options": {"task": TASK}}], ValueError, "num_envs=3, got 1"),
    ("set_task", [{"best_arm": 7}], ValueError, "'best_arm' must lie in"),
    ("set_task", [{"best_arm": [3]}], ValueError, r"shape \(\), got \(1,\)"),
    ("set_task", [3], TypeError, "a task .*or Tasks, got int"),
    ("set_task", [Tasks({"best_arm": [1, 2]})], ValueError, "1 or num_envs=3 tasks, got 2"),
    ("set_task", [Tasks({"arm": [1]})], ValueError, "missing.*unknown"),
    ("set_task", [TASK, {"mask": [1, 0, 1]}], ValueError, "Boolean array.*got int64"),
    ("set_task", [TASK, {"mask": np.ones(2, bool)}], ValueError, r"\(3,\), got bool.*\(2,\)"),
    ("set_pool", [Tasks({"best_arm": [1, 9]})], ValueError, "'best_arm'.*in task 1"),
    ("set_pool", [Tasks({"best_arm": np.zeros(0, int)})], ValueError, "at least one task"),
    ("set_pool", [Tasks({"best_arm": [1]}), [1, 2]], ValueError, "1 finite numbers"),
    ("set_pool", [Tasks({"best_arm": [1, 2]}), [0, 0]], ValueError, "not all 0"),
    ("set_pool", [Tasks({"best_arm": [1, 2]}), [-1, 2]], ValueError, "at least 0"),
    ("set_pool", [Tasks({"best_arm": [1, 2]}), [np.nan, 2]], ValueError, "finite"),
    ("sample_tasks", [0], ValueError, "n_tasks must be an integer of at least 1, got 0"),
    ("sample_tasks", [2.0], ValueError, "n_tasks must be an integer of at least 1, got 2.0"),
]


@pytest.mark.parametrize(("method", "arguments", "error", "message"), BAD_CALLS)
def test_bad_input_gives_a_clear_error_and_changes_nothing(
    method: str, arguments: list[Any], error: type[Exception], message: str
) -> None:
    env = make(BANDIT, 3)
    env.reset(seed=0, options={"task": {"best_arm": 2}})
    env.step(np.zeros(3, int))
    before = contract(env).get_state()
    positional = [argument for argument in arguments if not isinstance(argument, dict)]
    named = arguments[-1] if isinstance(arguments[-1], dict) else {}
    if method == "set_task" and "mask" not in named and named:
        positional, named = [named], {}
    if method == "set_task" and "mask" in named:
        positional = [arguments[0]]
    with pytest.raises(error, match=message):
        getattr(env.unwrapped, method)(*positional, **named)
    assert same_state(contract(env).get_state(), before)


def test_an_illegal_action_in_a_large_batch_steps_no_row() -> None:
    env = make(BANDIT, 300)
    env.reset(seed=0)
    before = contract(env).get_state()
    actions = np.zeros(300, int)
    actions[299] = 7
    with pytest.raises(ValueError, match="got 7 in row 299"):
        env.step(actions)
    assert same_state(contract(env).get_state(), before)


def test_a_reset_is_asked_for_before_the_first_step() -> None:
    env = make(BANDIT, 2)
    for call in (lambda: env.step(np.zeros(2, int)), contract(env).get_task):
        with pytest.raises(gym.error.ResetNeeded, match=r"Call reset\(\) first"):
            call()
    with pytest.raises(ValueError, match="leaves out rows that were never reset"):
        env.reset(options={"reset_mask": mask_of(env, 0)})
    env.reset(seed=0)
    env.step(np.zeros(2, int))


def test_disabled_refuses_to_step_finished_rows() -> None:
    env = make(EASY, 3, autoreset_mode=AutoresetMode.DISABLED, episode_steps=2)
    env.reset(seed=0)
    env.step(np.zeros(3, int))
    env.reset(options={"reset_mask": mask_of(env, 1)})
    truncated = env.step(np.zeros(3, int))[3]
    assert truncated.tolist() == [True, False, True]
    before = contract(env).get_state()
    with pytest.raises(gym.error.ResetNeeded, match=r"Rows \[0, 2\] have finished"):
        env.step(np.zeros(3, int))
    assert same_state(contract(env).get_state(), before)
    env.reset(options={"reset_mask": mask_of(env, 0, 2)})
    assert env.step(np.zeros(3, int))[3].tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_envs": 0}, ValueError, "num_envs must be an integer of at least 1, got 0"),
        ({"num_envs": 2.0}, ValueError, "num_envs must be an integer of at least 1, got 2.0"),
        ({"split": "tran"}, ValueError, r"split must be one of \('train'.*got 'tran'"),
        ({"split_seed": -1}, ValueError, "split_seed must be an integer from 0.*got -1"),
        ({"split_seed": 0.5}, ValueError, "split_seed must be an integer from 0.*got 0.5"),
        ({"n_tasks": 0}, ValueError, "n_tasks must be an integer of at least 1, got 0"),
        ({"n_tasks": 3, "tasks": "pool"}, ValueError, "either tasks or n_tasks"),
        ({"tasks": 3}, TypeError, "Tasks, got int"),
        ({"task_weights": [1.0]}, ValueError, "task_weights needs tasks"),
        ({"episodes_per_trial": 0}, ValueError, "episodes_per_trial must be.*got 0"),
        ({"episode_steps": 0}, ValueError, "episode_steps must be.*got 0"),
        ({"max_episode_steps": 0}, ValueError, "max_episode_steps must be.*got 0"),
        ({"trial_inputs": "list"}, ValueError, "trial_inputs must be None, 'dict' or 'flat'"),
        ({"autoreset_mode": "never"}, ValueError, r"one of \['NextStep'.*got 'never'"),
        ({"task_visible": "no"}, ValueError, "task_visible must be True or False, got 'no'"),
        ({"one_hot": 1}, ValueError, "one_hot must be True or False, got 1"),
        ({"render_mode": "human"}, ValueError, "render_mode must be None or one of"),
        ({"colour": 3}, TypeError, "colour"),
        ({"one_hot": True, "image": True}, ValueError, "one_hot needs an observation of codes"),
    ],
)
def test_constructor_arguments_are_checked(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        gym.make_vec(EASY, **arguments)


def test_the_single_environment_has_no_arguments_of_batches() -> None:
    for arguments in ({"num_envs": 2}, {"autoreset_mode": AutoresetMode.SAME_STEP}):
        with pytest.raises(TypeError, match=r"belongs to gymnasium.make_vec"):
            gym.make(EASY, **arguments)
    env = gym.make(EASY)
    with pytest.raises(ValueError, match=r"knows the options \['task'\], got \['reset_mask'\]"):
        env.reset(options={"reset_mask": np.ones(1, np.bool_)})
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"Discrete\(4\), got 4"):
        env.unwrapped.step(4)
