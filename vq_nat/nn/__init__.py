"""Layers that rooms share."""
