"""Every strategy against brute force, and on a table of published accuracies."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import wilcoxon

import fastcifar.nas.nn as nn
from fastcifar.experiment.tuners.algorithm_config import AlgorithmConfig
from fastcifar.experiment.tuners.algorithms import make_tuner
from fastcifar.nas import Classification, model_wrapper, space_of, strategy
from fastcifar.search import History, SpaceExhausted, trial_rng

TABLE = Path(__file__).parents[2] / "benchmarks" / "tables" / "nas-bench-macro.csv.gz"
MULTI = [
    *(strategy.Random(), strategy.GridSearch(), strategy.TPE()),
    strategy.RegularizedEvolution(population_size=5, sample_size=2),
]


@model_wrapper
class Macro(nn.Module):
    """NAS-Bench-Macro's choices: 8 blocks of 3 kinds."""

    def __init__(self):
        super().__init__()
        for block in range(1, 9):
            setattr(self, f"op{block}", nn.LayerChoice([nn.Identity(), nn.ReLU(), nn.GELU()], label=f"op{block}"))


@model_wrapper
class Few(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.ValueChoice([1, 2, 3]), nn.ValueChoice(["x", "y"])
        self.c = nn.LayerChoice([nn.ReLU(), nn.GELU()])


def searched(one, model, value, trials, seed):
    """What a strategy tries, and what that is worth."""
    space = space_of(model).space
    searcher, history = make_tuner(AlgorithmConfig(**one.tuner())).searcher, History(space, maximize=True)
    for number in range(trials):
        params = searcher.suggest(space, history, trial_rng(seed, number))
        history.add(params, value(params))
    return history


@pytest.mark.parametrize("one", MULTI, ids=lambda one: type(one).__name__)
def test_a_small_space_is_tried_whole_and_its_best_found(one):
    def value(params):
        return params["model_1"] * (2 if params["model_2"] == "y" else 1) + (params["model_3"] == "1")

    model = Few()
    history = searched(one, model, value, 12, 0)
    tried = [repr(history.space.decode(row)) for row in history.rows]
    assert len(set(tried)) == 12 and history.values.max() == 7
    space = space_of(model).space
    with pytest.raises(SpaceExhausted):
        make_tuner(AlgorithmConfig(**one.tuner())).searcher.suggest(space, history, trial_rng(0, 12))
    again = searched(one, model, value, 12, 0)
    assert [repr(again.space.decode(row)) for row in again.rows] == tried  # the same seed, the same samples


def test_random_without_dedup_repeats():
    tried = searched(strategy.Random(dedup=False), Few(), lambda params: 0.0, 30, 0)
    assert len({row.tobytes() for row in tried.rows}) < 13


@pytest.mark.parametrize("seeds", [20, pytest.param(50, marks=pytest.mark.slow)])
def test_evolution_and_tpe_beat_random_on_published_accuracies(seeds):
    """One of three trainings is what an evaluation gives; judged by their mean, over seeds in pairs."""
    frame = pd.read_csv(TABLE)
    places = {tuple(row): number for number, row in enumerate(frame[[f"op{i}" for i in range(1, 9)]].to_numpy())}
    three = frame[["acc0", "acc1", "acc2"]].to_numpy()
    means = three.mean(1)
    model = Macro()

    def at(params):
        return places[tuple(int(params[f"op{i}"]) for i in range(1, 9))]

    def regret(one, seed):
        rng = np.random.default_rng([seed, 1])
        history = searched(one, model, lambda params: three[at(params), rng.integers(3)], 80, seed)
        return means.max() - means[at(history.space.decode(history.rows[np.argmax(history.values)]))]

    def regrets(one):
        return np.array([regret(one, seed) for seed in range(seeds)])

    random = regrets(strategy.Random())
    for one in (strategy.RegularizedEvolution(), strategy.TPE()):
        mine = regrets(one)
        assert mine.mean() < random.mean() and wilcoxon(mine, random, alternative="less").pvalue < 0.01


class Blind(nn.Module):
    """Loses its input."""

    def forward(self, x):
        return 0 * x


def classes(seed, size=256):
    """Two classes that differ in the sign of a column."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (size,), generator=generator)
    inputs = torch.randn(size, 4, generator=generator)
    inputs[:, 0] = inputs[:, 0].abs() * (2 * labels - 1)
    return [(inputs[i : i + 32], labels[i : i + 32]) for i in range(0, size, 32)]


@model_wrapper
class Plain(nn.Module):
    """The second option of the layer, and the first input, are plainly better."""

    def __init__(self):
        super().__init__()
        self.layer = nn.LayerChoice([Blind(), nn.Linear(4, 4)], label="layer")
        self.pick = nn.InputChoice(2, label="input")
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.pick([self.layer(x), torch.zeros_like(x)]))


@pytest.mark.parametrize("one", [strategy.SinglePath(), strategy.DARTS(choice_lr=0.1)], ids=["SinglePath", "DARTS"])
def test_one_shot_finds_what_is_plainly_better(one):
    evaluator = Classification(train=classes(0), valid=classes(1), epochs=8, lr=0.01, device="cpu")
    space = space_of(Plain())
    torch.manual_seed(0)
    ranked = one.run(space, evaluator, 0)
    assert ranked[0].sample == {"layer": "1", "input": 0}
    assert [entry.score for entry in ranked] == sorted((entry.score for entry in ranked), reverse=True)
    network = space.network(ranked[0].sample)
    network.load_state_dict(ranked[0].weights)
    right = sum(int((network(inputs).argmax(1) == labels).sum()) for inputs, labels in classes(1))
    assert right > 200  # of 256
    torch.manual_seed(0)
    assert [entry.sample for entry in one.run(space, evaluator, 0)] == [entry.sample for entry in ranked]


def test_networks_of_darts_have_statistics_of_their_own():
    """The mixture's would be those of neither option."""

    class Shifted(nn.Module):
        def forward(self, x):
            return x + 4

    @model_wrapper
    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.LayerChoice([nn.Identity(), Shifted()])
            self.norm, self.head = nn.BatchNorm1d(4), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.norm(self.layer(x)))

    space = space_of(Normed())
    evaluator = Classification(train=classes(0), valid=classes(1), epochs=6, lr=0.01, device="cpu")
    means = {}
    for entry in strategy.DARTS().run(space, evaluator, 0):
        means[entry.sample["model_1"]] = float(entry.weights["norm.running_mean"].mean())
        network = space.network(entry.sample)
        network.load_state_dict(entry.weights)
        network.eval()
        assert sum(int((network(x).argmax(1) == y).sum()) for x, y in classes(1)) > 200
    assert means["1"] - means["0"] == pytest.approx(4, abs=1e-3)


def test_what_cannot_be_mixed_is_named():
    @model_wrapper
    class Uneven(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.LayerChoice([nn.Linear(4, 2), nn.Linear(4, 1)], label="layer")

        def forward(self, x):
            return self.layer(x)

    evaluator = Classification(train=classes(0), valid=classes(1), device="cpu")
    with pytest.raises(
        ValueError, match=r"layer: outputs that are mixed .* of one shape, not \[\(32, 2\), \(32, 1\)\]"
    ):
        strategy.DARTS().run(space_of(Uneven()), evaluator, 0)


def test_tied_weights_and_choices_in_choices():
    @model_wrapper
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            inner = nn.LayerChoice([nn.Linear(4, 4), nn.Identity()])
            self.layer = nn.LayerChoice([inner, nn.Linear(4, 4)])
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
            self.b.weight = self.a.weight
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.b(self.a(self.layer(x))))

    space = space_of(Tied())
    evaluator = Classification(train=classes(0), valid=classes(1), epochs=2, lr=0.01, device="cpu")
    for one in (strategy.SinglePath(), strategy.DARTS()):
        ranked = one.run(space, evaluator, 0)
        assert len(ranked) == 4
        for entry in ranked:
            space.network(entry.sample).load_state_dict(entry.weights)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: strategy.SinglePath(ranked=0), "ranked: a whole number at least 1 is needed, not 0"),
        (lambda: strategy.DARTS(choice_lr=0), "choice_lr: a number more than 0 is needed, not 0"),
        (lambda: Classification(train=[], valid=classes(0)), "train: there is no batch in it"),
        (
            lambda: Classification(train=iter(classes(0)), valid=classes(0)),
            "train: batches that can be iterated over again",
        ),
        (lambda: Classification(train=classes(0), valid=classes(0), epochs=0), "epochs: a whole number at least 1"),
        (lambda: Classification(train=classes(0), valid=classes(0), device="gpu"), "device: 'gpu' is not known"),
    ],
)
def test_strategies_and_evaluators_say_what_is_wrong_with_them(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_darts_takes_options_within_options_out():
    @model_wrapper
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            inner = nn.LayerChoice([nn.Linear(4, 4, bias=False), nn.Linear(4, 4)], label="inner")
            self.layer = nn.LayerChoice([Blind(), nn.Sequential(inner, nn.ReLU())], label="outer")
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.layer(x))

    space = space_of(Nested())
    evaluator = Classification(train=classes(0), valid=classes(1), epochs=4, lr=0.01, device="cpu")
    ranked = strategy.DARTS(choice_lr=0.1).run(space, evaluator, 0)
    assert len(ranked) == 4 and abs(sum(entry.score for entry in ranked) - 1) < 1e-6
    for entry in ranked:
        space.network(entry.sample).load_state_dict(entry.weights)
    assert ranked[0].sample["outer"] == "1"
