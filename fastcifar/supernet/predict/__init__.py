"""From a supernet's scores to accuracies of networks trained alone.

`scoring` and `ranking` score networks, `regression` fits a few trainings, `predictors` judges both.
"""
