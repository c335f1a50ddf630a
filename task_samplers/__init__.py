"""Choosing which tasks are met: uniformly, from fixed lists and splits, from grids."""
