"""Rewrite a valid module so that it counts its own work and stops itself at its ceiling.

Layout: nine mutable globals are appended after the module's own: the four counters, the weighted budget that is
left, the pages that memory may have, the stack that is left, why the module stopped itself, whether memory was
refused. Code is charged by *segments*: a segment begins at a function's entry, at the head of a loop, and behind every
if, else, end, br, br_if, br_table, return and unreachable; all of it is charged when it is entered, so a trap in its
middle does not change the count. The ceiling is checked at function entries and loop heads and around operators of
dynamic size.

Invariants: the module must have been validated as it was sent. Its own global indices end where the added ones begin,
so it cannot name them, and no operator passes that meter/1 does not price. A frame is charged more stack than any
engine needs for it (`FRAME_*`), so that a job overflows at the same call everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from suan.core.delivery import (
    MEMORY_CONTROL,
    OPERATORS,
    PAGE_UNITS,
    SIZED,
    UNIT_BYTES,
    carried_values,
    weights,
)
from suan.runtime.wasm.binary import (
    EMPTY_BLOCK,
    VALUE_TYPES,
    Refused,
    bad_value_type,
    encode_signed,
    encode_unsigned,
    malformed,
    operators,
    unsigned,
)
from suan.runtime.wasm.decode import CODE, EXPORT, GLOBAL, MAGIC, SECTION_ORDER, START, TYPE, Module
from suan.runtime.wasm.operators import OPCODES

PREFIX: Final = "suan:"
COUNTERS: Final = ("suan:fp64", "suan:fp32", "suan:integer", "suan:memory_control")
LEFT: Final = "suan:left"
LIMIT_PAGES: Final = "suan:limit_pages"
STACK: Final = "suan:stack"
STOPPED: Final = "suan:stopped"
GROWTH_REFUSED: Final = "suan:growth_refused"
START_EXPORT: Final = "suan:start"
_GLOBALS: Final = (*COUNTERS, LEFT, LIMIT_PAGES, STACK, STOPPED, GROWTH_REFUSED)
_GLOBALS_I64: Final = 6

STOPPED_BY_CEILING: Final = 1
STOPPED_BY_STACK: Final = 2
STOPPED_BY_HOST: Final = 3
"""The machine refused memory that the job was entitled to; the run says nothing about the job."""

FUNCTION_BYTES_MAX: Final = 512 * 1024
LOCALS_MAX: Final = 10_000

STACK_BYTES: Final = 16 * 1024 * 1024
"""Stack of a job, in the charges below. The engine has four times as much (`engine.NATIVE_STACK_BYTES`)."""
FRAME_BYTES: Final = 128
SLOT_BYTES: Final = 16
"""A frame is charged SLOT_BYTES for every parameter, local, operator, and value carried by a call or a block: no
engine keeps more values alive than the function computes, and no value is wider than 16 bytes."""
LEAF_FRAME_BYTES_MAX: Final = 64 * 1024
"""A function that calls nothing and is smaller than this is not charged: at most one such frame exists at a time."""

_I32: Final = 0x7F
_PLAIN, _BLOCK, _LOOP, _IF, _ELSE, _END, _BRANCH, _BRANCH_TABLE, _RETURN, _STOP, _CALL, _CALL_INDIRECT = (
    range(12)
)
_SIZED, _GROW = 12, 13
_SPECIAL: Final = {
    "block": _BLOCK,
    "loop": _LOOP,
    "if": _IF,
    "else": _ELSE,
    "end": _END,
    "br": _BRANCH,
    "br_if": _BRANCH,
    "br_table": _BRANCH_TABLE,
    "return": _RETURN,
    "unreachable": _STOP,
    "call": _CALL,
    "call_indirect": _CALL_INDIRECT,
    "memory.grow": _GROW,
    "table.grow": _GROW,
    **dict.fromkeys(SIZED, _SIZED),
}
_TABLE: Final = {
    code: (*OPERATORS[operator.name], _SPECIAL.get(operator.name, _PLAIN), carried_values(operator.name))
    for code, operator in OPCODES.items()
}
"""Opcode -> (counter, amount, special handling, counts carried values)."""


def instrument(module: Module, resource_class: str) -> bytes:
    """The module with counters, as a binary. `module` was validated by the engine and decoded from the same bytes.

    Raises Refused for operators, functions or locals beyond what a job may have.
    """
    plan = _Plan(module, weights(resource_class).as_tuple())
    sections = dict(module.sections)
    sections[CODE] = _code_section(plan)
    sections[GLOBAL] = _extended(
        sections.get(GLOBAL, b"\0"), [_global_entry(i) for i in range(len(_GLOBALS))]
    )
    sections[TYPE] = _extended(sections.get(TYPE, b"\0"), plan.extra_types)
    sections[EXPORT] = _export_section(module)
    sections.pop(START, None)  # Exported instead, so that a trap in it is counted like any other.
    out = bytearray(MAGIC)
    for section in SECTION_ORDER:
        if section in sections:
            content = sections[section]
            out += bytes([section]) + encode_unsigned(len(content)) + content
    return bytes(out)


@dataclass(slots=True)
class _Plan:
    """What all functions of a module share: weights, indices of the added globals, types added on the way."""

    module: Module
    weights: tuple[int, ...]
    extra_types: list[bytes] = field(default_factory=list)

    def index(self, name: str) -> bytes:
        """The encoded index of an added global."""
        return encode_unsigned(self.module.globals + _GLOBALS.index(name))

    def block_type(self, results: bytes) -> bytes:
        """The encoded type of a block that takes nothing and gives `results`."""
        if len(results) < 2:
            return results or bytes([EMPTY_BLOCK])
        entry = b"\x60\0" + encode_unsigned(len(results)) + results
        if entry not in self.extra_types:
            self.extra_types.append(entry)
        return encode_signed(len(self.module.types) + self.extra_types.index(entry))

    def add(self, name: str, amount: int) -> bytes:
        """Code that adds a constant to an added global of type i64."""
        index = self.index(name)
        return b"\x23" + index + b"\x42" + encode_signed(amount) + b"\x7c\x24" + index

    def stop(self, reason: int) -> bytes:
        """Code that ends the run and says why."""
        return b"\x04\x40\x41" + encode_signed(reason) + b"\x24" + self.index(STOPPED) + b"\x00\x0b"

    def check(self) -> bytes:
        """Code that stops the run when the budget is spent."""
        return b"\x23" + self.index(LEFT) + b"\x42\x00\x53" + self.stop(STOPPED_BY_CEILING)

    def charge(self, counts: list[int]) -> bytes:
        """Code that adds a segment's counts to the counters and takes their weight from the budget."""
        out = b"".join(
            self.add(name, amount) for name, amount in zip(COUNTERS, counts, strict=True) if amount
        )
        cost = sum(weight * amount for weight, amount in zip(self.weights, counts, strict=True))
        return out + (self.add(LEFT, -cost) if cost else b"")

    def charge_sized(self, local: bytes, divisor: int, multiplier: int) -> bytes:
        """Code that charges memory_control for ceil(local / divisor) * multiplier, then checks the ceiling.

        The local is an unsigned 32-bit length; divisor is 1 or 8, so the sum stays far inside 64 bits.
        """
        amount = b"\x20" + local + b"\xad"
        if divisor == UNIT_BYTES:
            amount += b"\x42\x07\x7c\x42\x03\x88"
        if multiplier != 1:
            amount += b"\x42" + encode_signed(multiplier) + b"\x7e"
        counter, left = self.index(COUNTERS[MEMORY_CONTROL]), self.index(LEFT)
        weight = b"\x42" + encode_signed(self.weights[MEMORY_CONTROL]) + b"\x7e"
        counted = b"\x23" + counter + amount + b"\x7c\x24" + counter
        return counted + b"\x23" + left + amount + weight + b"\x7d\x24" + left + self.check()

    def take_stack(self, frame: int) -> bytes:
        """Code that takes a frame from the stack and stops the run when it does not fit."""
        index = self.index(STACK)
        taken = b"\x23" + index + b"\x41" + encode_signed(frame) + b"\x6b\x24" + index
        return taken + b"\x23" + index + b"\x41\x00\x48" + self.stop(STOPPED_BY_STACK)

    def give_stack(self, frame: int) -> bytes:
        """Code that gives a frame back."""
        index = self.index(STACK)
        return b"\x23" + index + b"\x41" + encode_signed(frame) + b"\x6a\x24" + index


def _global_entry(position: int) -> bytes:
    return b"\x7e\x01\x42\x00\x0b" if position < _GLOBALS_I64 else b"\x7f\x01\x41\x00\x0b"


def _extended(section: bytes, entries: list[bytes]) -> bytes:
    count, at = unsigned(section, 0)
    return encode_unsigned(count + len(entries)) + section[at:] + b"".join(entries)


def _export_section(module: Module) -> bytes:
    """The module's exports, renamed where they use our prefix, and ours behind them."""
    taken = {export.name for export in module.exports}
    entries = []
    for export in module.exports:
        name = export.name
        while name.startswith(PREFIX.encode()) or (name != export.name and name in taken):
            name = b"_" + name
        taken.add(name)
        entries.append((name, export.kind, export.index))
    entries += [(name.encode(), 3, module.globals + position) for position, name in enumerate(_GLOBALS)]
    if module.start is not None:
        entries.append((START_EXPORT.encode(), 0, module.start))
    out = encode_unsigned(len(entries))
    for name, kind, index in entries:
        out += encode_unsigned(len(name)) + name + bytes([kind]) + encode_unsigned(index)
    return out


def _code_section(plan: _Plan) -> bytes:
    out = bytearray(encode_unsigned(len(plan.module.bodies)))
    for position in range(len(plan.module.bodies)):
        body = _Function(plan, position).rewritten()
        out += encode_unsigned(len(body)) + body
    return bytes(out)


class _Function:
    """The rewriting of one function body, operator by operator."""

    def __init__(self, plan: _Plan, position: int) -> None:
        module = plan.module
        self.plan = plan
        self.data = module.sections[CODE]
        self.at, self.end = module.bodies[position]
        if self.end - self.at > FUNCTION_BYTES_MAX:
            raise Refused(
                "module",
                "function_too_large",
                f"A function is larger than {FUNCTION_BYTES_MAX} bytes; split it",
            )
        self.type = module.signature(len(module.imports) + position)
        self.local_groups, self.locals = self._read_locals()
        self.slots = len(self.type.parameters) + len(self.type.results) + self.locals
        self.calls = False
        self.scratch = 0
        self.labels = [len(self.type.results)]
        self.counts = [0, 0, 0, self.locals]  # Declared locals are set to zero at entry.
        self.checked = True
        self.out = bytearray()
        self.pending = bytearray()
        self.copied = self.at

    def rewritten(self) -> bytes:
        """The new body: locals, stack taken, the charged segments, stack given back."""
        counts = self.counts
        for code, value, start, end in operators(self.data, self.at, self.end):
            counter, amount, special, carries = _TABLE[code]
            counts[counter] += amount
            self.slots += 1
            if special:
                self._special(special, carries, value, start, end)
            if not self.labels and end != self.end:
                raise malformed("a function goes on behind its end", end)
        if self.labels:
            raise malformed("a function has no end", self.end)
        return self._assembled()

    def _special(self, special: int, carries: bool, value: object, start: int, end: int) -> None:
        if special in (_BLOCK, _LOOP, _IF):
            self._open(special, value)
        elif special in (_BRANCH, _BRANCH_TABLE, _RETURN):
            self._branch(special, value)
        elif special in (_CALL, _CALL_INDIRECT):
            self._call(special, value)
        elif special == _END:
            self.labels.pop()
        if special == _RETURN:
            # A branch to the label of the function: the same jump, and it stays right inside the stack's block.
            self._copy_until(start)
            self.pending += b"\x0c" + encode_unsigned(len(self.labels) - 1)
            self.copied = end
        elif special == _SIZED:
            self._insert_sized(start, end)
        elif special == _GROW:
            self._insert_grow(start, end)
        if special in (_LOOP, _IF, _ELSE, _END, _BRANCH, _BRANCH_TABLE, _RETURN, _STOP):
            self._close_segment(end)
            self.checked = special == _LOOP

    def _open(self, special: int, value: object) -> None:
        parameters, results = self._block_arity(value)
        self.labels.append(parameters if special == _LOOP else results)
        self._carry(parameters + results)

    def _block_arity(self, value: object) -> tuple[int, int]:
        if not isinstance(value, int):
            raise TypeError("a block without a type")
        if value < 0:
            return 0, int(value != -EMPTY_BLOCK)
        kind = self.plan.module.types[value]
        return len(kind.parameters), len(kind.results)

    def _branch(self, special: int, value: object) -> None:
        if special == _RETURN:
            self._carry(len(self.type.results))
        elif isinstance(value, int):
            self._carry(self.labels[-1 - value])
        elif isinstance(value, tuple):
            self._carry(self.labels[-1 - value[-1]])

    def _call(self, special: int, value: object) -> None:
        self.calls = True
        module = self.plan.module
        if special == _CALL and isinstance(value, int):
            kind = module.signature(value)
        elif isinstance(value, tuple):
            kind = module.types[value[0]]
        else:
            raise TypeError("a call without an index")
        self._carry(len(kind.parameters) + len(kind.results))

    def _carry(self, values: int) -> None:
        self.counts[MEMORY_CONTROL] += values
        self.slots += values

    def _scratch(self, number: int) -> bytes:
        self.scratch = max(self.scratch, number + 1)
        return encode_unsigned(len(self.type.parameters) + self.locals + number)

    def _insert_sized(self, start: int, end: int) -> None:
        length = self._scratch(0)
        self._copy_until(start)
        code = self._key(start)
        self.pending += b"\x22" + length + self.plan.charge_sized(length, SIZED[OPCODES[code].name], 1)
        self._copy_until(end)

    def _insert_grow(self, start: int, end: int) -> None:
        """Charge what was granted, after it was; remember a refusal."""
        asked, answer = self._scratch(0), self._scratch(1)
        self._copy_until(start)
        grows_memory = OPCODES[self._key(start)].name == "memory.grow"
        self.pending += b"\x22" + asked
        self._copy_until(end)
        refused = b"\x41\x01\x24" + self.plan.index(GROWTH_REFUSED)
        if grows_memory:
            wanted = b"\x3f\x00\xad\x20" + asked + b"\xad\x7c"
            refused += wanted + b"\x23" + self.plan.index(LIMIT_PAGES) + b"\x58"
            refused += self.plan.stop(STOPPED_BY_HOST)
        granted = self.plan.charge_sized(asked, 1, PAGE_UNITS if grows_memory else 1)
        self.pending += b"\x22" + answer + b"\x41\x7f\x46\x04\x40" + refused + b"\x05" + granted + b"\x0b"
        self.pending += b"\x20" + answer

    def _key(self, start: int) -> int:
        return next(operators(self.data, start, self.end))[0]

    def _copy_until(self, end: int) -> None:
        self.pending += self.data[self.copied : end]
        self.copied = end

    def _close_segment(self, end: int) -> None:
        self._copy_until(end)
        self.out += self.plan.charge(self.counts)
        if self.checked:
            self.out += self.plan.check()
        self.out += self.pending
        self.pending.clear()
        self.counts[:] = [0, 0, 0, 0]

    def _assembled(self) -> bytes:
        groups = self.local_groups
        if self.scratch:
            groups = _extended(groups, [encode_unsigned(self.scratch) + bytes([_I32])])
        frame = FRAME_BYTES + SLOT_BYTES * self.slots
        if not self.calls and frame <= LEAF_FRAME_BYTES_MAX:
            return groups + self.out
        block = b"\x02" + self.plan.block_type(self.type.results)
        # self.out ends with the function's own end, which now closes the block.
        return groups + self.plan.take_stack(frame) + block + self.out + self.plan.give_stack(frame) + b"\x0b"

    def _read_locals(self) -> tuple[bytes, int]:
        start = self.at
        groups, at = unsigned(self.data, start)
        total = 0
        for _ in range(groups):
            count, at = unsigned(self.data, at)
            total += count
            if total > LOCALS_MAX:
                raise Refused(
                    "module", "too_many_locals", f"A function has more than {LOCALS_MAX} locals; split it"
                )
            if self.data[at] not in VALUE_TYPES:
                raise bad_value_type(at)
            at += 1
        self.at = at
        return self.data[start:at], total
