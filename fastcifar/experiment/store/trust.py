"""Whether what a loaded experiment names may run here: commands, functions and classes are someone else's code."""

import sys
from collections.abc import Mapping
from typing import Any

from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.store import Store
from fastcifar.names import writable

LOADED, TRUSTED = "loaded", "trusted"  # keys of a store: the name of its archive; whether its code may run
LONGEST = 2000  # characters of a command that are shown


class UntrustedError(ValueError):
    """A loaded experiment would run code that no user here has trusted."""


def mark(store: Store, archive: str) -> None:
    """Keep the archive that an experiment came in, whatever the experiment's own values say."""
    store.set({LOADED: archive, TRUSTED: False})


def untrusted(meta: Mapping[str, Any]) -> str | None:
    """The archive of an experiment that no user has trusted yet; None for other experiments."""
    loaded = meta.get(LOADED)
    return None if loaded is None or meta.get(TRUSTED) is True else str(loaded)


def would_run(spec: Spec) -> list[str]:
    """The code that an experiment runs and that this program does not bring, each with its folder."""
    found = []
    for kind, what in (("command", spec.command), ("function", spec.function)):
        if what is not None:
            found.append(f"the {kind} {_whole(what)} in {_whole(spec.code_directory)}")
    for kind, config in (("tuner", spec.tuner), ("assessor", spec.assessor or {})):
        if config.get("class_name") is not None:
            found.append(f"the {kind} class {_whole(config['class_name'])} in {_whole(config.get('code_directory'))}")
    return found


def check_trust(store: Store, spec: Spec, trust: bool) -> None:
    """Raise UntrustedError where a loaded experiment would run code; with `trust`, show and allow it."""
    archive, found = untrusted(store.meta()), would_run(spec)
    if archive is None or not found:
        return
    runs = f"{store.folder.resolve().name} came in {archive}, and runs {'; '.join(found)}"
    if not trust:
        raise UntrustedError(f"{runs}: --trust is needed to go on with it")
    print(f"fastcifar: {runs}", file=sys.stderr, flush=True)
    store.set({TRUSTED: True})


def _whole(value: Any) -> str:
    """A value in one line; what is cut is counted."""
    text = str(value)
    if not text.isprintable() or not writable(text):
        text = repr(text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text) - LONGEST:,} more characters)"
