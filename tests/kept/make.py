"""Make what is kept: in an empty folder, with the version of fastcifar that it is to be of.

PYTHONPATH=<that version>:tests/kept python tests/kept/make.py; see README.md
"""

from pathlib import Path

import torch

from fastcifar.data import synthetic
from fastcifar.experiment.session import driving
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.summary import confirmed, summary
from fastcifar.train import Recipe, train

X = {"x": {"_type": "uniform", "_value": [0, 1]}}
RATES = {"peak_lr": {"_type": "choice", "_value": [0.1, 0.2]}}
TINY = Recipe(
    dataset="synthetic", prep=4, layer1=4, layer2=4, layer3=4, batch_size=128, total_epoch=2, train_images=512
)


def search(folder: str, spec: Spec) -> None:
    path = Path(folder)
    path.mkdir()
    with driving(path, spec, lambda driver: None) as driver:
        driver.search()
        summary(spec, driver, confirmed(spec, driver))
    for other in path.iterdir():
        if other.name != "experiment.db":
            for log in other.iterdir() if other.is_dir() else ():
                log.unlink()
            other.rmdir() if other.is_dir() else other.unlink()


if __name__ == "__main__":
    torch.set_num_threads(1)
    common = {"tuner": {"name": "Random"}, "threads": 1}
    search("function", Spec(name="f", space=X, function="objective:f", trials=3, confirm=(1, 2), **common))
    tiny = {"recipe": TINY.to_dict(), "recipe_name": "tiny", "device": "cpu"}
    search("training", Spec(name="tiny", space=RATES, trials=2, confirm=(1, 2), **tiny, **common))
    result = train(TINY, synthetic(10), device="cpu", threads=1, name="tiny", out=".")
    Path(result.path or "").rename("run")
    for name in ("lock", "network.dot", "network.svg"):
        Path("run", name).unlink(missing_ok=True)
