"""The flags and positional words of a command, in order, from its dataclass."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from tyro.conf import Positional

from fastcifar.cli.parsing.actions import Group

_Placed = Positional[str]
POSITION = get_args(_Placed)[1]  # marks a positional word
NEEDED = {int: "a whole number", float: "a number"}


@dataclass(frozen=True, kw_only=True)
class Word:
    """A flag, or a positional word.

    spellings: `--out`, `-o`; empty for a positional word. kind: type of one value; bool takes no value. many: takes all
    words that follow. choices: all allowed values; empty if they are not listed here.
    """

    field: str
    spellings: tuple[str, ...]
    kind: Any
    many: bool
    required: bool
    choices: tuple[str, ...]
    metavar: str

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.spellings[-1] if self.spellings else self.metavar

    @property
    def needed(self) -> str:
        """The kind of value it needs, for messages."""
        return " or ".join(self.choices) or NEEDED.get(self.kind, self.metavar)

    def takes(self, value: str) -> bool:
        """Whether the value has the right type and is one of the choices."""
        if self.choices:
            return value in self.choices
        try:
            self.kind(value)
        except ValueError:
            return False
        return True


def words_of(command: type) -> list[Word]:
    """All flags and words of a command; positional words are in their order."""
    hints = get_type_hints(command, include_extras=True)
    return [_word(field, hints[field.name]) for field in fields(command)]


def actions_of(command: type) -> dict[str, type]:
    """The actions of a group by name; {} for a command that is not a group."""
    if not issubclass(command, Group):
        return {}
    options = get_args(get_type_hints(command, include_extras=True)["action"])
    return {_extra(option, "name"): get_args(option)[0] for option in options}


def has_usual(group: type) -> bool:
    """Whether a group has a default action."""
    return any(field.name == "action" and not _required(field) for field in fields(group))


def all_words(commands: Mapping[str, type], before: str = "") -> dict[str, list[Word]]:
    """Command, or command and action, -> its flags and words."""
    found: dict[str, list[Word]] = {}
    for name, command in commands.items():
        actions = actions_of(command)
        found |= all_words(actions, f"{name} ") if actions else {before + name: words_of(command)}
    return found


def _word(field: "Field[Any]", hint: Any) -> Word:
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    kind, many, choices = _kind(plain)
    placed = POSITION in getattr(hint, "__metadata__", ())
    named = _extra(hint, "name")
    flag = "--" + (named if isinstance(named, str) else field.name).replace("_", "-")
    aliases = _extra(hint, "aliases") or ()
    return Word(
        field=field.name,
        spellings=() if placed else (*aliases, flag),
        kind=kind,
        many=many,
        required=_required(field),
        choices=choices,
        metavar=_extra(hint, "metavar") or field.name.upper(),
    )


def _required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _kind(plain: Any) -> tuple[Any, bool, tuple[str, ...]]:
    """The kind of one value, whether there may be many, and the choices."""
    if get_origin(plain) in (Union, types.UnionType):
        plain = next(part for part in get_args(plain) if part is not type(None))
    if get_origin(plain) is Literal:
        return str, False, tuple(map(str, get_args(plain)))
    if get_origin(plain) is tuple:
        return str, True, ()
    return plain, False, ()


def _extra(hint: Any, name: str) -> Any:
    """What an annotation holds besides the type, such as a metavar."""
    extras = getattr(hint, "__metadata__", ())
    return next((getattr(extra, name) for extra in extras if getattr(extra, name, None) is not None), None)
