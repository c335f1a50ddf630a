"""Gradient estimators of gradient-based meta-reinforcement learning, and exact oracles for them.

Everything is a pure function of tensors. Sequences have time last, after any leading dimensions;
a sequence holds one episode, padded at its end and accompanied by a boolean mask. Estimates come
one per trajectory, callers average.

Two meta-objectives are meant, and every function that has one names it:

- *expected-update*: the outer return after inner steps along the **expected** gradient (MAML,
  LOLA, Liu et al. 2022);
- *sampled-update*: the expectation, over the sampled inner trajectories, of the outer return
  after steps along the **sampled** gradient (E-MAML, Stadie et al. 2018).
"""
