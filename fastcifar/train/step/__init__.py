"""The hot path: the epoch loop, number formats, CUDA graphs, fused and compiled networks."""
