import pytest

from fastcifar.train import Recipe


@pytest.fixture
def short(recipe: Recipe) -> Recipe:
    """A third of it: for what does not depend on how long a run is."""
    return recipe.with_params({"train_images": 192})
