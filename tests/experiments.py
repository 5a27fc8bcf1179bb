"""An experiment of a few trials, and how tests of the command line look at one."""

from pathlib import Path

from fastcifar.cli import run
from fastcifar.experiment.store.store import Store

SPACE = {
    "x": {"_type": "uniform", "_value": [0, 1]},
    "seed": {"_type": "choice", "_value": ["1", 1, "one", None]},
    "net": {
        "_type": "choice",
        "_value": [{"_name": "a", "w": {"_type": "randint", "_value": [1, 9]}}, {"_name": "b"}],
    },
}
FITS = {"x": 0.5, "seed": 1, "net": {"_name": "a", "w": 3}}
CODE = """
import time
def f(params):
    print("told", params["x"])
    if params["net"]["_name"] == "b":
        raise RuntimeError("no b here")
    return params["x"]
def slow(params):
    time.sleep(params["x"] > 0.5 and 60 or 0.01)
    return params["x"]
"""


def rows_of(folder):
    store = Store.read(Path(folder))
    try:
        return store.trials()
    finally:
        store.close()


def spec_of(folder):
    store = Store.read(Path(folder))
    try:
        return store.meta()["spec"]
    finally:
        store.close()


def output(capsys, *arguments, code=0):
    """What the action prints on stdout; on stderr where it fails."""
    capsys.readouterr()
    assert run(["experiment", *arguments]) == code
    out, err = capsys.readouterr()
    return out if code == 0 else err
