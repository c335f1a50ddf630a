"""One surrogate objective of which the published policy-gradient estimators are special cases.

For a trajectory of the behaviour policy mu it is

    sum_t gamma^t A_t w_t,

whose advantages ``A_t`` carry no policy and whose weights ``w_t`` are made from
``l_t = log pi(a_t|s_t) - log mu(a_t|s_t)`` and ``u_t = exp(l_t) - 1``:

============ ======================================= =========================================
``order``    ``w_t``                                 known as
============ ======================================= =========================================
``"score"``  ``log pi(a_t|s_t)``                     REINFORCE; differentiated twice, MAML
1            ``u_t``                                 LVC, ProMP's ratio, TayPO-1
K            ``u_t * sum_{j<K} E_j({u_i : i < t})``  TayPO-K
``math.inf`` ``exp(L_t) - exp(decay * L_{t-1})``,    Loaded DiCE; with ``decay=1`` DR, and DiCE
             ``L_t = l_t + decay * L_{t-1}``         where there is no critic
============ ======================================= =========================================

``E_j`` is the j-th elementary symmetric polynomial. Sources: Tang et al. 2021 (TayPO-K, DR),
Rothfuss et al. 2019 (LVC), Foerster et al. 2018 (DiCE), Farquhar et al. 2019 (Loaded DiCE).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from agents.estimators.advantages import discounts, power_matrix
from agents.estimators.checks import check_floating, check_like, check_mask

__all__ = ["Order", "log_ratio", "magic_box_baseline", "step_weights", "surrogate"]

Order = float | Literal["score"]
"""``"score"``, a whole number from 1 on, or ``math.inf``."""


def log_ratio(
    logp: Tensor, behaviour_logp: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """``log pi(a_t|s_t) - log mu(a_t|s_t)``, in which mu is constant; 0 on padding.

    On-policy (``behaviour_logp=None``) mu is the detached pi: the ratio is exactly 1 and still
    differentiates, as DiCE's MagicBox does. Of several agents that act together, sum the log
    probabilities first.

    Args:
        logp: (..., time) log probabilities of the actions taken, float32 or float64.
        behaviour_logp: The same under the policy that acted; gradients into it are cut.
        mask: (..., time) boolean, True on valid steps; None where all are.

    Returns:
        (..., time).

    Raises:
        TypeError: On a dtype that does not fit.
        ValueError: On a shape that does not fit.
    """
    check_floating("logp", logp)
    check_mask(mask, "logp", logp)
    if behaviour_logp is None:
        behaviour_logp = logp
    check_like("behaviour_logp", behaviour_logp, "logp", logp)
    ratio = logp - behaviour_logp.detach()
    return ratio if mask is None else ratio.where(mask, 0)


def step_weights(
    logp: Tensor,
    *,
    behaviour_logp: Tensor | None = None,
    order: Order = math.inf,
    decay: float = 1.0,
    mask: Tensor | None = None,
) -> Tensor:
    """The weight of each step's advantage: the table at the top of this module.

    Time and memory are O(time) for the score, order 1 and order infinity with ``decay`` 0 or 1,
    O(time * K) for order K (nested exclusive cumulative sums), O(time^2) for other decays.

    Args:
        logp: (..., time) log probabilities of the actions taken, float32 or float64.
        behaviour_logp: The same under the policy that acted; None on-policy.
        order: ``"score"``, 1, 2, ..., ``math.inf``.
        decay: Loaded DiCE's discount of earlier log-ratios, in [0, 1]; order infinity only.
        mask: (..., time) boolean, True on valid steps; None where all are.

    Returns:
        (..., time), 0 on padding.

    Raises:
        TypeError: On a dtype that does not fit.
        ValueError: On a shape that does not fit, an unknown order, a decay outside [0, 1] or
            beside a finite order, a behaviour policy beside the score.
    """
    _check_order(order, decay)
    if order == "score":
        if behaviour_logp is not None:
            raise ValueError(
                "The score has no correction for another behaviour policy: leave out "
                "behaviour_logp, or choose order 1, 2, ... or math.inf."
            )
        check_floating("logp", logp)
        check_mask(mask, "logp", logp)
        return logp if mask is None else logp.where(mask, 0)
    ratio = log_ratio(logp, behaviour_logp, mask)
    excess = torch.expm1(ratio)
    if order == math.inf:
        return _before(ratio, decay).exp() * excess
    total = polynomial = torch.ones_like(excess)
    # Before the last step there are time - 1 factors, so that higher polynomials are all 0.
    for _ in range(1, min(int(order), logp.shape[-1])):
        polynomial = _exclusive_cumulative_sum(excess * polynomial)
        total = total + polynomial
    return excess * total


def surrogate(
    logp: Tensor,
    advantages: Tensor,
    *,
    behaviour_logp: Tensor | None = None,
    order: Order = math.inf,
    decay: float = 1.0,
    gamma: float | Tensor = 1.0,
    mask: Tensor | None = None,
) -> Tensor:
    """The surrogate to maximise, one value per trajectory: ``sum_t gamma^t A_t w_t``.

    Added to :func:`agents.estimators.advantages.bootstrapped_return` it estimates the value of pi
    (except for the score). Advantages are taken as they come: detach them from the policy, and
    keep them attached to what is meta-learned inside them (a discount, an intrinsic reward).

    Args:
        logp: (..., time) log probabilities of the actions taken, float32 or float64.
        advantages: (..., time), of any critic; the returns from each step on where there is none.
        behaviour_logp: Log probabilities under the policy that acted; None on-policy.
        order: ``"score"``, 1, 2, ..., ``math.inf``.
        decay: Loaded DiCE's discount of earlier log-ratios, in [0, 1]; order infinity only.
        gamma: Discount of the objective; the default, 1, leaves steps undiscounted, as ProMP and
            most policy-gradient code do.
        mask: (..., time) boolean, True on valid steps; None where all are.

    Returns:
        (...), one per trajectory.

    Raises:
        TypeError: On a dtype that does not fit.
        ValueError: On a shape that does not fit, an unknown order, a decay outside [0, 1] or
            beside a finite order, a behaviour policy beside the score.
    """
    weights = step_weights(logp, behaviour_logp=behaviour_logp, order=order, decay=decay, mask=mask)
    check_like("advantages", advantages, "logp", logp)
    if mask is not None:
        # Before the product: what stands in the padding may be anything, NaN too.
        advantages = advantages.where(mask, 0)
    return (weights * advantages * discounts(gamma, logp)).sum(-1)


def magic_box_baseline(
    logp: Tensor,
    baseline: Tensor,
    *,
    behaviour_logp: Tensor | None = None,
    gamma: float | Tensor = 1.0,
    mask: Tensor | None = None,
) -> Tensor:
    """DiCE's baseline term, ``sum_t gamma^t (1 - rho_t) b_t`` (Foerster et al. 2018).

    To be added to the surrogate of order infinity over plain returns. It has expectation 0 to
    every derivative and lowers the variance of first derivatives.

    Args:
        logp: (..., time) log probabilities of the actions taken, float32 or float64.
        baseline: (..., time), a function of the state, without gradient.
        behaviour_logp: Log probabilities under the policy that acted; None on-policy.
        gamma: Discount.
        mask: (..., time) boolean, True on valid steps; None where all are.

    Returns:
        (...), one per trajectory.

    Raises:
        TypeError: On a dtype that does not fit.
        ValueError: On a shape that does not fit.
    """
    return -surrogate(
        logp, baseline, behaviour_logp=behaviour_logp, order=1, gamma=gamma, mask=mask
    )


def _check_order(order: Order, decay: float) -> None:
    whole = isinstance(order, int) and not isinstance(order, bool) and order >= 1
    if not (whole or order in ("score", math.inf)):
        raise ValueError(
            f"order must be 'score', a whole number from 1 on, or math.inf; got {order!r}."
        )
    if not 0 <= decay <= 1:
        raise ValueError(f"decay must lie in [0, 1], got {decay}.")
    if decay != 1 and order != math.inf:
        raise ValueError(
            f"decay belongs to order infinity; order {order!r} takes decay=1, got {decay}."
        )


def _before(ratio: Tensor, decay: float) -> Tensor:
    """``sum_{i<t} decay^(t-i) l_i``."""
    if decay == 0:
        return torch.zeros_like(ratio)
    if decay == 1:
        return _exclusive_cumulative_sum(ratio)
    return ratio @ power_matrix(decay, ratio).triu(1)


def _exclusive_cumulative_sum(terms: Tensor) -> Tensor:
    """Sum of the terms of earlier steps, along time."""
    inclusive = terms.cumsum(-1)
    return torch.nn.functional.pad(inclusive[..., :-1], (1, 0))
