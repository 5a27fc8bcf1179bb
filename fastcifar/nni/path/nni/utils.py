"""The function that NNI's examples import from `nni.utils`."""

from typing import Any


def merge_parameter(base_params: Any, override_params: dict[str, Any]) -> Any:
    """Set the trial's parameters in an argparse namespace or a dict that already has them, and return it.

    Raises ValueError for a parameter that it does not have.
    """
    if override_params is None:
        return base_params
    values = base_params if isinstance(base_params, dict) else vars(base_params)
    for name, value in override_params.items():
        if name not in values:
            raise ValueError(f"the program has no parameter {name!r}; it has {', '.join(values)}")
        values[name] = value
    return base_params
