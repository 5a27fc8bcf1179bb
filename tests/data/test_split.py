import numpy as np
import pytest

from fastcifar.data import Dataset, Split, parts, stratified


def make_dataset(name: str, train_size: int = 6000) -> Dataset:
    def split(size: int) -> Split:
        images = np.zeros((size, 32, 32, 3), np.uint8)
        images[:, 0, 0, 0], images[:, 0, 0, 1] = np.arange(size) % 256, np.arange(size) // 256  # each knows its number
        return Split(images=images, labels=np.arange(size) % 10)

    return Dataset(
        name=name,
        train=split(train_size),
        test=split(100),
        classes=tuple("abcdefghij"),
        fingerprint="",
        canonical=False,
        source="",
    )


def numbers(split: Split) -> set[int]:
    return set((split.images[:, 0, 0, 0] + 256 * split.images[:, 0, 0, 1].astype(int)).tolist())


def test_holdout_is_stratified_and_disjoint():
    train, valid = parts(make_dataset("cifar10"), "holdout")
    assert len(train.labels) == 1000 and len(valid.labels) == 5000
    assert numbers(train) | numbers(valid) == set(range(6000)) and not numbers(train) & numbers(valid)
    assert np.bincount(valid.labels).tolist() == [500] * 10
    for split in (train, valid):  # labels went with their images
        assert all(n % 10 == label for n, label in zip(_in_order(split), split.labels, strict=True))


def _in_order(split: Split) -> list[int]:
    return (split.images[:, 0, 0, 0] + 256 * split.images[:, 0, 0, 1].astype(int)).tolist()


def test_holdout_is_fixed_by_the_name():
    first, again, other = (parts(make_dataset(name), "holdout")[1] for name in ("cifar10", "cifar10", "cifar100"))
    assert numbers(first) == numbers(again) != numbers(other)
    assert _in_order(first)[:5] == [2, 3, 4, 5, 6]  # a change of the choice would make results incomparable


def test_train_images_is_a_part_of_what_is_trained_on():
    dataset = make_dataset("cifar10")
    whole, valid = parts(dataset, "holdout")
    part, same_valid = parts(dataset, "holdout", train_images=200)
    assert numbers(part) < numbers(whole) and numbers(same_valid) == numbers(valid)
    assert np.bincount(part.labels).tolist() == [20] * 10
    assert numbers(part) < numbers(parts(dataset, "holdout", train_images=400)[0])


def test_uneven_shares_add_up():
    labels = np.repeat([0, 1, 2], [10, 20, 31])
    chosen = stratified(labels, 30, "key")
    assert len(chosen) == len(set(chosen.tolist())) == 30
    assert np.bincount(labels[chosen]).tolist() == [5, 10, 15]


def test_the_test_split_is_the_test_images():
    dataset = make_dataset("cifar10")
    train, valid = parts(dataset)
    assert train is dataset.train and valid is dataset.test


@pytest.mark.parametrize("arguments", [("valid", None), ("test", 6001), ("test", 0)])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError):
        parts(make_dataset("cifar10"), *arguments)
