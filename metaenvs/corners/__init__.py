"""Worlds with four corners, one of which is the hidden goal."""
