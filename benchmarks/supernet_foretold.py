"""What one `fastcifar supernet search` foretold, judged by the ground truth: trainings that it has not seen.

    python benchmarks/supernet_truth.py
    python benchmarks/supernet_foretold.py [NETWORKS.CSV]

NETWORKS.CSV is a search's own file, of search_spaces/channels.json without a limit, by default
results/supernet-search-cpu.csv. Prints, and writes beside it with the ending -judged.md: Kendall's tau of each
predictor with the ground truth, how often its intervals hold, and what its choice under half the widest network's
FLOPs lacks.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from rows import read
from supernet import NEAR, shown
from supernet_judge import Truth, lacks, small, truth_of
from supernet_posterior import posterior
from supernet_truth import RESULTS, SPACE, WIDTHS, of_recipe, table

from fastcifar.names import counted
from fastcifar.statistics.tau import tau, within
from fastcifar.train import Recipe


def report(found: pd.DataFrame, truth: Truth) -> str:
    """What a table of all networks of the space, as the search writes it, is worth. Raises ValueError for another."""
    every = [SPACE.decode(row) for row in SPACE.points()]
    if len(found) != len(every):
        raise ValueError(f"{counted(len(found), 'network')}, where a search of the whole space has {len(every)}")
    ordered = found.set_index(list(WIDTHS)).loc[[tuple(one.values()) for one in every]].reset_index()
    there, near = ordered.iloc[truth.places], within(truth.flops, NEAR)
    predictors = {
        "FLOPs": truth.flops,
        "parameters": truth.parameters,
        "sum of log-widths": truth.design.sum(1),
        "supernet": -there["loss"].to_numpy(),
        "the search": there["predicted"].to_numpy(),
    }
    seeds = truth.single.shape[1]
    lines = [
        f"Kendall's tau with the mean accuracy of {counted(seeds, 'training')} each of {len(truth.mean)} networks, "
        f"with a 95 % bootstrap interval over networks; near: the {int(np.triu(near, 1).sum())} pairs within {NEAR:.0%}"
        " of each other's FLOPs.",
        "",
        "| predictor | tau | tau of near pairs |",
        "| --- | --- | --- |",
    ]
    for name, values in predictors.items():
        lines.append(f"| {name} | {shown(tau(values, truth.mean))} | {shown(tau(values, truth.mean, near))} |")
    low, high = (there[name].to_numpy()[:, None] for name in ("low", "high"))
    holds = ((low <= truth.single) & (truth.single <= high)).sum()
    said, under = [there["predicted"].to_numpy()] * seeds, small(truth)
    chosen = ordered[ordered["flops"] <= truth.space_flops.max() / 2].sort_values("predicted").iloc[-1]
    best = there.iloc[under].sort_values("predicted").iloc[-1]
    mean, least, most = posterior(truth).regret(truth, said)
    lines += [
        "",
        f"The search's 95 % intervals hold for {holds} of {truth.single.size} single trainings. Under half the widest "
        f"network's FLOPs it chooses {_named(chosen)}; among the {len(under)} networks of the ground truth there it "
        f"chooses {_named(best)}, which lacks {mean:.2f} points [{least:.2f}, {most:.2f}] to the best of them, as a "
        f"model of the trainings has it (`supernet_posterior.py`), and at most {lacks(truth, said):.2f}, as measured.",
    ]
    return "\n".join(lines) + "\n"


def _named(row: "pd.Series[float]") -> str:
    return " ".join(f"{key}={int(row[key])}" for key in WIDTHS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="?", type=Path, default=RESULTS / "supernet-search-cpu.csv")
    options = parser.parse_args()
    rows = read(RESULTS / "supernet_truth-cpu.jsonl")
    truth = truth_of(table(of_recipe(rows, Recipe.from_dict(rows[-1]["recipe"]))))
    try:
        text = report(pd.read_csv(options.networks), truth)
    except (OSError, ValueError, KeyError) as error:
        parser.error(f"{options.networks}: no table of a search of all of channels.json: {error}")
    options.networks.with_name(f"{options.networks.stem}-judged.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
