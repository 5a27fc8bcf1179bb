"""A picture of a graph: DOT text, rendered by Graphviz's `dot`."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastcifar.errors import Failure

SUFFIXES = (".dot", ".svg", ".png", ".pdf")


def check_suffix(path: Path) -> None:
    """Raise ValueError for a file whose suffix is not in SUFFIXES."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: a drawing is saved as {', '.join(SUFFIXES)}, not {path.suffix!r}")


class GraphvizError(Failure, ValueError):
    """Graphviz's `dot` is missing or failed."""


@dataclass(frozen=True, repr=False)
class Drawing:
    """A drawing as DOT text; a notebook shows it inline, as text where Graphviz is missing."""

    dot: str

    def render(self, kind: str) -> bytes:
        """The drawing as `svg`, `png` or `pdf`. Raises GraphvizError where `dot` is missing or fails."""
        program = shutil.which("dot")
        if program is None:
            raise GraphvizError(
                f"drawing {kind} needs Graphviz's program `dot`, which is not on the PATH; install it with "
                "`apt install graphviz`, `brew install graphviz` or from https://graphviz.org/download"
            )
        done = subprocess.run([program, f"-T{kind}"], input=self.dot.encode(), capture_output=True)
        if done.returncode:
            raise GraphvizError(f"`dot -T{kind}` failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def save(self, path: str | Path) -> None:
        """Write `path` in the format of its suffix: .dot, .svg, .png or .pdf; all but .dot need Graphviz's `dot`.

        Raises ValueError for another suffix, GraphvizError (a ValueError) where `dot` is missing.
        """
        path = Path(path)
        check_suffix(path)
        suffix = path.suffix.lower()
        path.write_bytes(self.dot.encode() if suffix == ".dot" else self.render(suffix[1:]))

    def _repr_svg_(self) -> str | None:
        try:
            return self.render("svg").decode()
        except GraphvizError:
            return None

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        svg = self._repr_svg_()
        return {"text/plain": self.dot} if svg is None else {"text/plain": repr(self), "image/svg+xml": svg}

    def __str__(self) -> str:
        return self.dot

    def __repr__(self) -> str:
        return f"<Drawing, {len(self.dot.splitlines())} lines of DOT>"
