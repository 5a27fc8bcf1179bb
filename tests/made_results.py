"""Results that were made up, for what is computed of many."""

from fastcifar.train import EpochRow, Recipe, Result, Times

RECIPE = Recipe()


def made(seed, accuracy, *, train=2.0, prepare=0.5, evaluate=0.25, tta=0.0, tta_acc=None, status="finished"):
    """A run with these figures."""
    row = EpochRow(
        epoch=1,
        lr=0,
        train_time=train,
        train_loss=1,
        train_acc=0.5,
        valid_time=evaluate,
        valid_loss=1,
        valid_acc=accuracy,
    )
    return Result(
        recipe=RECIPE,
        recipe_name="made",
        seed=seed,
        split="test",
        settings={},
        dataset={},
        provenance={},
        precision="O0",
        parameters=1,
        flops=10**12,
        started="",
        status=status,
        tta_acc=tta_acc,
        epochs=[row],
        times=Times(prepare=prepare, train=train, evaluate=evaluate, tta=tta),
    )
