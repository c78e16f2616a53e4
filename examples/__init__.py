"""Experiments and measurements: a script is a command."""
