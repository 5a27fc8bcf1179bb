"""The actions that run an experiment in the foreground."""

from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from fastcifar.cli.experiment.flags import ID, Action
from fastcifar.cli.parsing.flags import Count


@dataclass(frozen=True, kw_only=True)
class Create(Action):
    """Run the experiment that a YAML file of NNI's version 2 or 1 describes."""

    config: Annotated[Path, arg(metavar="FILE", aliases=["-c"])]
    """The file."""
    threads: Count = None
    """Threads of each trial, told to its command by OMP_NUM_THREADS; by default the command decides."""
    json: bool = False
    """Print what has come of it as one JSON document."""

    def run(self) -> int:
        from fastcifar.cli.experiment.show import show_text
        from fastcifar.cli.experiment.view import document
        from fastcifar.cli.search_view import SearchView
        from fastcifar.nni.experiment import Experiment

        experiment, view = Experiment.from_yaml(self.config, out=self.out), SearchView()
        experiment.threads = self.threads
        experiment.on_begin, experiment.on_change = view.begin, view.watch
        try:
            experiment.run()
        finally:
            view.close()
        assert experiment.folder is not None
        shown = document(experiment.folder)
        print(dumps(shown, indent=2) if self.json else show_text(shown))
        summary = shown["summary"] or {}
        if summary.get("ended") == "it was interrupted":
            return 130
        return 0 if summary.get("best") is not None else 1


@dataclass(frozen=True, kw_only=True)
class Resume(Action):
    """Go on with an experiment that has ended, as `fastcifar search --resume` does."""

    id: ID
    """Its folder or id."""
    trust: bool = False
    """Run the command, function and classes of an experiment that was loaded."""
    json: bool = False
    """Print the summary as one JSON document."""

    def run(self) -> int:
        from fastcifar.cli.search import Search

        return Search(resume=self.id, trust=self.trust, out=self.out, json=self.json, debug=self.debug).run()
