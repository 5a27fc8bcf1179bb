"""How much a run computes, and how fast the machine could do it."""

import functools
import time

import torch

from fastcifar.net import count_flops
from fastcifar.train.build import describe_network
from fastcifar.train.device import synchronize
from fastcifar.train.networks import side_at
from fastcifar.train.recipe.recipe import Recipe

SIDE = {"cpu": 1024, "cuda": 8192}  # of the matrices
ROUNDS = 4


def training_flops(recipe: Recipe, num_classes: int, steps: int) -> int:
    """FLOPs of the convolutions and matrix products of a run of `steps` steps an epoch: a pass forward, three times.

    The backward pass is counted as two of them, although it leaves out the gradient of the images.
    """
    network = describe_network(recipe, num_classes)
    sides = [side_at(recipe, epoch) for epoch in range(recipe.total_epoch)]
    forward = {side: count_flops(network, (1, 3, side, side)) for side in set(sides)}
    return 3 * recipe.batch_size * steps * sum(forward[side] for side in sides)


@functools.cache
def product_rate(device: torch.device, dtype: torch.dtype, threads: int) -> float:
    """FLOP/s of a large matrix product in `dtype`, the fastest of a few: what the device does at best.

    threads: what torch.get_num_threads() gives, on which it depends.
    """
    side = SIDE[device.type]
    generator = torch.Generator(device).manual_seed(0)  # of equal numbers a GPU's product takes less power, and time
    a = torch.rand(side, side, generator=generator, device=device).to(dtype)
    out, times = torch.empty_like(a), []
    for _ in range(ROUNDS):
        synchronize(device)
        began = time.perf_counter()
        torch.mm(a, a, out=out)
        synchronize(device)
        times.append(time.perf_counter() - began)
    return 2 * side**3 / min(times)
