"""What changes the weights: optimizers, the schedule of the rate, averages of weights."""
