"""Trials that are a shell command, as in NNI."""
