"""What a trial computes: `base` has the contract of an evaluator, `training` the evaluator that trains."""
