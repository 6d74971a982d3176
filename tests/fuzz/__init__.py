"""Corpus-driven fuzzing of every parser."""
