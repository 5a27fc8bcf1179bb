"""The commands that train: one run, many runs, a comparison."""
