"""What runs that are put together have in common, and in what they differ."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fastcifar.train.result import Result

MACHINE = ("device", "threads", "system", "code")  # of a record's provenance, whose `versions` come after them
SETTINGS = ("step", "deterministic", "init")


def mixed(results: Iterable[Result], *more: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What was not the same for all runs, each with its values: machine, threads, versions, precision, step.

    more: provenance of a session to come. A run that was resumed was made by several sessions.
    Of the precision only what `auto` came to counts, else it is the recipe's.
    """
    values: dict[str, list[Any]] = {}

    def note(name: str, value: Any) -> None:
        there = values.setdefault(name, [])
        if value not in there:
            there.append(value)

    for result in results:
        sessions: list[Mapping[str, Any]] = [result.provenance, *result.resumed]
        for made in sessions:
            _note_provenance(made, note)
        for name in SETTINGS:
            note(name, result.settings.get(name))
        if result.recipe.precision == "auto":
            note("precision", result.precision)
    for made in more:
        _note_provenance(made, note)
    return {name: there for name, there in values.items() if len(there) > 1}


def _note_provenance(made: Mapping[str, Any], note: Callable[[str, Any], None]) -> None:
    for name in MACHINE:
        note(name, made.get(name))
    for name, version in made.get("versions", {}).items():
        note(name, version)


def mixed_line(differences: Mapping[str, Sequence[Any]]) -> str:
    """The same in one line; empty where nothing differs."""
    if not differences:
        return ""
    told = "; ".join(f"{name} {' and '.join(map(str, values))}" for name, values in differences.items())
    return f"not all runs were made alike: {told}"


def check_one_recipe(results: Sequence[Result], where: str) -> None:
    """Raise ValueError where the runs are not of one recipe. where: the flag that named them."""
    first = results[0].recipe.to_dict()
    for result in results[1:]:
        other = result.recipe.to_dict()
        fields = [f"{name} {first[name]} and {other[name]}" for name in first if first[name] != other[name]]
        if fields:
            raise ValueError(
                f"{where}: {results[0].id} and {result.id} are of different recipes ({', '.join(fields[:3])}); "
                "each side of a comparison is one recipe"
            )


def check_comparable(results: Sequence[Result]) -> None:
    """Raise ValueError where runs were trained or validated on different images."""
    first = results[0]
    for result in results[1:]:
        for name, one, other in (
            ("images", _images(first), _images(result)),
            ("split", first.split, result.split),
            ("train images", first.dataset["train_images"], result.dataset["train_images"]),
        ):
            if one != other:
                raise ValueError(
                    f"{name}: {first.id} has {one}, {result.id} has {other}; their accuracies cannot be compared"
                )


def device_kinds(results: Iterable[Result]) -> list[str]:
    """The kinds of devices that the runs were made on: cpu, cuda."""
    return sorted({str(result.settings["device"]).partition(":")[0] for result in results})


def _images(result: Result) -> str:
    return f"{result.dataset['name']} of fingerprint {result.dataset['fingerprint'][:12]}"
