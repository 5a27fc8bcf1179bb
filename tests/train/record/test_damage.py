"""Files of tensors that were damaged, or that are of another run, are refused by name."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fastcifar.train import Hooks, RecordError, load_network, load_result, resume, train
from fastcifar.train.record import checkpoint as checkpoints
from fastcifar.train.record.identity import as_metadata, check_identity, identity
from fastcifar.train.record.record import CHECKSUM, RunFolder, checksum, read_tensors

FILE = "checkpoint.safetensors"


@pytest.fixture
def short(recipe):
    return recipe.with_params({"total_epoch": 2, "train_images": 64})


def interrupted(recipe, images, out, seed=0):
    """The folder of a run that ended in its second epoch."""

    def stop(epoch, step):
        if epoch == 1:
            raise KeyboardInterrupt

    before = set(out.iterdir())
    with pytest.raises(KeyboardInterrupt):
        train(recipe, images, seed, device="cpu", out=out, hooks=Hooks(progress=stop))
    (folder,) = set(out.iterdir()) - before
    return folder


def without_checksum(path, **changes):
    """Write the file as earlier versions did, with other metadata."""
    tensors, metadata = read_tensors(path)
    kept = {name: metadata[name] for name in ("epochs_done", "times", "scaler")}
    save_file(tensors, path, {**kept, **changes})


def test_the_checksum_worked_by_hand():
    one = {"b": torch.tensor([[1, 2]], dtype=torch.int64), "a": torch.tensor(1.5)}
    said = checksum(one, {"z": "1", "y": "2"})
    assert said == checksum(dict(reversed(one.items())), {"y": "2", "z": "1"})
    others = [
        ({**one, "a": torch.tensor(1.25)}, {"z": "1", "y": "2"}),
        ({**one, "a": torch.tensor([1.5])}, {"z": "1", "y": "2"}),
        ({**one, "a": torch.tensor(0x3FC00000, dtype=torch.int32)}, {"z": "1", "y": "2"}),  # the same bytes
        ({"b": one["b"], "c": one["a"]}, {"z": "1", "y": "2"}),
        ({**one, "b": one["b"].T}, {"z": "1", "y": "2"}),
        (one, {"z": "2", "y": "1"}),
        (one, {"z": "1"}),
    ]
    assert len({said, *(checksum(*other) for other in others)}) == 1 + len(others)
    turned = torch.arange(24.0).view(1, 2, 3, 4).to(memory_format=torch.channels_last)
    assert checksum({"a": turned}, {}) == checksum({"a": turned.contiguous()}, {})


def test_flipped_bytes_are_refused_or_change_nothing(short, images, tmp_path):
    folder = interrupted(short, images, tmp_path)
    path, run = RunFolder(folder), identity(load_result(folder))
    whole = (folder / FILE).read_bytes()
    tensors, _ = read_tensors(folder / FILE)
    place = checkpoints.place(path, run)
    generator = np.random.default_rng(0)
    head = 8 + int.from_bytes(whole[:8], "little")
    where = [*range(8), *generator.integers(8, head, 200), *generator.integers(head, len(whole), 60)]
    refused = 0
    for at in where:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(generator.integers(8))
        (folder / FILE).write_bytes(damaged)
        try:
            found = checkpoints.place(path, run)
        except RecordError as error:
            assert str(folder / FILE) in str(error) and "\n" not in str(error)
            refused += 1
            continue
        assert found == place
        again, _ = read_tensors(folder / FILE)
        assert again.keys() == tensors.keys() and all(torch.equal(again[name], tensors[name]) for name in tensors)
    assert refused > 0.95 * len(where)


@pytest.mark.parametrize("epochs", ["-1", "0", "one"])
def test_a_place_that_is_none(short, images, tmp_path, epochs):
    folder = interrupted(short, images, tmp_path)
    without_checksum(folder / FILE, epochs_done=epochs)
    with pytest.raises(RecordError, match=r"checkpoint\.safetensors: damaged: "):
        resume(folder, images)
    without_checksum(folder / FILE, epochs_done="1", times='{"train": 1, "sleep": 2}')
    with pytest.raises(RecordError, match=r"damaged: no place in the training can be read"):
        resume(folder, images)


def test_one_of_another_run_of_equal_shapes(short, images, tmp_path):
    folder = interrupted(short, images, tmp_path)
    for other, seed, place in (
        (short.with_params({"peak_lr": 0.2}), 0, r"recipe\.peak_lr is 0\.2, and 0\.1 here"),
        (short, 5, "seed is 5, and 0 here"),
    ):
        shutil.copy(interrupted(other, images, tmp_path, seed) / FILE, folder)
        with pytest.raises(RecordError, match=rf"checkpoint\.safetensors: it is of another run: its {place}"):
            resume(folder, images)
    assert load_result(folder).status == "interrupted"


def test_a_checkpoint_of_before_there_were_checksums(short, images, tmp_path):
    whole = train(short, images, device="cpu")
    folder = interrupted(short, images, tmp_path)
    without_checksum(folder / FILE)
    moved = folder.rename(tmp_path / "moved")
    result = resume(moved, images)
    assert result.status == "finished" and result.valid_acc == whole.valid_acc


def test_a_folder_that_was_renamed_is_resumed(short, images, tmp_path):
    folder = interrupted(short, images, tmp_path).rename(tmp_path / "mine")
    assert resume(folder, images).status == "finished"


def test_fields_of_another_version_are_passed_over(tmp_path):
    saved = as_metadata({"recipe": {"a": 1, "gone": 2}, "seed": 3, "old": 0})
    check_identity(tmp_path, saved, as_metadata({"recipe": {"a": 1, "new": 5}, "seed": 3, "later": 1}))
    with pytest.raises(RecordError, match=r"its recipe\.a is 1, and 2 here"):
        check_identity(tmp_path, saved, as_metadata({"recipe": {"a": 2}}))
    with pytest.raises(RecordError, match="damaged: its seed cannot be read"):
        check_identity(tmp_path, {"seed": "{"}, as_metadata({"seed": 3}))


def test_weights_are_checked_by_load_network_and_init(short, images, tmp_path):
    result = train(short, images, device="cpu", out=tmp_path)
    other = train(short, images, 1, device="cpu", out=tmp_path)
    path = RunFolder(tmp_path / result.id).path / "weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
    message = r"weights\.safetensors: damaged: its content has another checksum"
    with pytest.raises(RecordError, match=message):
        load_network(result)
    with pytest.raises(RecordError, match=message):
        train(short, images, device="cpu", init=result.path)
    shutil.copy(f"{other.path}/weights.safetensors", path)
    with pytest.raises(RecordError, match=r"weights\.safetensors: it is of another run: its seed is 1, and 0 here"):
        load_network(result)
    tensors, _ = read_tensors(path)
    save_file(tensors, path, {"recipe": json.dumps(short.to_dict())})  # as earlier versions did
    assert load_network(result).accuracy(images.test) == other.valid_acc


def test_every_file_says_its_checksum(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_tensors("one.safetensors", {"a": torch.ones(2)}, {"b": "c"})
    assert CHECKSUM.encode() in (tmp_path / "one.safetensors").read_bytes()
    assert read_tensors(tmp_path / "one.safetensors")[1] == {"b": "c"}
