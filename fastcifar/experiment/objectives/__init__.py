"""What a trial computes. `base` has the contract of an evaluator, `training` the one that trains."""
