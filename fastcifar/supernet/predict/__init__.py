"""From the scores of a supernet to predicted accuracies of networks that are trained alone."""
