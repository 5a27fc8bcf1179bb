"""KellerJordan/cifar10-airbench's airbench94_muon.py beside ours: its own code, on our images, on a CPU too.

    python benchmarks/speedrun_peer.py FILE [--device auto] [--compiled] [--keep-memory] [--seed 0] [--data-dir DIR]
                                       [--images N]

FILE is airbench94_muon.py of a checkout of github.com/KellerJordan/cifar10-airbench; another version of it is refused.
Its text is read and run from there but for a few literal replacements: the images are ours, torchvision is not needed,
and on a CPU fp16 becomes bf16 and CUDA's clock the CPU's. What it counts is what it counted: whitening, training, and
its evaluation of 6 views, each between its own start and stop of the clock; making the network, moving the images and
the evaluations between epochs are outside. It runs its own 200 steps, which are 8 epochs of 50,000 images.

Prints one JSON document. --keep-memory runs it with the allocator set as `fastcifar train` sets it, which is for good
and for the whole process: run it and ours in processes of their own.
"""

import argparse
import hashlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fastcifar.data import Dataset, Split, load
from fastcifar.train import resolve_device
from fastcifar.train.device import keep_memory
from fastcifar.train.record.provenance import provenance

SHA256 = "704e29251a5207d8aed8a35adf13f772ff386b90a712aaddc2a28854385b536e"
NOTHING: Callable[[dict[str, Any]], None] = lambda epoch: None  # noqa: E731

# What stands there -> what is run; each has to be there. No line is added or taken away: errors name the file's lines.
EVERYWHERE = {
    "open(sys.argv[0])": "open(__file__)",
    "import torchvision\nimport torchvision.transforms as T\n": "\n\n",
    "if not os.path.exists(data_path):": "if False:",
    'torch.load(data_path, map_location=torch.device("cuda"))': "PEER_IMAGES[train]",
}
ON_A_CPU = {
    "self.images.half()": "self.images.bfloat16()",
    "mod.half()": "mod.bfloat16()",
    "torch.cuda.Event(enable_timing=True)": "PeerClock()",
    "torch.cuda.synchronize()": "None",
}
EAGER = {"@torch.compile\n": "\n"}
# A compiled network's outputs are overwritten by its evaluation, before `listen` looks at them; after the clock stops.
COMPILED = {"        train_acc = (outputs": "        outputs = outputs.clone(); train_acc = (outputs"}


class Peer:
    """The peer's program, loaded once: its network is used again from run to run, as it does itself.

    compiled: by torch, as the file does it (`max-autotune`); else everything is eager.
    Raises ValueError where `path` is not the file that is known, or the images are fewer than its batch of 2,000.
    """

    def __init__(self, path: str | Path, dataset: Dataset, device: torch.device, compiled: bool = False) -> None:
        if len(dataset.train.labels) < 2000:
            raise ValueError(f"the peer trains on batches of 2000 images, and there are {len(dataset.train.labels)}")
        self.device = device
        self.space = _load(path, dataset, device, compiled)
        self.model = self.space["CifarNet"]().to(device).to(memory_format=torch.channels_last)
        if compiled:
            self.model.compile(mode="max-autotune")

    def warm_up(self) -> None:
        """A whole run on random labels, as the file does before its first; not timed. For CUDA, and if compiled."""
        self._main("warmup", 0, NOTHING)

    def run(self, seed: int, on_epoch: Callable[[dict[str, Any]], None] = NOTHING) -> dict[str, Any]:
        """Train once. `seconds`: whitening and training; `tta_seconds`: its evaluation of 6 views.

        epochs: of each its number, the loss and the accuracy of its last batch (without label smoothing), the test
            accuracy without further views, and the seconds since the start; `on_epoch` is told of each.
        """
        *epochs, last = self._main("0", seed, on_epoch)
        return {
            "accuracy": epochs[-1]["val_acc"],
            "tta_accuracy": last["tta_val_acc"],
            "seconds": epochs[-1]["seconds"],
            "tta_seconds": last["seconds"] - epochs[-1]["seconds"],
            "steps": last["step"],
            "epochs": epochs,
        }

    def _main(self, run: str, seed: int, on_epoch: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []

        def listen(variables: dict[str, Any], is_final_entry: bool) -> None:  # what it would print
            row = {key: variables[key] for key in ("epoch", "step", "train_acc", "val_acc")}
            if is_final_entry:
                row["tta_val_acc"] = variables["tta_val_acc"]
            else:
                row["loss"] = F.cross_entropy(variables["outputs"].detach().float(), variables["labels"]).item()
            told.append({**row, "seconds": variables["time_seconds"]})
            if not is_final_entry:
                on_epoch(told[-1])

        self.space["print_training_details"] = listen
        benchmark = torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = True  # as the file does
        try:
            with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
                torch.manual_seed(seed)  # it takes torch's global generator, and sets no seed
                self.space["main"](run, self.model)
        finally:
            torch.backends.cudnn.benchmark = benchmark
        return told


def _load(path: str | Path, dataset: Dataset, device: torch.device, compiled: bool) -> dict[str, Any]:
    """The names that the file defines."""
    text = Path(path).read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    if digest != SHA256:
        raise ValueError(f"{path}: not the airbench94_muon.py that is known: SHA-256 {digest}, not {SHA256}")
    source = text.decode()
    replacements = {**EVERYWHERE, **(COMPILED if compiled else EAGER), **(ON_A_CPU if device.type == "cpu" else {})}
    for there, here in replacements.items():
        assert there in source, there
        source = source.replace(there, here)
    space: dict[str, Any] = {
        "__name__": "airbench94_muon",
        "__file__": str(path),
        "T": SimpleNamespace(Normalize=_Normalize),
        "PEER_IMAGES": {True: _images(dataset.train, device), False: _images(dataset.test, device)},
        "PeerClock": _Clock,
    }
    benchmark = torch.backends.cudnn.benchmark
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # a backslash in one of its comments
        warnings.simplefilter("ignore", DeprecationWarning)
        exec(compile(source, str(path), "exec"), space)
    torch.backends.cudnn.benchmark = benchmark
    return space


def _images(split: Split, device: torch.device) -> dict[str, Any]:
    images, labels = torch.from_numpy(split.images), torch.from_numpy(split.labels)
    return {"images": images.to(device), "labels": labels.to(device), "classes": None}


class _Normalize:
    """torchvision's transform of that name, for a tensor (N, C, H, W)."""

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        self.mean, self.std = mean, std

    def __call__(self, images: Tensor) -> Tensor:
        mean, std = (values.to(images).view(-1, 1, 1) for values in (self.mean, self.std))
        return images.sub(mean).div_(std)


class _Clock:
    """torch.cuda.Event, for a CPU."""

    at = 0.0

    def record(self) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, later: "_Clock") -> float:  # milliseconds
        return 1000 * (later.at - self.at)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--keep-memory", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir")
    parser.add_argument("--images", type=int, help="only the first N of train and of test, to see that it runs")
    options = parser.parse_args()
    device = resolve_device(options.device)
    if options.keep_memory:
        keep_memory()
    dataset = load("cifar10", options.data_dir)
    if options.images:
        train, test = (
            Split(images=split.images[: options.images], labels=split.labels[: options.images])
            for split in (dataset.train, dataset.test)
        )
        dataset = replace(dataset, train=train, test=test)
    peer = Peer(options.file, dataset, device, options.compiled)
    if options.compiled or device.type == "cuda":
        print("warming up", file=sys.stderr, flush=True)
        peer.warm_up()
    found = peer.run(
        options.seed,
        lambda row: print(
            f"epoch {row['epoch'] + 1}, step {row['step']}: loss {row['loss']:.3f}, test {row['val_acc']:.4f}, "
            f"{row['seconds']:.1f} s",
            file=sys.stderr,
            flush=True,
        ),
    )
    about = {key: getattr(options, key) for key in ("seed", "compiled", "keep_memory")}
    about["images"] = len(dataset.train.labels)
    images = {"dataset": dataset.name, "fingerprint": dataset.fingerprint, "canonical": dataset.canonical}
    print(json.dumps({**found, **about, **images, **provenance(device)}))


if __name__ == "__main__":
    main()
