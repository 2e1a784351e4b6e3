"""The project's own Python as text and as trees, for rules that no linter knows.

The root is an argument, so that a test can plant breaches in a copy.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.architecture.modules import ROOTS


@dataclass
class Source:
    """The files below `root`; each is read and parsed once."""

    root: Path
    _texts: dict[Path, str] = field(default_factory=dict)
    _nodes: dict[Path, list[ast.AST]] = field(default_factory=dict)

    def files(self, *folders: str) -> list[Path]:
        """Python files below these folders, relative to the root, migrations left out; all production code by default."""
        found = (path for folder in folders or ROOTS for path in (self.root / folder).rglob("*.py"))
        return [path.relative_to(self.root) for path in sorted(found) if "migrations" not in path.parts]

    def text(self, path: Path) -> str:
        if path not in self._texts:
            self._texts[path] = (self.root / path).read_text()
        return self._texts[path]

    def nodes(self, path: Path) -> list[ast.AST]:
        """Every node of a file's tree, its module first."""
        if path not in self._nodes:
            self._nodes[path] = list(ast.walk(ast.parse(self.text(path), filename=str(path))))
        return self._nodes[path]

    def lines_with(self, pattern: re.Pattern[str], path: Path) -> Iterator[str]:
        """`path:line: text` of every line whose code, comments apart, matches."""
        for number, line in enumerate(self.text(path).splitlines(), start=1):
            if pattern.search(line.split("#")[0]):
                yield f"{path}:{number}: {line.strip()}"

    def places(self, path: Path, is_bad: Callable[[ast.AST], bool]) -> Iterator[str]:
        """`path:line` of every node of which `is_bad` is true."""
        for node in self.nodes(path):
            if is_bad(node):
                yield f"{path}:{getattr(node, 'lineno', 0)}"
