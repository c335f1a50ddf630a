"""Iterated games of two players and two actions."""
