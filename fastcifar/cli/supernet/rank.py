"""`fastcifar supernet rank`."""

import sys
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from fastcifar.cli.parsing.flags import Count, absent
from fastcifar.cli.supernet.flags import CommonFlags, LimitFlags
from fastcifar.cli.training.threads import chosen_threads


@dataclass(frozen=True, kw_only=True)
class Rank(CommonFlags, LimitFlags):
    """Rank the networks of a trained supernet by their loss on the holdout, and write them to networks.csv."""

    supernet: Positional[Annotated[str, arg(metavar="RUN")]]
    """The supernet: its folder, or its id under --out."""
    sample: Count = None
    """Rank so many networks, drawn; by default all, or of more than 1,024 those that evolution comes to."""
    images: Annotated[int, arg(metavar="N")] = 1000
    """Images of the holdout (5,000) that they are judged on."""
    device: Annotated[str | None, absent("DEV")] = None
    """auto, cpu, cuda or cuda:N; by default the one that it was trained on, or the CPU where that is not here."""

    def run(self) -> int:
        from fastcifar.cli.supernet.view import Counter, networks_text
        from fastcifar.data import load
        from fastcifar.names import counted
        from fastcifar.supernet import Material, load_supernet, networks
        from fastcifar.supernet.predict.ranking import check_amounts
        from fastcifar.train.threads import using_threads

        check_amounts(self.images, self.sample)
        supernet, record = load_supernet(self.folder(self.supernet), self.device)
        if record.plan.vary:
            varied = f"only {', '.join(record.plan.vary)} varied while this supernet was trained"
            print(f"note: {varied}; the rest is worth what --init has brought", file=sys.stderr)
        material = Material(record, load(record.plan.recipe.dataset, self.data_dir), supernet)
        counter = Counter("networks scored")
        with using_threads(chosen_threads(self.threads, str(supernet.device))):
            found = networks(
                supernet,
                record,
                material,
                limits=self.limits(),
                sample=self.sample,
                images=self.images,
                seed=record.plan.seed,
                progress=counter,
            )
        counter.end()
        path = Path(record.path or ".") / "networks.csv"
        replaced = path.exists()
        found.to_csv(path, index=False)
        if self.json:
            print(dumps(found.to_dict("records"), indent=2))
        else:
            print(networks_text(found, list(record.plan.choices.values)))
        wrote = f"all {counted(len(found), 'network')}: {path}" + (" (replaced)" if replaced else "")
        print(wrote, file=sys.stderr if self.json else sys.stdout)
        return 0
