"""What a search asks of its supernet."""

import pytest
from supernets import ENTRIES, RECIPE, WIDTHS

from fastcifar.cli.search_view import duration
from fastcifar.cli.supernet.view import estimate
from fastcifar.experiment.loop import confirm_seeds, trial_seed
from fastcifar.experiment.objectives.training.cost import Cost
from fastcifar.experiment.objectives.training.sizes import flops
from fastcifar.experiment.spec import Spec
from fastcifar.supernet.methods import drawn
from fastcifar.supernet.predict.ranking import CostLimits
from fastcifar.supernet.search import Asked, plan_of

NARROW = {"layer1": {"_type": "choice", "_value": [7, 8]}}
CHEAP = {"layer1": {"_type": "choice", "_value": [1, 2, 3, 64]}}


@pytest.mark.parametrize("space", [ENTRIES, WIDTHS, NARROW, CHEAP])
@pytest.mark.parametrize("method", ["fair", "uniform", "sandwich", "sandwich-labels"])
def test_a_supernet_has_batches_of_its_own_and_as_many_epochs_as_it_may_cost(method, space):
    """2.4 trainings of the widest network, unless that is less than one of its epochs each, or more than five."""
    spec = Spec(space=space, recipe=RECIPE.to_dict(), short={"total_epoch": 20}, seed=3)
    plan = plan_of(spec, Asked(method=method, rates="equal", limits=CostLimits(), trainings=5))
    epochs = plan.recipe.total_epoch
    assert plan.recipe == RECIPE.with_params({"total_epoch": 20}).with_params({"total_epoch": epochs})
    assert plan.seed not in (*(trial_seed(3, number) for number in range(1000)), *confirm_seeds(3, 1000))
    steps = [drawn(plan.choices, method, plan.seed, step) for step in range(200)]
    cost = sum(flops(one) for step in steps for one in step) / 200 / flops(plan.choices.full) / 20  # of an epoch
    assert 20 <= epochs <= 100 and (epochs == 100 or space != CHEAP or method.startswith("sandwich"))
    assert epochs == 20 or epochs * cost < 2.5
    assert epochs == 100 or (epochs + 1) * cost > 2.3


def test_the_time_said_beforehand_is_of_networks_that_may_be_chosen():
    """The confirmation is said of the largest of them, which is what a search mostly chooses."""
    space = {"prep": {"_type": "choice", "_value": [4, 8]}}
    recipe = RECIPE.with_params({"total_epoch": 100})
    spec = Spec(space=space, recipe=recipe.to_dict(), short={"total_epoch": 4}, trials=5, confirm=(2, 3), concurrency=2)
    plan = plan_of(spec, Asked(method="fair", rates="equal", limits=CostLimits(), trainings=5))
    cost = Cost(seconds_per_work=2e-6, seconds_per_check=0.0, available=45_000, seconds_besides=10.0)

    def seconds(width, epochs):
        return flops(recipe.with_params({"prep": width})) * 128 * epochs * 2e-6

    times = min(5, 2.4 * seconds(8, 1) / ((seconds(4, 1) + seconds(8, 1)) / 2))
    shared = (seconds(4, int(4 * times)) + seconds(8, int(4 * times))) / 2 / 2
    for widths in ([4], [4, 8]):
        each = sum(seconds(width, 4) + 10 for width in widths) / len(widths)
        most, own = seconds(widths[-1], 100) + 10, seconds(4, 100) + 10
        total = shared + (5 * each + 6 * most + 3 * own) / 2
        said = estimate(spec, plan, [{"prep": width} for width in widths], cost).splitlines()
        assert said[0].startswith(f"the supernet: about {duration(shared)}, shortened (total_epoch 4")
        assert said[1] == f"5 trainings alone of about {duration(each)}, as short"
        assert said[2] == (
            f"confirmation at full budget: 6 trainings of about {duration(most)} for the largest network, "
            f"3 of the recipe as it is of about {duration(own)}"
        )
        assert f"about {duration(total)} in all; " in said[3]
