"""Reference agents for meta-reinforcement learning, and the command line."""

DISTRIBUTION = "metaenvs"
