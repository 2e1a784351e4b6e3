"""The modules of a source tree as facts: name, lines, functions, imports. Read from text; nothing is imported.

Every `import` counts, wherever it stands: at the top, inside a function, behind TYPE_CHECKING. Names that start a module by
text (`importlib`, Celery's names of tasks, Django's names of applications) are no imports and are not seen.
"""

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOTS = ("suan", "ledger", "marketplace", "frontend", "operations")


@dataclass(frozen=True, slots=True)
class Module:
    """One file of Python. `name` is dotted; a package's `__init__.py` has the name of the package.

    functions: the length in lines of each function and method, nested ones too. imports: modules of the same tree.
    """

    name: str
    folder: Path
    lines: int
    functions: tuple[int, ...]
    imports: frozenset[str]

    @property
    def container(self) -> str:
        """The package in which the module lies; empty for a root."""
        return self.name.rpartition(".")[0]


def production(root: Path) -> dict[str, Module]:
    """The modules that serve: everything below ROOTS except migrations."""
    return read(root, *ROOTS)


def read(root: Path, *tops: str) -> dict[str, Module]:
    """The modules below the named folders of `root`, by name. Raises SyntaxError when a file is no Python."""
    files = [path.relative_to(root) for top in tops for path in sorted((root / top).rglob("*.py"))]
    paths = {name_of(path): path for path in files if "migrations" not in path.parts}
    return {name: _module(name, root, path, paths) for name, path in paths.items()}


def name_of(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _module(name: str, root: Path, path: Path, known: Collection[str]) -> Module:
    text = (root / path).read_text()
    nodes = list(ast.walk(ast.parse(text, filename=str(path))))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    lengths = (
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    imports = {target for node in nodes for target in _targets(node, package, known)}
    return Module(name, path.parent, len(text.splitlines()), tuple(lengths), frozenset(imports - {name}))


def _targets(node: ast.AST, package: str, known: Collection[str]) -> Iterator[str]:
    """The modules of the tree that one statement imports: of `from a import b` it is a.b where that is a module, else a."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in known)
    elif isinstance(node, ast.ImportFrom):
        source = _absolute(node, package)
        for alias in node.names:
            inner = f"{source}.{alias.name}"
            if inner in known:
                yield inner
            elif source in known:
                yield source


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parents, *filter(None, [node.module])])
