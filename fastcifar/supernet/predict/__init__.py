"""From scores of a supernet to accuracies of networks trained alone."""
