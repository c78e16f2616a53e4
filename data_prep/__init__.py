"""Corpora, teachers and distilled texts: a script is a command."""
