"""A signal while a supernet is trained, or its networks are scored."""

import shutil
import signal

import pytest
from signalled import send
from supernets import ENTRIES, WIDTHS, batch, images, plan
from supernets import supernet as made

from fastcifar import stopping
from fastcifar.stopping import stoppable
from fastcifar.supernet import read_record, scores, train_supernet
from fastcifar.train import Hooks, RecordError


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A machine that is busy needs longer than two seconds for a look."""
    monkeypatch.setattr(stopping, "GRACE", 60.0)


@pytest.fixture(scope="module")
def dataset():
    return images()


def trained_until(moment, act, dataset, out):
    """Train, and do something after a step."""
    steps = []

    def progress(epoch, step):
        steps.append((epoch, step))
        if (epoch, step) == moment:
            act()

    try:
        train_supernet(plan(ENTRIES), dataset, device="cpu", out=out, hooks=Hooks(progress=progress))
    finally:
        assert steps[-1] == moment


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_ends_after_the_step(dataset, tmp_path, number):
    with stoppable(), pytest.raises(KeyboardInterrupt):
        trained_until((0, 1), lambda: send(number), dataset, tmp_path)
    (folder,) = tmp_path.iterdir()
    assert read_record(folder).status == "interrupted"


def test_a_folder_that_has_gone(dataset, tmp_path):
    with pytest.raises(RecordError, match="was deleted or moved while it was in use"):
        trained_until((0, 1), lambda: [shutil.rmtree(path) for path in tmp_path.iterdir()], dataset, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_scoring_ends_after_the_network(dataset):
    supernet, told = made(WIDTHS), []
    recipes = [supernet.choices.full, supernet.choices.of(supernet.choices.smallest)]
    batches = [batch(), batch(seed=1)]

    def progress(done):
        told.append(done)
        send(signal.SIGTERM)

    with stoppable(), pytest.raises(KeyboardInterrupt):
        scores(supernet, recipes, [images for images, _ in batches], batches, progress)
    assert told == [1]
