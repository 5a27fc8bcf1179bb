"""Searches by the command line, for tests."""

from fastcifar.cli import run

MODULE = """
import time
def f(params, seed):
    return {"default": params["x"], "loss": (params["x"] - 0.3) ** 2, "seed": seed}
def slow(params, seed, report):
    for step in range(3):
        time.sleep(0.02)
        report(params["x"] * step)
    return params["x"] + seed % 3
def bad(params):
    raise RuntimeError("no luck")
"""


def name_of(folder):
    return f"functions_of_{folder.name}"


def search(folder, words):
    return run(["search", *words.replace("MODULE", name_of(folder)).split()])


F = "--space x.json --objective MODULE:f --trials 3"
