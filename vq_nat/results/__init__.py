"""Rows of results, their tables and pictures, and training logs; needs no torch."""
