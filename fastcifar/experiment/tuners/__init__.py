"""Searchers and assessors by the names of a configuration: ours, NNI's, and classes of the user."""
