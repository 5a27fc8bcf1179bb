"""Reads the fields of a dataclass, and their descriptions, from its source."""

import ast
import inspect
import textwrap
from importlib.resources import files


def attribute_texts(kind: type) -> dict[str, str]:
    """Field -> the string under it in the source of `kind` and its bases, as one line."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(definition, ast.ClassDef)
        for field, text in zip(definition.body, definition.body[1:], strict=False):
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            if (
                isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                texts[field.target.id] = " ".join(text.value.value.split())
    return texts


def field_names(package: str, file: str, kind: str) -> list[str]:
    """The fields of the class `kind` in a file of a package. The file is not imported: that would load torch, which
    takes a second."""
    tree = ast.parse((files(package) / file).read_text(encoding="utf-8"))
    (definition,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind)
    targets = [node.target for node in definition.body if isinstance(node, ast.AnnAssign)]
    return [target.id for target in targets if isinstance(target, ast.Name)]
