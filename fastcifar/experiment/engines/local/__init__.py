"""Trials that are Python, in warm worker processes on this machine.

`pool.WorkerEngine` runs them; `resources` deals out cores, memory and GPUs, to commands too.
"""
