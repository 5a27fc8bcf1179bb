"""Checks before a search that a parameter's extreme values are usable numbers."""

import math

from fastcifar.search.spaces.parameter import LEAST_POSITIVE, Parameter

LARGEST_WHOLE = float(1 << 53)  # not every whole number beyond it has a float
LARGEST, LARGEST_LOG = 1e300, math.log(1e300) + 1e-9  # what is somewhat larger than a value is a number, too
NARROWEST = 1e-300  # width of a range: kernels are a few hundredths of it, and divide by that
FAR = 10.0  # standard deviations; no draw of a normal distribution comes that far


def fault(parameter: Parameter) -> str | None:
    """The rule that the parameter breaks, with its numbers; None if it breaks none."""
    if parameter.kind == "choice":
        return None
    first, second = float(parameter.args[0]), float(parameter.args[1])
    if parameter.kind == "randint":
        fits = max(abs(first), abs(second)) <= LARGEST_WHOLE
        return None if fits else f"numbers between -2^53 and 2^53 are needed, not {first:.6g} and {second:.6g}"
    if parameter.gaussian:
        low, high = first - 4 * second, first + 4 * second
    else:
        low, high = (math.log(first), math.log(second)) if parameter.log else (first, second)
    if high - low <= NARROWEST:
        return f"there are no numbers between its ends, {first:.17g} and {second:.17g}"
    if parameter.gaussian:
        low, high = first - FAR * second, first + FAR * second
    return _far_fault(parameter, high) or _far_fault(parameter, low)


def _far_fault(parameter: Parameter, latent: float) -> str | None:
    """What is wrong with the value of the smallest or the largest latent; None if nothing is."""
    where = f" {FAR:g} sigma from mu" if parameter.gaussian else ""
    if (parameter.log and latent > LARGEST_LOG) or not abs(latent) <= LARGEST:
        return f"its values{where} are beyond {LARGEST:g}"
    value = math.exp(latent) if parameter.log else latent
    quantum = parameter.quantum
    if quantum is not None and abs(value) / quantum > LARGEST_WHOLE:
        return f"q is too small, {quantum:g}: its values{where} are {value:.6g}"
    if parameter.log and quantum is None and value < LEAST_POSITIVE * (1 - 1e-9):
        return f"its values{where} are less than {LEAST_POSITIVE:g}"
    return None
