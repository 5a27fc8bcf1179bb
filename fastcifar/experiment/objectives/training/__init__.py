"""Trials that train a recipe: the evaluator, its cost, and the check of a space."""
