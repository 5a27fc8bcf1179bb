"""The folder of a run.

`folder` has its texts, `record` and `checkpoint` its tensors, `listing` all runs, `provenance` what made one.
"""
