"""The sections of a WebAssembly module, read exactly into the parts that the job contract looks at.

Invariant: sections come in the order of the specification and are used up to their last byte; anything that is not
known raises `Refused`. Custom sections carry no meaning and are left out.
Source: WebAssembly Core Specification 2.0, section 5.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from suan.runtime.wasm.binary import (
    FUNCREF,
    VALUE_TYPES,
    Refused,
    bad_value_type,
    malformed,
    operators,
    unsigned,
    value_types,
)
from suan.runtime.wasm.operators import OPCODES

MAGIC: Final = b"\0asm\x01\0\0\0"
CUSTOM, TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA, DATA_COUNT = range(
    13
)
SECTION_ORDER: Final = (
    TYPE,
    IMPORT,
    FUNCTION,
    TABLE,
    MEMORY,
    GLOBAL,
    EXPORT,
    START,
    ELEMENT,
    DATA_COUNT,
    CODE,
    DATA,
)
EXPORT_KINDS: Final = ("func", "table", "memory", "global")


@dataclass(frozen=True, slots=True)
class FunctionType:
    """Value types as their bytes, for example b"\\x7f" for one i32."""

    parameters: bytes
    results: bytes

    def __str__(self) -> str:
        names = [[VALUE_TYPES[kind] for kind in side] for side in (self.parameters, self.results)]
        return f"({', '.join(names[0])}) -> ({', '.join(names[1])})"


@dataclass(frozen=True, slots=True)
class Import:
    """An imported function; nothing else can be imported."""

    module: str
    name: str
    type_index: int


@dataclass(frozen=True, slots=True)
class Export:
    """kind: 0 function, 1 table, 2 memory, 3 global."""

    name: bytes
    kind: int
    index: int


@dataclass(slots=True)
class Module:
    """The parts of a module that the job contract and the instrumenter look at.

    sections: raw contents by section id, custom sections left out. function_types: type index of every function,
    imported ones first. bodies: (start, end) of each function body within the code section.
    """

    sections: dict[int, bytes] = field(default_factory=dict)
    types: list[FunctionType] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    function_types: list[int] = field(default_factory=list)
    table_minimums: list[int] = field(default_factory=list)
    memory_minimum_pages: int | None = None
    memory_maximum_pages: int | None = None
    globals: int = 0
    exports: list[Export] = field(default_factory=list)
    start: int | None = None
    bodies: list[tuple[int, int]] = field(default_factory=list)

    def signature(self, function: int) -> FunctionType:
        """The type of a function by its index."""
        return self.types[self.function_types[function]]


def decode(binary: bytes) -> Module:
    """Read a module in the binary format. Raises Refused, for truncated bytes too."""
    try:
        return _decode(binary)
    except IndexError:
        raise malformed("the module ends in the middle of a value", len(binary)) from None
    except UnicodeDecodeError as error:
        raise malformed("a name is not UTF-8", error.start) from None


def _decode(binary: bytes) -> Module:
    if binary[:8] != MAGIC:
        raise Refused(
            "module", "not_wasm", "The module is not WebAssembly 1 in the binary format; send the .wasm file"
        )
    module = Module()
    last = -1
    at = 8
    while at < len(binary):
        section = binary[at]
        size, at = unsigned(binary, at + 1)
        end = at + size
        if end > len(binary):
            raise malformed("a section is longer than the module", at)
        if section != CUSTOM:
            if section not in SECTION_ORDER or SECTION_ORDER.index(section) <= last:
                raise malformed(f"section {section} is unknown, repeated or out of order", at)
            last = SECTION_ORDER.index(section)
            module.sections[section] = binary[at:end]
        at = end
    for section, reader in _READERS.items():
        if section in module.sections:
            content = module.sections[section]
            if reader(module, content) != len(content):
                raise malformed(f"section {section} has bytes left over", len(content))
    return module


def _vector(data: bytes, at: int, item: Callable[[bytes, int], int]) -> int:
    count, at = unsigned(data, at)
    for _ in range(count):
        at = item(data, at)
    return at


def _name(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = unsigned(data, at)
    if at + size > len(data):
        raise malformed("a name is longer than its section", at)
    return data[at : at + size], at + size


def _read_types(module: Module, data: bytes) -> int:
    def item(data: bytes, at: int) -> int:
        if data[at] != 0x60:
            raise bad_value_type(at)
        parameters, at = value_types(data, at + 1)
        results, at = value_types(data, at)
        module.types.append(FunctionType(parameters, results))
        return at

    return _vector(data, 0, item)


def _read_imports(module: Module, data: bytes) -> int:
    def item(data: bytes, at: int) -> int:
        space, at = _name(data, at)
        name, at = _name(data, at)
        if data[at] != 0:
            shown = f"{space.decode()}.{name.decode()}"
            raise Refused(
                "module.imports", "import_not_allowed", f"Import {shown} is not a function; remove it"
            )
        index, at = unsigned(data, at + 1)
        module.imports.append(Import(space.decode(), name.decode(), index))
        module.function_types.append(index)
        return at

    return _vector(data, 0, item)


def _read_functions(module: Module, data: bytes) -> int:
    def item(data: bytes, at: int) -> int:
        index, at = unsigned(data, at)
        module.function_types.append(index)
        return at

    return _vector(data, 0, item)


def _limits(data: bytes, at: int) -> tuple[int, int | None, int]:
    flags = data[at]
    if flags > 1:
        raise Refused("module", "memory_not_allowed", "Shared or 64-bit memories and tables are not allowed")
    minimum, at = unsigned(data, at + 1)
    maximum = None
    if flags:
        maximum, at = unsigned(data, at)
    return minimum, maximum, at


def _read_tables(module: Module, data: bytes) -> int:
    def item(data: bytes, at: int) -> int:
        if data[at] != FUNCREF:
            raise bad_value_type(at)
        minimum, _, at = _limits(data, at + 1)
        module.table_minimums.append(minimum)
        return at

    return _vector(data, 0, item)


def _read_memories(module: Module, data: bytes) -> int:
    def item(data: bytes, at: int) -> int:
        if module.memory_minimum_pages is not None:
            raise Refused("module", "memory_not_allowed", "A job has at most one memory")
        module.memory_minimum_pages, module.memory_maximum_pages, at = _limits(data, at)
        return at

    return _vector(data, 0, item)


def _read_globals(module: Module, data: bytes) -> int:
    def item(data: bytes, at: int) -> int:
        if data[at] not in VALUE_TYPES:
            raise bad_value_type(at)
        if data[at + 1] > 1:
            raise malformed("a global has an unknown mutability", at)
        module.globals += 1
        return _constant(data, at + 2)

    return _vector(data, 0, item)


def _read_exports(module: Module, data: bytes) -> int:
    def item(data: bytes, at: int) -> int:
        name, at = _name(data, at)
        kind = data[at]
        if kind >= len(EXPORT_KINDS):
            raise malformed("an export is of an unknown kind", at)
        index, at = unsigned(data, at + 1)
        module.exports.append(Export(name, kind, index))
        return at

    return _vector(data, 0, item)


def _read_start(module: Module, data: bytes) -> int:
    module.start, at = unsigned(data, 0)
    return at


def _read_elements(_module: Module, data: bytes) -> int:
    def item(data: bytes, at: int) -> int:
        flags, at = unsigned(data, at)
        if flags > 7:
            raise malformed("an element segment is of an unknown kind", at)
        if not flags & 1:
            if flags & 2:
                _, at = unsigned(data, at)
            at = _constant(data, at)
        if flags & 3:
            if data[at] != (FUNCREF if flags & 4 else 0):
                raise bad_value_type(at)
            at += 1
        return _vector(data, at, _constant if flags & 4 else lambda data, at: unsigned(data, at)[1])

    return _vector(data, 0, item)


def _read_bodies(module: Module, data: bytes) -> int:
    def item(data: bytes, at: int) -> int:
        size, at = unsigned(data, at)
        if at + size > len(data):
            raise malformed("a function is longer than the code section", at)
        module.bodies.append((at, at + size))
        return at + size

    return _vector(data, 0, item)


def _read_data(_module: Module, data: bytes) -> int:
    def item(data: bytes, at: int) -> int:
        flags, at = unsigned(data, at)
        if flags > 2:
            raise malformed("a data segment is of an unknown kind", at)
        if flags == 2:
            _, at = unsigned(data, at)
        if flags != 1:
            at = _constant(data, at)
        return _name(data, at)[1]

    return _vector(data, 0, item)


def _constant(data: bytes, at: int) -> int:
    """The position behind a constant expression: one constant and its end, as in WebAssembly 2.0."""
    allowed = "i32.const i64.const f32.const f64.const v128.const global.get ref.null ref.func".split()
    stream = operators(data, at, len(data))
    code, _, _, _ = next(stream)
    if OPCODES[code].name not in allowed:
        raise Refused(
            "module",
            "operator_not_allowed",
            f"{OPCODES[code].name} in a constant expression is not allowed; compile without extended constants",
        )
    code, _, _, end = next(stream)
    if OPCODES[code].name != "end":
        raise Refused("module", "operator_not_allowed", "A constant expression may have only one operator")
    return end


_READERS: Final[dict[int, Callable[[Module, bytes], int]]] = {
    TYPE: _read_types,
    IMPORT: _read_imports,
    FUNCTION: _read_functions,
    TABLE: _read_tables,
    MEMORY: _read_memories,
    GLOBAL: _read_globals,
    EXPORT: _read_exports,
    START: _read_start,
    ELEMENT: _read_elements,
    CODE: _read_bodies,
    DATA: _read_data,
}
