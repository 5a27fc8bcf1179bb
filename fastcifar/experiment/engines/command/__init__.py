"""Trials that are a shell command, as NNI has them."""
