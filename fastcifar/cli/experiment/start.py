"""The actions that run an experiment in the foreground."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from fastcifar.cli.experiment.flags import ID, Action


@dataclass(frozen=True, kw_only=True)
class Create(Action):
    """Run the experiment that a YAML file of NNI's version 2 or 1 describes."""

    config: Annotated[Path, arg(metavar="FILE", aliases=["-c"])]
    """The file."""

    def run(self) -> int:
        from fastcifar.search.experiment.experiment import Experiment

        Experiment.from_yaml(self.config, out=self.out).run()
        return 0


@dataclass(frozen=True, kw_only=True)
class Resume(Action):
    """Go on with an experiment that has ended, as `fastcifar search --resume` does."""

    id: ID
    """Its folder or id."""
    json: bool = False
    """Print the summary as one JSON document."""

    def run(self) -> int:
        from fastcifar.cli.search import Search

        return Search(resume=self.id, out=self.out, json=self.json, debug=self.debug).run()
