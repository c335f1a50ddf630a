"""Reference agents for meta-reinforcement learning, and the command line."""

import metaenvs as metaenvs  # registers the families' ids

DISTRIBUTION = "metaenvs"
