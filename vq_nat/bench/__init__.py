"""Measures trained systems from outside, and turns measurements into tables.

Kept empty on purpose: reading a log or a table of results needs no torch.
"""
