"""Steps from a point of a space to one near it."""

import numpy as np

from fastcifar.search.spaces.parameter import Parameter
from fastcifar.search.spaces.space import Space


def neighbours(space: Space, rows: np.ndarray, rng: np.random.Generator, more: float = 0.0) -> np.ndarray:
    """A neighbour of each point (n, D): one parameter has another value, and with probability `more` each other too.

    An ordered parameter moves by a normal step of 0.3 % to 30 % of its range (log-uniform, one size for a point), a
    finite one by a whole value at least; any other gets another of its values. With a branch come new parameters.
    """
    n, dimensions = rows.shape
    free = ~np.isnan(rows) & np.array(
        [parameter.values is None or len(parameter.values) > 1 for parameter in space.parameters]
    )
    chances = np.where(free, rng.random((n, dimensions)), np.inf)
    changed = free & ((chances < more) | (chances == chances.min(1, keepdims=True)))
    steps = 10 ** rng.uniform(-2.5, -0.5, (n, 1)) * rng.standard_normal((n, dimensions))
    moved = rows.copy()
    for index, parameter in enumerate(space.parameters):
        here = changed[:, index]
        moved[here, index] = _moved(parameter, rows[here, index], steps[here, index], rng)
        if parameter.parent is not None:
            choice, option = parameter.parent
            taken = moved[:, choice] == option
            moved[~taken, index] = np.nan
            new = taken & np.isnan(moved[:, index])
            moved[new, index] = parameter.sample(rng, int(new.sum()))
    return moved


def _moved(parameter: Parameter, values: np.ndarray, steps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Other values of a parameter; steps are shares of its range. All (n,)"""
    if not parameter.ordered:
        count = len(parameter.values or ())
        return np.mod(values + rng.integers(1, count, len(values)), count) if len(values) else values
    if parameter.values is not None:
        low, high = 0.0, len(parameter.values) - 1.0
        steps = np.sign(steps) * np.maximum(1, np.round(np.abs(steps) * (high + 1)))
    else:
        low, high = parameter.bounds
        steps = steps * (high - low)
        if parameter.gaussian:
            return values + steps
    # A step that would leave the range is taken the other way.
    steps = np.where((values + steps < low) | (values + steps > high), -steps, steps)
    result: np.ndarray = np.clip(values + steps, low, high)
    return result
