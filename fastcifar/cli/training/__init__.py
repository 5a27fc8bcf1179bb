"""The commands that train: one run, many runs, a comparison.

`train.Train` and `compare.Compare` are commands; `run_flags` has the flags that all trainings share.
"""
