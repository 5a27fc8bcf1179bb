"""Learning rate over time, and its factor for each parameter."""

from collections.abc import Mapping, Sequence

from fastcifar.train.recipe.errors import RecipeError


def learning_rate(
    epoch: float, peak_lr: float, peak_epoch: float, total_epoch: float, start: float = 0.0, end: float = 0.0
) -> float:
    """The rate at `epoch` (fractions count): linear from `start` * `peak_lr` to `peak_lr` at `peak_epoch`, and from
    there to `end` * `peak_lr` at `total_epoch`."""
    if epoch < peak_epoch:
        return peak_lr * (start + (1 - start) * epoch / peak_epoch)
    if peak_epoch == total_epoch:
        return peak_lr
    return peak_lr * (end + (1 - end) * max(0.0, total_epoch - epoch) / (total_epoch - peak_epoch))


def scale_factors(paths: Sequence[str], lr_scale: Mapping[str, float]) -> list[float]:
    """Factor of the rate of each parameter path (`prep/conv/weight`): that of its longest prefix in `lr_scale`, or 1.

    A prefix ends at a '/': `layer1` does not cover `layer10/...`. Raises RecipeError for one that covers no parameter.
    """
    for prefix in lr_scale:
        if not any(_covers(prefix, path) for path in paths):
            heads = list(dict.fromkeys(path.split("/")[0] for path in paths))
            raise RecipeError(
                f"lr_scale: no parameter lies under {prefix!r}; there are {', '.join(heads)} and paths below"
            )
    best = [max((p for p in lr_scale if _covers(p, path)), key=len, default=None) for path in paths]
    return [1.0 if prefix is None else lr_scale[prefix] for prefix in best]


def instead_factors(paths: Sequence[str], full_paths: Sequence[str], lr_instead: Sequence[float]) -> list[float]:
    """The rate of each parameter of `paths` out of `lr_instead`, which has one per tensor of the full network.

    paths: parameters of the network that is trained; full_paths: of the network with every optional block. A block
    that is left out keeps its places in the list. Raises RecipeError where its length is not that of `full_paths`.
    """
    if len(lr_instead) != len(full_paths):
        raise RecipeError(
            f"lr_instead: the full network has {len(full_paths)} parameter tensors, not {len(lr_instead)}"
        )
    rate = dict(zip(full_paths, lr_instead, strict=True))
    return [rate[path] for path in paths]


def _covers(prefix: str, path: str) -> bool:
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")
