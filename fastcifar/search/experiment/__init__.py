"""Experiments: trials that are run, watched, kept and resumed."""
