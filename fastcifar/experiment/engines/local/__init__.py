"""Trials that are Python, in warm worker processes on this machine."""
