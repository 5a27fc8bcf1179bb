"""FLOPs and parameters of a recipe's network, for limits and estimates."""

from functools import lru_cache

from fastcifar.data import num_classes
from fastcifar.net import count_flops
from fastcifar.train import Recipe, describe_network

ARCHITECTURE = (  # fields that decide FLOPs and parameters
    *("dataset", "network", "prep", "layer1", "layer2", "layer3", "convs", "whiten", "pool_first"),
    *("extra_layers", "extra_widths", "res_layers", "ks", "leave_out"),
)


def flops(recipe: Recipe) -> int:
    """FLOPs of one image's forward pass."""
    return _sizes(_architecture(recipe))[0]


def parameters(recipe: Recipe) -> int:
    """The number of the network's parameters."""
    return _sizes(_architecture(recipe))[1]


def _architecture(recipe: Recipe) -> Recipe:
    """The recipe reduced to the fields of its network."""
    values = recipe.to_dict()
    return Recipe.from_dict({name: values[name] for name in ARCHITECTURE})


@lru_cache(maxsize=4096)
def _sizes(recipe: Recipe) -> tuple[int, int]:
    network = describe_network(recipe, num_classes(recipe.dataset))
    return count_flops(network), sum(weight.numel() for weight in network.parameters())
