"""What a search asks of its supernet."""

import pytest
from supernets import ENTRIES, RECIPE

from fastcifar.search.experiment.driver import confirm_seeds, trial_seed
from fastcifar.search.experiment.spec import Spec
from fastcifar.supernet.ranking import Limits
from fastcifar.supernet.search import Asked, plan_of


@pytest.mark.parametrize(("method", "times"), [("fair", 3), ("uniform", 3), ("sandwich", 1), ("sandwich-labels", 1)])
def test_a_supernet_has_epochs_and_batches_of_its_own(method, times):
    spec = Spec(space=ENTRIES, recipe=RECIPE.to_dict(), short={"total_epoch": 4}, seed=3)
    plan = plan_of(spec, Asked(method=method, rates="equal", limits=Limits(), trainings=5))
    assert plan.recipe == RECIPE.with_params({"total_epoch": 4}).with_params({"total_epoch": 4 * times})
    assert plan.seed not in (*(trial_seed(3, number) for number in range(1000)), *confirm_seeds(3, 1000))
