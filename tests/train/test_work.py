import torch

from fastcifar.net import count_flops
from fastcifar.train import Recipe, describe_network
from fastcifar.train.work import product_rate, training_flops


def test_flops_follow_sides_and_epochs():
    recipe = Recipe(network="speednet", whiten=2, pool_first=True, total_epoch=4, batch_size=100)
    network = describe_network(recipe, 10)
    full = 3 * 100 * 5 * count_flops(network)
    assert training_flops(recipe, 10, 5) == 4 * full
    small = 3 * 100 * 5 * count_flops(network, (1, 3, 24, 24))
    assert training_flops(recipe.with_params({"sizes": {"24": 3}}), 10, 5) == full + 3 * small
    assert 0.4 * full < small < 0.6 * full


def test_airbench94_takes_what_its_authors_say():
    recipe = Recipe(
        network="speednet", layer1=64, layer2=256, layer3=256, whiten=2, pool_first=True, total_epoch=8, batch_size=2000
    )
    assert round(training_flops(recipe, 10, 25) / 1e15, 2) == 0.28  # 0.29 PFLOP with the evaluation


def test_the_rate_of_a_product_is_measured_once():
    rate = product_rate(torch.device("cpu"), torch.float32, 1)
    assert 1e9 < rate < 1e14 and product_rate(torch.device("cpu"), torch.float32, 1) == rate
