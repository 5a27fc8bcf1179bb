"""Trials that train a recipe.

`evaluator.TrainEvaluator` trains, `space_check` checks a space beforehand, `budget` makes a search fit the device.
"""
