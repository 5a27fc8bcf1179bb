"""Random, our searchers, Optuna's TPE and NNI's TPE on published tables and synthetic functions.

    pip install -e '.[searchers]'
    python benchmarks/searchers.py [--seeds 50] [--jobs 2] [--problems NAME ...] [--agents NAME ...]

Each agent searches each problem from each seed, one trial at a time and 8 in parallel; the same point gives the same
results to all of them. Rows are added to results/searchers.jsonl as they come, so that it can be stopped and started
again; --fresh NAME measures an agent anew. Writes results/searchers.md.
"""

import argparse
import itertools
import json
import os
import time
import warnings
from collections import Counter, deque
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # one process per core

import numpy as np
import pandas as pd
from rows import read
from scipy import stats
from search_problems import NAMES_OF_TABLES, problems
from searcher_agents import AGENTS, PEERS

from fastcifar.machine import cores

RESULTS = Path(__file__).parent / "results"
CHECKPOINTS = (20, 50, 100, 200)
MODES = (1, 8)  # trials at a time
OPTUNA = ("optuna-integer", "optuna-categorical")
Job = tuple[str, str, int, int]  # problem, agent, parallel, seed


def search(job: Job) -> dict[str, Any]:
    """One search; the regret of what the agent recommends, and of its best single result, at each checkpoint."""
    name, agent_name, parallel, seed = job
    problem = problems()[name]
    began = time.perf_counter()
    agent = AGENTS[agent_name](problem, seed)
    repeats: Counter[str] = Counter()
    waiting: deque[tuple[Any, dict[str, Any]]] = deque()
    recommended, luckiest = [], []
    lowest = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(1, CHECKPOINTS[-1] + 1):
            while len(waiting) < min(parallel, CHECKPOINTS[-1] + 1 - number):
                waiting.append(agent.ask())
            token, params = waiting.popleft()
            loss = problem.evaluate(params, seed, repeats[str(params)])
            repeats[str(params)] += 1
            agent.tell(token, loss)
            if loss < lowest:
                lowest, lucky = loss, params
            if number in CHECKPOINTS:
                recommended.append(round(problem.regret(agent.best()), 6))
                luckiest.append(round(problem.regret(lucky), 6))
    seconds = round(time.perf_counter() - began, 2)
    key = {"problem": name, "agent": agent_name, "parallel": parallel, "seed": seed}
    return {**key, "regret": recommended, "luckiest": luckiest, "seconds": seconds}


def key(row: dict[str, Any]) -> Job:
    return row["problem"], row["agent"], row["parallel"], row["seed"]


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in sorted(rows, key=key)))


def run(jobs: list[Job], path: Path, processes: int) -> None:
    began = time.perf_counter()
    with ProcessPoolExecutor(processes) as pool, path.open("a") as file:
        futures = [pool.submit(search, job) for job in jobs]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                file.write(json.dumps(future.result()) + "\n")
                file.flush()
                if done % 50 == 0 or done == len(jobs):
                    left = (time.perf_counter() - began) / done * (len(jobs) - done)
                    print(f"{done} of {len(jobs)} searches, {left:.0f} s left", flush=True)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise


def report(rows: list[dict[str, Any]]) -> str:
    """The tables: regret of each agent on each problem, and ours against the better of Optuna's encodings."""
    frame = pd.DataFrame(rows)
    regret = {
        cell: pd.DataFrame(group["regret"].tolist(), index=group["seed"], columns=CHECKPOINTS).sort_index()
        for cell, group in frame.groupby(["problem", "parallel", "agent"])
    }
    known = [name for name in problems() if name in set(frame["problem"])]
    agents = [name for name in AGENTS if name in set(frame["agent"])]
    parts = [verdicts(regret, known, agents, parallel) for parallel in MODES]
    for name, parallel in itertools.product(known, MODES):
        lines = [
            f"### {name}, {parallel} at a time",
            "",
            "| agent | n | " + " | ".join(f"{count} evaluations" for count in CHECKPOINTS) + " |",
            "| --- " * (len(CHECKPOINTS) + 2) + "|",
        ]
        for agent in agents:
            cell = regret.get((name, parallel, agent))
            if cell is not None:
                half = stats.t.ppf(0.975, len(cell) - 1) * cell.sem() if len(cell) > 1 else cell.iloc[0] * np.nan
                texts = [f"{cell[count].mean():.3f} ± {half[count]:.3f}" for count in CHECKPOINTS]
                lines.append(f"| {agent} | {len(cell)} | " + " | ".join(texts) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def verdicts(
    regret: dict[tuple[str, int, str], pd.DataFrame], known: list[str], agents: list[str], parallel: int
) -> str:
    """Ours over the better of Optuna's encodings, on each problem after 100 evaluations."""
    own = [agent for agent in agents if agent not in PEERS]
    lines = [
        f"### Regret after 100 evaluations over that of Optuna, {parallel} at a time",
        "",
        "Ratio of mean regrets, Optuna in the better of its two encodings on that problem; in brackets the p of a",
        "paired two-sided Wilcoxon test over the seeds.",
        "",
        "| problem | " + " | ".join(own) + " |",
        "| --- " * (len(own) + 1) + "|",
    ]
    better, worse = Counter[str](), Counter[str]()
    functions = [name for name in known if name not in NAMES_OF_TABLES]
    for name in known:
        theirs = [regret[name, parallel, agent][100] for agent in OPTUNA if (name, parallel, agent) in regret]
        if not theirs:
            continue
        best = min(theirs, key=lambda column: float(column.mean()))
        texts = []
        for agent in own:
            cell = regret.get((name, parallel, agent))
            if cell is None:
                texts.append("")
                continue
            mine, other = cell[100].align(best, join="inner")
            differences = (mine - other).to_numpy()
            p = float(stats.wilcoxon(differences).pvalue) if np.any(differences) else 1.0
            texts.append(f"{mine.mean() / other.mean():.2f} ({p:.2g})")
            if name in functions:
                better[agent] += mine.mean() < other.mean()
                worse[agent] += mine.mean() > other.mean() and p < 0.05
        lines.append(f"| {name} | " + " | ".join(texts) + " |")
    if functions:
        texts = [f"{better[agent]} better, {worse[agent]} significantly worse" for agent in own]
        lines.append(f"| {len(functions)} functions | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=cores())
    parser.add_argument("--problems", nargs="+", choices=list(problems()), default=list(problems()), metavar="NAME")
    parser.add_argument("--agents", nargs="+", choices=list(AGENTS), default=list(AGENTS), metavar="NAME")
    parser.add_argument("--fresh", nargs="+", choices=list(AGENTS), default=[], metavar="NAME")
    options = parser.parse_args()
    path = RESULTS / "searchers.jsonl"
    rows = [row for row in read(path) if row["agent"] not in options.fresh]
    write(path, rows)
    wanted = [agent for agent in options.agents if agent not in PEERS or find_spec(agent.partition("-")[0])]
    if len(wanted) < len(options.agents):
        print("optuna or nni is not installed: pip install -e '.[searchers]'")
    done = {key(row) for row in rows}
    seeds = range(options.seeds)
    jobs = [
        (name, agent, parallel, seed)
        for seed, name, parallel, agent in itertools.product(seeds, options.problems, MODES, wanted)
        if (name, agent, parallel, seed) not in done
        and (agent != "optuna-categorical" or any(p.values for p in problems()[name].space.parameters))
    ]
    run(jobs, path, options.jobs)
    rows = read(path)
    write(path, rows)
    versions = ", ".join(
        f"{package} {metadata.version(package)}" for package in ("optuna", "nni", "numpy") if find_spec(package)
    )
    text = "# The searchers\n\n" + f"Made by `benchmarks/searchers.py`; {versions}.\n\n" + report(rows) + "\n"
    (RESULTS / "searchers.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
