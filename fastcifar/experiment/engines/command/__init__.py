"""Trials that are a shell command, as NNI has them.

`engine.CommandEngine` runs them; each attempt has a folder (`attempts`) and a file of reports (`report_file`).
"""
