"""`fastcifar supernet train`."""

from dataclasses import dataclass
from json import dumps
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from fastcifar.cli.parsing.flags import RESUMED, absent, refuse_others
from fastcifar.cli.supernet.flags import PlanFlags
from fastcifar.cli.training.run_flags import RepeatFlags
from fastcifar.cli.training.threads import chosen_threads, say
from fastcifar.stopping import last_words

if TYPE_CHECKING:
    from fastcifar.cli.supernet.view import TrainView
    from fastcifar.supernet import Record


@dataclass(frozen=True, kw_only=True)
class Train(PlanFlags, RepeatFlags):
    """Train all networks of a space in one set of weights, on the training images less the holdout."""

    vary: Annotated[tuple[str, ...], arg(metavar="NAME ...")] = ()
    """Choose only these while training, keys of the space or width, depth, residual, kernel; the rest stays largest."""
    init: Annotated[str | None, absent("RUN")] = None
    """Start from the weights of this run or supernet (its folder, or its id under --out), where they lie in it."""
    step: Annotated[str, arg(metavar="{auto,eager,fused}")] = "auto"
    """How the networks run: as written, or with a CPU's fused kernels; auto takes these where they can be had."""
    resume: Annotated[str | None, absent("RUN")] = None
    """Go on with this supernet (its folder, or its id under --out) from its last epoch, with its own settings."""

    def run(self) -> int:
        from fastcifar.cli.supernet.view import TrainView

        view = TrainView(quiet=self.json)
        last_words(view.how_to_go_on)
        try:
            record = self._begin(view) if self.resume is None else self._go_on(view, self.resume)
        except KeyboardInterrupt:
            view.interrupted()
            raise
        view.end(record)
        if self.json:
            print(dumps(record.to_dict(), indent=2))
        return 1 if record.status == "diverged" else 0

    def _begin(self, view: "TrainView") -> "Record":
        from fastcifar.data import load
        from fastcifar.supernet import train_supernet

        name, recipe = self.find_with_images(self.recipe)
        plan = self.plan(recipe, self.vary)
        init = None if self.init is None else self.folder(self.init)
        return train_supernet(
            plan,
            load(recipe.dataset, self.data_dir),
            device=self.device,
            step=self.step,
            deterministic=self.deterministic,
            init=init,
            threads=chosen_threads(self.threads, self.device),
            out=self.out,
            name=f"supernet-{name}",
            hooks=view.hooks(),
            on_start=view.start,
        )[1]

    def _go_on(self, view: "TrainView", name: str) -> "Record":
        from fastcifar.data import load
        from fastcifar.supernet import read_record, resume_supernet
        from fastcifar.train.threads import kept_threads

        refuse_others(self, (*RESUMED, "data_dir"), "--resume: a supernet goes on with its own settings")
        path = self.folder(name)
        record = read_record(path)
        say(kept_threads(record.settings.get("threads", record.threads))[1])
        dataset = load(record.plan.recipe.dataset, self.data_dir)
        return resume_supernet(path, dataset, hooks=view.hooks(), on_start=view.start)[1]
