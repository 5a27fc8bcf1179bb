"""Whether parameters from elsewhere are a point of a space."""

import math

from fastcifar.experiment.store.stored import finite
from fastcifar.names import short
from fastcifar.search.spaces.parameter import Parameter
from fastcifar.search.spaces.space import Params, Space


def check_fits(space: Space, params: Params, budget: str | None = None) -> None:
    """Raise ValueError where no trial of `space` could have these parameters, and `budget` where there is one."""
    if budget is not None and budget not in params:
        raise ValueError(f"{budget}: it is missing")
    if budget is not None and finite(params[budget]) is None:
        raise ValueError(f"{budget}: a number is needed, not {short(params[budget])}")
    row = space.encode({name: value for name, value in params.items() if name != budget})
    for parameter, latent in zip(space.parameters, row.tolist(), strict=True):
        if not math.isnan(latent) and not _within(parameter, latent):
            raise ValueError(f"{parameter.key}: {_shown(parameter, latent)} is no value of {_kind(parameter)}")


def _within(parameter: Parameter, latent: float) -> bool:
    """Whether rounding and clipping leave the value as it is."""
    if parameter.log and parameter.values is None and latent < -600:  # what stands for the logarithm of 0 and less
        return parameter.quantum is not None and parameter.decode(latent) == 0
    same = parameter.encode(parameter.decode(latent))
    return math.isclose(same, latent, rel_tol=1e-9, abs_tol=1e-12 if parameter.log else 0.0)


def _shown(parameter: Parameter, latent: float) -> str:
    value = math.exp(latent) if parameter.log else latent
    return f"{value:.6g}"


def _kind(parameter: Parameter) -> str:
    return f"{parameter.kind} [{', '.join(map(str, parameter.args))}]"
