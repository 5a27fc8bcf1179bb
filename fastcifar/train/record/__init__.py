"""The folder of a run: texts, tensors, checkpoints, and the list of all runs."""
