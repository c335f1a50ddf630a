"""Krazy World: grid worlds whose rules must be found out (Stadie et al. 2018)."""
