"""Tabular worlds: random Markov decision processes and bandits, with exact values."""
