"""Mistakes in a command line: each gives one line, with a suggestion."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from fastcifar.attributes import field_names
from fastcifar.cli.parsing.words import Word, actions_of, all_words, has_usual, words_of
from fastcifar.names import SYNONYMS, nearest

HELP = ("-h", "--help")


class Mistake(ValueError):
    """A command line that cannot be read."""


def check_words(arguments: Sequence[str], commands: Mapping[str, type]) -> None:
    """Raise Mistake for an invalid command line. The commands themselves check the meaning of values."""
    if arguments and (arguments[0] in HELP or arguments[0].startswith("--tyro-")):
        return
    path, command, rest = _chosen(arguments, commands)
    if command is None or any(word in HELP for word in _before_dashes(rest)):
        return
    _Reader(" ".join(path), words_of(command), commands).read(rest)


def _chosen(arguments: Sequence[str], commands: Mapping[str, type]) -> tuple[list[str], type | None, list[str]]:
    """The command or action, its name, and its words; no command if help on a group is asked for."""
    path: list[str] = []
    rest, choices = list(arguments), dict(commands)
    command: type | None = None
    while choices:
        if rest and rest[0] in HELP:
            return path, None, rest
        before, what = f"{' '.join(path)}: " if path else "", "an action" if path else "a command"
        if not rest or rest[0].startswith("-"):
            if command is not None and has_usual(command):  # tyro knows which
                return path, None, rest
            flag = f" before {rest[0]}" if rest else ""
            raise Mistake(f"{before}the name of {what} is needed{flag}: {', '.join(choices)}")
        if rest[0] not in choices:
            raise Mistake(f"{before}there is no {what.split()[1]} {rest[0]!r}{_nearest_command(rest[0], choices)}")
        command = choices[rest[0]]
        path.append(rest.pop(0))
        choices = actions_of(command)
    return path, command, rest


def _nearest_command(name: str, choices: Mapping[str, type]) -> str:
    groups = [group for group, command in choices.items() if name in actions_of(command)]
    return f"; did you mean {' or '.join(f'{group} {name}' for group in groups)}?" if groups else nearest(name, choices)


class _Reader:
    """Reads the words that follow a command, as tyro will."""

    def __init__(self, command: str, words: Sequence[Word], commands: Mapping[str, type]) -> None:
        self.command, self.commands = command, commands
        self.flags = {spelling: word for word in words for spelling in word.spellings}
        self.needed = [word for word in words if word.required]
        self.places = [word for word in words if not word.spellings]
        self.given: set[str] = set()

    def read(self, rest: Sequence[str]) -> None:
        """Raise Mistake for the first wrong word, otherwise for a missing one."""
        left, dashes = list(rest), False
        while left:
            text = left.pop(0)
            if text == "--" and not dashes:
                dashes = True
            elif not dashes and _is_flag(text):
                self._flag(text, left)
            else:
                self._placed(text)
        for word in self.needed:
            if word.field not in self.given:
                raise Mistake(f"{self.command}: {word.name} is needed; `fastcifar {self.command} --help` says more")

    def _placed(self, text: str) -> None:
        """Take a word without a flag."""
        places = [word for word in self.places if word.many or word.field not in self.given]
        key, equals, value = text.partition("=")
        if equals and "--set" in self.flags and key.replace(".", "_").isidentifier() and not Path(text).exists():
            raise Mistake(f"{text}: write {' or '.join(self._meant(key, value)) or f'--set {text}'}")
        if not places:
            names = " ".join(word.metavar for word in self.places)
            takes = f"takes {names}" if names else "takes flags only"
            flag = f"; did you mean --{text}?" if f"--{text}" in self.flags else ""
            raise Mistake(f"{text!r} is one word too many: {self.command} {takes}{flag}")
        _check_value(places[0], text)
        self.given.add(places[0].field)

    def _flag(self, text: str, left: list[str]) -> None:
        """Take a flag with its values from the words."""
        name, equals, value = text.partition("=")
        word = self.flags.get(name.replace("_", "-"))
        if word is None and text[:2] in self.flags:  # -ofile
            word, equals, value = self.flags[text[:2]], "=", text[2:].removeprefix("=")
        if word is None:
            raise Mistake(self._unknown(name, value if equals else _next_value(left)))
        self.given.add(word.field)
        if word.kind is bool:
            if equals:
                raise Mistake(f"{word.name}: it takes no value; leave {value!r} out")
        elif word.many:
            self._many(word, [value] if equals else [], left)
        else:
            if not equals and (not left or _ends_values(left[0])):
                raise Mistake(f"{word.name}: {word.needed} is needed after it")
            _check_value(word, value if equals else left.pop(0))

    def _many(self, word: Word, values: list[str], left: list[str]) -> None:
        """Take all words up to the next flag, except those needed for positional words that have not come yet."""
        still = sum(place.required and place.field not in self.given for place in self.places)
        while len(left) > still and not _ends_values(left[0]):
            values.append(left.pop(0))
        if not values:
            raise Mistake(f"{word.name}: {word.metavar.removesuffix(' ...')} is needed after it")

    def _unknown(self, name: str, value: str | None) -> str:
        """The message for a flag that the command does not have."""
        said = f"{name}: {self.command} has no such flag"
        meant = self._meant(name.lstrip("-").replace("-", "_"), value)
        if meant:
            return f"{said}; did you mean {' or '.join(meant)}?"
        others = [other for other, words in all_words(self.commands).items() if any(name in w.spellings for w in words)]
        owner = f"; {_listed(others)} {'has' if len(others) == 1 else 'have'} it" if 0 < len(others) < 5 else ""
        return f"{said}{owner}; `fastcifar {self.command} --help` lists its own"

    def _meant(self, word: str, value: str | None) -> list[str]:
        """Flags, or fields of the recipe, that a name may stand for, as the user would write them."""
        flags = {spelling[2:].replace("-", "_"): spelling for spelling in self.flags if spelling.startswith("--")}
        fields = field_names("fastcifar", "train/recipe/values.py", "Values") if "--set" in self.flags else []
        known = [*flags, *(field for field in fields if field not in flags)]
        close = [word] if word in known else SYNONYMS.get(word.lower(), "").split()
        close = [name for name in close if name in known] or get_close_matches(word, known, n=2, cutoff=0.7)
        if close and close[0] in flags:
            return [f"{flags[name]}{'' if value is None else f' {value}'}" for name in close if name in flags]
        return [f"--set {name}={'VALUE' if value is None else value}" for name in close if name not in flags]


def _check_value(word: Word, value: str) -> None:
    if not word.takes(value):
        raise Mistake(f"{word.name}: {word.needed} is needed, not {value!r}")


def _is_flag(text: str) -> bool:
    """Whether a word looks like a flag; `-5` and `-inf` are numbers."""
    name = text.partition("=")[0]
    if not name.startswith("-") or name.lower() in ("-inf", "-infinity", "-nan"):
        return False
    return name.lstrip("-")[:1].isalpha()


def _ends_values(text: str) -> bool:
    return text == "--" or _is_flag(text)


def _before_dashes(words: Sequence[str]) -> Sequence[str]:
    return words[: words.index("--")] if "--" in words else words


def _next_value(left: Sequence[str]) -> str | None:
    return left[0] if left and not _ends_values(left[0]) else None


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
