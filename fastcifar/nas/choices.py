"""The choices of a model. They are found by constructing it, as its constructor makes them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

PREFIX = "model"  # of generated labels: model_1, model_2, ...


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One choice. kind: layer, value, input or repeat. options: JSON values."""

    label: str
    kind: str
    options: tuple[Any, ...]


class Construction:
    """One construction of a model: of one sample, or, without a sample, of its space.

    In the construction of a space every choice is at its first option.
    choices: those found so far, by label, in their order.
    """

    def __init__(self, sample: Mapping[str, Any] | None = None) -> None:
        self.sample = sample
        self.choices: dict[str, Choice] = {}
        self._made = 0

    def label(self, given: str | None) -> str:
        """The label of the next choice: `given`, or a generated one. Raises ValueError for one like those generated."""
        if given is None:
            self._made += 1
            return f"{PREFIX}_{self._made}"
        if not isinstance(given, str):
            raise ValueError(f"label: text is needed, not {given!r}")
        if given.startswith(f"{PREFIX}_"):
            raise ValueError(f"label: {given!r} is like the generated labels; take another")
        return given

    def choose(self, kind: str, options: Sequence[Any], label: str) -> int:
        """The index of the option that this construction takes for a choice.

        Raises ValueError for options that are no JSON values, for a label that another choice has, and for a sample
        without the label or with a value that is no option.
        """
        try:
            texts = [json.dumps(option) for option in options]
        except TypeError:
            raise ValueError(
                f"{label}: options are JSON values, such as numbers and text, not {list(options)}"
            ) from None
        choice = Choice(label=label, kind=kind, options=tuple(map(json.loads, texts)))
        known = self.choices.setdefault(label, choice)
        if known.kind != kind or [json.dumps(option) for option in known.options] != texts:
            raise ValueError(
                f"label {label!r}: a {kind} choice of {list(options)} here, but a {known.kind} choice of "
                f"{list(known.options)} before; one label is one choice"
            )
        if self.sample is None:
            return 0
        if label not in self.sample:
            raise ValueError(f"{label}: the sample {dict(self.sample)} has no such choice")
        text = json.dumps(self.sample[label])
        if text not in texts:
            raise ValueError(f"{label}: {self.sample[label]!r} is none of {list(options)}")
        return texts.index(text)


_current: ContextVar[Construction | None] = ContextVar("construction", default=None)


@contextmanager
def constructing(construction: Construction) -> Iterator[Construction]:
    """Choices that are made inside the block belong to `construction`."""
    token = _current.set(construction)
    try:
        yield construction
    finally:
        _current.reset(token)


def is_constructing() -> bool:
    """Whether a model is being constructed."""
    return _current.get() is not None


def active(what: str) -> Construction:
    """The current construction. what: name of the choice, for the ValueError raised where there is none."""
    construction = _current.get()
    if construction is None:
        raise ValueError(
            f"nn.{what}: a choice is made in the constructor of a class with @model_wrapper, and nowhere else"
        )
    return construction
