"""How agents are evaluated: one protocol of adaptation, one table of results."""
