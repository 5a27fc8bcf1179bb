"""What a trial computes.

`base` has the contract (`Evaluator`) and functions of the user; `registry.evaluator_of` makes the one of a spec.
"""
