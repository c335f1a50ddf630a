"""The ids of this package, as data."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

__all__ = ["IDS", "register_all"]

KRAZY_WORLD = "metaenvs.krazy_world.env:KrazyWorld"
EXPLORATION_BANDIT = "metaenvs.exploration_bandit:ExplorationBandit"
POINT_CORNERS = "metaenvs.corners.point_corners:PointCorners"
GRID_CORNERS = "metaenvs.corners.grid_corners:GridCorners"
DECOY_CORNERS = "metaenvs.corners.decoy_corners:DecoyCorners"
POINT_WIND = "metaenvs.point_wind:PointWind"
TABULAR_MDP = "metaenvs.tabular.tabular_mdp:TabularMDP"
BANDIT = "metaenvs.tabular.bandit:Bandit"
ITERATED_GAME = "metaenvs.matrix_games.iterated_game:IteratedGame"
LOCOMOTION = "metaenvs.locomotion.env:Locomotion"
LOCOMOTION_SETTINGS = (
    "CaDMHalfCheetah", "CaDMAnt", "CaDMCrippledHalfCheetah", "CaDMSlimHumanoid",
    "TMCLHopper", "TMCLHalfCheetah", "TMCLSlimHumanoid", "TMCLCrippledAnt",
    "DOMINOHalfCheetah", "DOMINOAnt", "DOMINOSlimHumanoid", "DOMINOHopper", "DOMINOCrippledAnt",
    "DOMINOCrippledHalfCheetah",
    "LDMAntDirection", "LDMAntGoal", "LDMHalfCheetahVelocity",
    "RandomParametersHopper", "RandomParametersWalker2d",
    "SparseHalfCheetahVelocity", "SparseAntGoal", "SparseHopperVelocity",
    "SparseWalker2dVelocity", "HFRHalfCheetahVelocity", "HFRAntGoal", "HFRAntVelocity",
    "HFRAntVelocitySparse", "HFRHalfCheetahHighDim",
    "MetODSAntDirection", "MetODSHalfCheetahDirection",
    "ITTSHalfCheetahVelocity", "ITTSAntVelocity", "RIASwimmer",
)  # fmt: skip
"""Names in metaenvs.locomotion.published, which is not imported before an environment is made."""

IDS: dict[str, tuple[str, dict[str, Any]]] = {
    "metaenvs/KrazyWorld-v0": (KRAZY_WORLD, {"preset": "paper"}),
    "metaenvs/KrazyWorldEasy-v0": (KRAZY_WORLD, {"preset": "easy"}),
    "metaenvs/KrazyWorldMedium-v0": (KRAZY_WORLD, {"preset": "medium"}),
    "metaenvs/KrazyWorldHard-v0": (KRAZY_WORLD, {"preset": "hard"}),
    "metaenvs/KrazyWorldFirst-v0": (KRAZY_WORLD, {"preset": "first"}),
    "metaenvs/KrazyWorldSecond-v0": (KRAZY_WORLD, {"preset": "second"}),
    "metaenvs/KrazyWorldSecondDemo-v0": (KRAZY_WORLD, {"preset": "second-demo"}),
    "metaenvs/ExplorationBandit-v0": (EXPLORATION_BANDIT, {}),
    "metaenvs/PointCorners-v0": (POINT_CORNERS, {}),
    "metaenvs/GridCorners-v0": (GRID_CORNERS, {}),
    "metaenvs/DecoyCorners-v0": (DECOY_CORNERS, {}),
    "metaenvs/PointWindSparse-v0": (POINT_WIND, {}),
    "metaenvs/TabularMDP-v0": (TABULAR_MDP, {}),
    "metaenvs/Bandit-v0": (BANDIT, {}),
    "metaenvs/IteratedPrisonersDilemma-v0": (ITERATED_GAME, {"game": "prisoners_dilemma"}),
    "metaenvs/IteratedStagHunt-v0": (ITERATED_GAME, {"game": "stag_hunt"}),
    "metaenvs/IteratedChicken-v0": (ITERATED_GAME, {"game": "chicken"}),
    "metaenvs/IteratedMatchingPennies-v0": (ITERATED_GAME, {"game": "matching_pennies"}),
    **{f"metaenvs/{name}-v0": (LOCOMOTION, {"setting": name}) for name in LOCOMOTION_SETTINGS},
}
"""Id to (module:family, arguments); the classes are the family's name with Env or VectorEnv."""


def register_all() -> None:
    """Register every id with Gymnasium.

    No id has ``max_episode_steps``: gymnasium.make would cut trials with it.
    """
    for env_id, (entry_point, arguments) in IDS.items():
        gym.register(
            env_id,
            entry_point=f"{entry_point}Env",
            vector_entry_point=f"{entry_point}VectorEnv",
            kwargs=arguments,
        )
