"""Names and numbers in messages."""

import difflib
import itertools
import reprlib
from collections.abc import Iterable
from typing import Any

SHORT = 60  # characters of a value in a message

SYNONYMS = {  # common words -> the names used here: fields, flags, types of a search space
    "act": "activation",
    "arch": "network",
    "aug_shift": "shift",
    "batch": "batch_size",
    "batchsize": "batch_size",
    "bs": "batch_size",
    "categorical": "choice",
    "channels": "prep layer1 layer2 layer3",
    "cpus": "threads",
    "cuda": "device",
    "data": "dataset",
    "dtype": "precision",
    "enum": "choice",
    "epoch": "epochs total_epoch",
    "epochs": "epochs total_epoch",
    "ema": "averaging",
    "float": "uniform",
    "gpu": "device",
    "int": "randint",
    "integer": "randint",
    "jobs": "concurrency",
    "kernel": "ks",
    "kernel_size": "ks",
    "learning_rate": "peak_lr",
    "list": "choice",
    "log": "loguniform",
    "log_uniform": "loguniform",
    "logfloat": "loguniform",
    "lr": "peak_lr",
    "max_lr": "peak_lr",
    "max_trials": "trials",
    "model": "recipe network",
    "n_epochs": "epochs total_epoch",
    "n_trials": "trials",
    "net": "network",
    "num_epochs": "epochs total_epoch",
    "num_threads": "threads",
    "opt": "optimizer",
    "output": "out",
    "output_dir": "out",
    "parallel": "concurrency",
    "real": "uniform",
    "repeat": "runs",
    "search_space": "space",
    "smoothing": "label_smoothing",
    "timeout": "duration",
    "warmup": "peak_epoch",
    "wd": "base_wd",
    "weight_decay": "base_wd",
    "workers": "concurrency",
}

FOLDER_BYTES = 100


def meant(name: object, names: Iterable[str]) -> list[str]:
    """Those of `names` that `name` may stand for: synonyms, otherwise up to three similar spellings."""
    names = list(names)
    text = name[:SHORT] if isinstance(name, str) else short(name)
    word = text.lower().replace("-", "_")
    known = [other for other in SYNONYMS.get(word, "").split() if other in names]
    return known or difflib.get_close_matches(text, names, n=3, cutoff=0.5)


def nearest(name: object, names: Iterable[str]) -> str:
    """The end of a message about an unknown `name`: '; did you mean ...?', or a list of all `names`."""
    names = list(names)
    close = meant(name, names)
    return f"; did you mean {' or '.join(close)}?" if close else f"; there are {', '.join(names)}"


def duration(seconds: float) -> str:
    """A duration in seconds, minutes or hours, as short text."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def counted(number: int, one: str, more: str = "") -> str:
    """A number with its noun: '1 trial', '2 trials'. more: the plural, if it is not formed with s."""
    return f"{number} {one if number == 1 else more or one + 's'}"


def short(value: Any) -> str:
    """`repr`, cut to 60 characters; fast for values of any size."""
    found = _SHORT.repr(value)
    return found if len(found) <= SHORT else found[: SHORT - 3] + "..."


def shown(name: Any, most: int = 2 * SHORT) -> str:
    """A key as it is, if it is one line of text of at most `most` characters; otherwise `short`."""
    return name if isinstance(name, str) and name.isprintable() and len(name) <= most else short(name)


def for_a_folder(name: str) -> str:
    """The beginning of a name, short enough for a folder's name (file systems allow 255 bytes)."""
    return name.encode("utf-8", "replace")[:FOLDER_BYTES].decode("utf-8", "ignore")


def writable(text: str) -> bool:
    """Whether text can be encoded as UTF-8; a lone surrogate cannot."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = SHORT
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 8
        self.maxlevel = 6

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() > 8 * SHORT:  # Python refuses to write more than 4,300 digits
            return f"{'-' if x < 0 else ''}2^{x.bit_length() - 1}..."
        return super().repr_int(x, level)

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:  # in its own order, which `reprlib` would sort
        first = dict(itertools.islice(x.items(), self.maxdict)) if level > 0 else {}
        parts = [f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}" for key, value in first.items()]
        return "{" + ", ".join([*parts, "..."] if len(x) > len(first) else parts) + "}"


_SHORT = _Short()
