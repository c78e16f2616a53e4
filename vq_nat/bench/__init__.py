"""Measures trained systems from outside."""
