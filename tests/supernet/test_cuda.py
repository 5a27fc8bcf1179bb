"""A supernet on a GPU. Passed over where there is none."""

import pytest
import torch
from supernets import images, plan

from fastcifar.supernet import Material, freeze, networks, train_supernet

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.mark.parametrize("method", ["fair", "sandwich"])
def test_it_is_trained_scored_and_taken_out(method):
    dataset = images()
    shared, record = train_supernet(plan(method=method), dataset, device="cuda")
    assert record.status == "finished"
    material = Material(record, dataset, shared)
    table = networks(shared, record, material, images=100)
    assert len(table) == 16 and table["loss"].is_monotonic_increasing
    point = {key: int(table[key][0]) for key in shared.choices.values}
    _, network = freeze(shared, point, material.calibration())
    (x, _), *_ = material.valid(100)
    on_gpu = network({"input": x})["logits"].cpu()
    torch.testing.assert_close(network.cpu()({"input": x.cpu()})["logits"], on_gpu, rtol=1e-2, atol=1e-2)
