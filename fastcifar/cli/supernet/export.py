"""`fastcifar supernet export`."""

import sys
from dataclasses import dataclass
from json import dumps
from typing import Annotated

from tyro.conf import Positional, arg

from fastcifar.cli.parsing.flags import Folder, Settings, parse_settings
from fastcifar.cli.supernet.flags import CommonFlags
from fastcifar.cli.training.threads import chosen_threads


@dataclass(frozen=True, kw_only=True)
class Export(CommonFlags):
    """Take one network out of a supernet: weights, recipe, drawing, and ONNX where its packages are installed."""

    supernet: Positional[Annotated[str, arg(metavar="RUN")]]
    """The supernet: its folder, or its id under --out."""
    network: Settings = ()
    """The network, e.g. --network prep=32 layer1=56; what is not named is at its largest."""
    device: Annotated[str, arg(metavar="DEV")] = "cpu"
    """Where its statistics are measured: cpu, cuda or cuda:N."""
    to: Folder = None
    """Where the files are written; by default a folder `network` in the supernet's."""
    force: bool = False
    """Replace an export that is there."""

    def run(self) -> int:
        from fastcifar.data import load
        from fastcifar.names import counted
        from fastcifar.supernet import Material, export, freeze, load_supernet
        from fastcifar.supernet.exporting import exported
        from fastcifar.train.threads import using_threads

        path = self.folder(self.supernet)
        to = self.to or path / "network"
        there = exported(to)
        if there and not self.force:
            raise FileExistsError(f"{', '.join(map(str, there))}: there already; --force replaces them, or --to DIR")
        supernet, record = load_supernet(path, self.device)
        params = record.plan.choices.largest | parse_settings(self.network, "--network")
        record.plan.choices.of(params)
        material = Material(record, load(record.plan.recipe.dataset, self.data_dir), supernet)
        with using_threads(chosen_threads(self.threads, str(supernet.device))):
            recipe, network = freeze(supernet, params, material.calibration())
        files = export(recipe, network, to)
        print(f"{'replaced' if there else 'wrote'} {counted(len(files), 'file')} in {to}", file=sys.stderr)
        if self.json:
            print(dumps({"params": params, "files": [str(file) for file in files]}, indent=2))
        else:
            print("\n".join(map(str, files)))
        return 0
