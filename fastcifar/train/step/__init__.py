"""The hot path: what a run does for each batch.

`loop` trains and evaluates an epoch, `ways` and `capture` make it fast, `precision` has the number formats.
"""
