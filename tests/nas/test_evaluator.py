"""A classifier that is trained on images as `fastcifar.data` gives them."""

import pytest
import torch
from coloured import coloured
from torch.nn import Flatten, Linear, Sequential

import fastcifar.nas.nn as nn
from fastcifar.data import Augmentation, Batches, statistics
from fastcifar.experiment.trial_api import listening
from fastcifar.nas import Classification, model_wrapper, space_of, strategy


@pytest.fixture
def pair():
    images = coloured(320, 100)
    mean, std = statistics(images)
    varied = Augmentation(shift=2, flip="random")
    train = Batches(images.train, batch_size=32, mean=mean, std=std, augmentation=varied, seed=1)
    return train, Batches(images.test, batch_size=50, mean=mean, std=std)


def network():
    torch.manual_seed(0)
    return Sequential(Flatten(), Linear(3072, 10))


def test_images_train_a_classifier_epoch_by_epoch(pair):
    train, valid = pair
    seen, told = [], []
    plain = train.epoch

    def epoch(number):
        seen.append(number)
        return plain(number)

    train.epoch = epoch
    evaluator = Classification(train=train, valid=valid, epochs=3, device="cpu")
    for _ in range(2):  # each network sees the same epochs, whichever was trained before it in this process
        with listening(lambda kind, value: told.append((kind, value))):
            evaluator.evaluate(network)
    assert seen == [0, 1, 2, 0, 1, 2]
    assert told[:4] == told[4:] and [kind for kind, _ in told[:4]] == ["intermediate"] * 3 + ["final"]
    assert told[3][1] > 30  # percent; chance is 10


@pytest.mark.parametrize("one", [strategy.SinglePath(), strategy.DARTS()], ids=["SinglePath", "DARTS"])
def test_images_train_shared_weights(pair, one):
    class Black(torch.nn.Module):
        def forward(self, x):
            return 0 * x

    @model_wrapper
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.LayerChoice([Black(), nn.Identity()], label="first")
            self.head = nn.Linear(3072, 10)

        def forward(self, x):
            return self.head(self.first(x).flatten(1))

    evaluator = Classification(train=pair[0], valid=pair[1], epochs=3, device="cpu")
    ranked = one.run(space_of(Net()), evaluator, 0)
    assert ranked[0].sample == {"first": "1"}
    assert pair[0].passes == 0  # each epoch is asked for by its number
