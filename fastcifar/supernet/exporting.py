"""Export one network of a supernet to files that need no supernet: weights, recipe, drawing, ONNX."""

import copy
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from fastcifar.net import Network, calibrate
from fastcifar.search import Params
from fastcifar.supernet.supernet import Supernet
from fastcifar.train import Recipe, RecipeError, RecordError, describe_network
from fastcifar.train.build import trained_paths
from fastcifar.train.optim.schedule import scale_factors
from fastcifar.train.record.record import RunFolder, save_drawing
from fastcifar.train.start import FILE as WEIGHTS
from fastcifar.train.step.loop import autocast

FILES = ("recipe.json", WEIGHTS, "network.dot", "network.svg", "model.onnx")  # that an export can have
ONNX = ("onnx", "onnxscript")  # the packages that torch needs to write ONNX


def freeze(supernet: Supernet, params: Params, calibration: Sequence[Tensor]) -> tuple[Recipe, Network]:
    """The recipe of a point, and its network with a copy of its weights and statistics measured on `calibration`.

    The network is an ordinary one, in fp32, in evaluation mode. calibration: batches of images (B, 3, 32, 32) in the
    format that the supernet computes in. Raises ValueError for a point that is not in the space.
    """
    recipe = supernet.choices.of(params)
    network = supernet.frozen(recipe)
    with autocast(supernet.state.precision, supernet.device):
        calibrate(network, lambda images: network({"input": images}), calibration)
    return alone(supernet, recipe), network.float()


def alone(supernet: Supernet, recipe: Recipe) -> Recipe:
    """The recipe of one network alone: without the learning rates of parts that it does not have."""
    paths = trained_paths(describe_network(recipe, supernet.num_classes))
    kept = {}
    for prefix, factor in recipe.lr_scale.items():
        with suppress(RecipeError):  # no weight of this network has that prefix
            scale_factors(paths, {prefix: factor})
            kept[prefix] = factor
    changes: Params = {"lr_scale": kept}
    if recipe.lr_instead is not None:  # one rate for each tensor, also of blocks that are left out
        everything, mine = (
            trained_paths(describe_network(one, supernet.num_classes, leave_out=()))
            for one in (supernet.choices.full, recipe)
        )
        rates = dict(zip(everything, recipe.lr_instead, strict=True))
        changes["lr_instead"] = [rates[path] for path in mine]
    return recipe.with_params(changes)


def export(recipe: Recipe, network: Network, folder: Path) -> list[Path]:
    """Write a frozen network to `folder`; return the files.

    `weights.safetensors`, with the recipe in it; `recipe.json`, for `fastcifar train`, which continues from the weights
    with `--init FOLDER`; `network.dot`; `network.svg` if Graphviz is installed; `model.onnx` if the packages of the
    extra `onnx` are installed. The files of an earlier export there are removed first.
    Raises RecordError where `folder` cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in exported(folder):
            path.unlink()
    except OSError as error:
        raise RecordError(f"cannot write {folder}: {error.strerror}") from error
    out = RunFolder(folder)
    out.write_json(recipe.to_dict(), "recipe.json")
    out.save_tensors(WEIGHTS, network.state_dict(), {"recipe": json.dumps(recipe.to_dict())})
    save_drawing(network, folder / "network")
    if all(find_spec(package) for package in ONNX):
        write_onnx(network, folder / "model.onnx")
    return exported(folder)


def exported(folder: Path) -> list[Path]:
    """The files of an export that are in `folder`."""
    return [folder / name for name in FILES if (folder / name).exists()]


def write_onnx(network: Network, path: Path) -> None:
    """Write a network as ONNX: `images` (B, 3, 32, 32), normalised, to `logits` (B, num_classes), any B."""
    images = torch.zeros(2, 3, 32, 32)
    module = _Logits(copy.deepcopy(network)).cpu().eval()
    with _quiet():
        torch.onnx.export(
            module,
            (images,),
            str(path),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
            external_data=False,
            verbose=False,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the logs and warnings that torch's exporter writes for its developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class _Logits(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network({"input": images})["logits"]
        return logits
