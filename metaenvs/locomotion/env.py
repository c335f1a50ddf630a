"""Locomotion as Gymnasium environments, single and vector."""

from __future__ import annotations

from typing import Any

from metaenvs.env import ArrayEnv
from metaenvs.locomotion.family import locomotion
from metaenvs.vector_env import ArrayVectorEnv

__all__ = ["LocomotionEnv", "LocomotionVectorEnv", "locomotion"]


class LocomotionVectorEnv(ArrayVectorEnv):
    """Many robots in one batch; the manual is :class:`LocomotionEnv`."""

    metadata = {**ArrayVectorEnv.metadata, "render_fps": 20}
    family = staticmethod(locomotion)

    def __new__(cls, *arguments: Any, device: str = "cpu", **named: Any) -> LocomotionVectorEnv:
        """An environment on ``device``: on a GPU of the class that steps MuJoCo Warp."""
        if device != "cpu":
            from metaenvs.locomotion.warp_vector_env import WarpVectorEnv

            cls = WarpVectorEnv
        return object.__new__(cls)


class LocomotionEnv(ArrayEnv):
    """MuJoCo robots of which dynamics or goals are hidden and differ from task to task.

    ## Description
    A robot of Gymnasium's (its own model files, version 5), a *variation* of its dynamics, and a
    *goal*; what a paper's experiment fixes is a *setting*, and every setting is an id. In the
    nominal task (all factors 1) positions, velocities and rewards are those of Gymnasium's own
    environment to the last bit. Every row of a batch has a model of its own.

    ## Settings
    | ids | reproduces | what varies | splits |
    |---|---|---|---|
    | `CaDMHalfCheetah`, `CaDMSlimHumanoid` | CaDM's main table | mass, damping | train, moderate, extreme |
    | `CaDMAnt` | CaDM's main table | mass of legs 1, 2 by m, of legs 3, 4 by 1/m | train, moderate, extreme (0.4 is in both) |
    | `CaDMCrippledHalfCheetah` | CaDM's main table | one joint without torque (extreme: both front shin and foot) | train, moderate, extreme |
    | `TMCLHopper`, `TMCLHalfCheetah`, `TMCLSlimHumanoid` | T-MCL's table | mass | train, test |
    | `TMCLCrippledAnt` | T-MCL's table | a leg without torque | train, test |
    | `DOMINOHalfCheetah`, `DOMINOSlimHumanoid`, `DOMINOHopper` | DOMINO's table | mass, damping | train, test (four corners), extreme (SaMI's) |
    | `DOMINOAnt` | DOMINO's table | mass and damping by legs | train, test |
    | `DOMINOCrippledAnt`, `DOMINOCrippledHalfCheetah` | DOMINO's table, mass varied in tests too (the authors' code drops it there) | a leg or joint without torque, mass | train, test |
    | `LDMAntDirection`, `LDMAntGoal`, `LDMHalfCheetahVelocity` | LDM's extrapolation benchmarks, two episodes of 200 steps | goal | train, test, probes |
    | `RandomParametersHopper`, `RandomParametersWalker2d` | PEARL's and VariBAD's rand_param_envs, 40 and 10 tasks | each mass, inertia, friction and damping by its own factor | train, test, all |
    | `MetODSAntDirection`, `MetODSHalfCheetahDirection` | MetODS's robot impairment | direction; impaired: one actuator frozen | train, impaired |
    | `ITTSHalfCheetahVelocity`, `ITTSAntVelocity` | ITTS's domains with their lists | velocity | train (40 tasks), validation, test |
    | `SparseHalfCheetahVelocity`, `SparseAntGoal`, `SparseHopperVelocity`, `SparseWalker2dVelocity` | hindsight transfer under sparse rewards and changed dynamics, DRaT's problem (its own tasks are not published: HFR's reward for the first, ours for the others) | goal and every element of the dynamics | train, test, all |
    | `HFRHalfCheetahVelocity`, `HFRAntGoal` | HFR's sparse-reward experiments with the authors' lists of tasks, Ant with PEARL's gears (30) | velocity; place on a half circle of 2 m | train (100), test (30) |
    | `HFRAntVelocity` | HFR's dense-reward experiment, alike | velocity | train (150), test (30) |
    | `HFRAntVelocitySparse` | HFR's `ant-vel-sparse`, for which no configuration is published: numbers of tasks are `HFRAntVelocity`'s | velocity | train (150), test (30) |
    | `HFRHalfCheetahHighDim` | HFR's `cheetah-highdim`, with the authors' list of tasks | 18 weights of the state | train (100), test (30) |
    | `RIASwimmer` | RIA's swimmer but for its damping, of which Gymnasium's model has none | mass | train, moderate, extreme |

    ## Action Space
    `Box(-1, 1, (actuators,), float32)`, scaled to the actuators' range (slim humanoid: 0.4). As in
    Gymnasium a larger action is not clipped before its cost is charged, only by the actuator.

    ## Observation Space
    `Box(-inf, inf, float64)`, parts in this order:

    | part | size | in |
    |---|---|---|
    | velocity along x over the last step | 1 | CaDM's, T-MCL's and DOMINO's HalfCheetah and Ant |
    | generalised positions but for x, or x and y (Ant with a goal position, HFR's and crippled Ant, HalfCheetah with weights of the state: all) | | all |
    | generalised velocities (Hopper, Walker2d: clipped to 10) | | all |
    | rotation matrix of the torso | 9 | crippled Ant |
    | position of the torso, as of the last physics step's beginning | 3 | crippled Ant; HalfCheetah with a goal velocity |
    | external contact forces of all bodies, clipped to 1 | 84 | `LDMAntGoal`, HFR's Ant |
    | the task, entries in the order of their names | | `task_visible=True` |

    ## Task Space
    `Dict` of float64 entries, of which each setting has some. Factors multiply fields of the
    nominal model: `mass_scale`, `inertia_scale`, `damping_scale`, `friction_scale`,
    `gravity_scale`, `strength_scale` (one number for all), `actuator_strength` (one for each
    actuator; 0 cripples it: its action neither moves nor costs), `body_mass_scale`,
    `body_inertia_scale`, `geom_friction_scale`, `dof_damping_scale` (one for each element),
    `leg_mass_scale`, `leg_damping_scale` (Ant: legs 1, 2 by the factor, 3, 4 by its inverse).
    Goals: `goal_velocity` (m/s), `goal_direction` (rad), `goal_position` (m), `goal_weights` (18,
    in the order of HalfCheetah's generalised positions and velocities). Within a trial the model
    stays. MuJoCo's derived constants follow a task's masses and inertias.

    ## Splits
    See the table; the first is the default. Published sets are lists (`env.unwrapped.pool`), drawn
    uniformly. Ranges are streams, or lists with `n_tasks`.

    ## Rewards
    Goal, plus bonus, less costs; `info` has `reward_goal` and `reward_rest`. Forward: velocity
    along x. Direction: velocity along `goal_direction`. Velocity: minus its absolute difference to
    `goal_velocity`. Position: minus the sum of both coordinates' distances to `goal_position`.
    Sparse ones pay within a radius only: HalfCheetah 2 - |v - v*| within 0.3, Hopper and Walker2d
    1 - |v - v*| / 0.3 within 0.3, Ant 1 - d / 0.8 within 0.8 m; `HFRAntGoal` 4 less the sum of both
    coordinates' distances between goal and robot, or goal and origin while the robot is more than
    0.8 m from its goal (so that what it pays there differs from task to task, as the authors' does).
    `HFRAntVelocitySparse` minus |v - v*|, and 1 more where that is less than 0.5: not sparse but
    for its name. State: the sum of `goal_weights` times HalfCheetah's generalised positions and
    velocities, each less its mean and over its deviation in the authors' file. The position along x
    is one of them (deviation 0.25 m), so that the farther it has gone the more its weight decides.
    `metaenvs.locomotion.relabelling.RewardFunction` is the reward as a function of state, action,
    next state and task.

    | setting | control cost | contact cost | bonus |
    |---|---|---|---|
    | CaDM, T-MCL, DOMINO: HalfCheetah | 0.1 | | |
    | the same: Ant, crippled Ant | 0.005, 0 | | 0.05 |
    | the same: slim humanoid (velocity before the step times 0.25 / 0.015) | 0.1 | | 5 while its height is 1 to 2 m |
    | the same: Hopper; random parameters | 0.001 | | 1 |
    | LDM, MetODS: Ant direction | 0.5 | 0.0005 | 1 |
    | LDM: Ant goal | 0.1 | 0.0005 | |
    | ITTS: Ant | 0.005 | 0.0005 | 1.05 |
    | HalfCheetah velocity, direction and state | 0.05 | | |
    | sparse Ant; sparse Hopper, Walker2d | 0.005; 0.001 | | 0; 0.05 |
    | HFR: Ant goal, sparse Ant velocity; Ant velocity | 0.005 | 0.0005 | 0.05; 1.05 |
    | RIA's swimmer | 0.0001 | | |

    ## Starting State
    Gymnasium's: the nominal pose with noise; CaDM's and its successors' HalfCheetah: normal with
    scale 0.001.

    ## Episode End
    Truncated after 1000 steps (Hopper of T-MCL and DOMINO 500, ITTS 100, all with goals and random
    parameters 200). Terminated only in LDM's, MetODS's and ITTS's Ant with directions or
    velocities and in HFR's (height outside 0.2 to 1 m), and in Hopper and Walker2d with random parameters or
    sparse goals (Gymnasium's limits). Where the physics diverges (a number that is not finite or
    beyond 1e10, or any other warning of MuJoCo's) the episode ends at once: terminated, reward 0,
    `info["diverged"]`, and the observation is the last good one. Other rows go on untouched.

    ## Arguments
    - `setting`: the name of an id without namespace and version (each id gives its own).
    - `mode` ("set"): "range" draws uniformly between the least and greatest number of each set.
    - `scale_inertia` (False): masses scale the inertias of their bodies alike.
    - `recompute_constants` (True): False leaves what MuJoCo derives from masses at its nominal
      values, as the code of CaDM, T-MCL and DOMINO did.
    - `contact_forces` (True): False leaves them out of observation and costs, as versions 2.0 of
      mujoco-py in effect did.
    - `leg_damping` ("intended"): "upstream" is DOMINO's code, in which leg 1 is multiplied and legs
      2, 3 and 4 are divided.
    - `robot` ("half_cheetah", "ant", "hopper", "walker2d", "slim_humanoid", "swimmer"), `goal`
      ("forward", "direction", "velocity", "position", "sparse_velocity", "sparse_velocity_unit",
      "sparse_position", "position_or_start", "velocity_bonus", "state"), `vary` (names of a task's entries to sets of values, or to
      `Between`, `Powers` and `Disc` of `metaenvs.locomotion.distributions`), `reward`,
      `observation`, `start`: change the setting, to put an experiment of your own together.
    - `device` ("cpu"; `make_vec` only): "cuda" steps MuJoCo Warp on a GPU; see "Locomotion with
      changed dynamics" for what differs.
    - Those of every family: see `metaenvs.vector_env.ArrayVectorEnv`.

    ## Info
    `x_position`, `y_position` (m), `x_velocity`, `y_velocity` (m/s, over the last step),
    `reward_goal`, `reward_rest`, `diverged`; and the entries of every family.

    ## Differences from the Authors' Code
    Masses change MuJoCo's derived constants; test tasks of the crippled robots have their mass
    applied; Ant's damping is by legs. Each has an argument above but the second. Sums of squared
    actions are in float64. Random parameters are drawn on Gymnasium's current models, where PEARL
    used MuJoCo 1.31's. HalfCheetah and Ant of LDM see no flag of an episode's end among their
    observations: `trial_inputs` gives it.

    ## Version History
    - v0: first version.
    """

    vector_env = LocomotionVectorEnv
    metadata = {**ArrayEnv.metadata, "render_fps": 20}
