"""Random modules, counted twice: by the instrumented module and by a naive interpreter that counts as it goes.

The interpreter knows nothing of segments. Where nothing traps, charging whole segments at their entry must give
the same sums as counting every operator when it is executed.
"""

import random
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suan.core.delivery.receipts import ExitReason
from tests.runtime.jobs import assemble, counted, execute

MASK = 0xFFFF_FFFF
BINARY = {
    "i32.add": lambda a, b: a + b,
    "i32.sub": lambda a, b: a - b,
    "i32.mul": lambda a, b: a * b,
    "i32.xor": lambda a, b: a ^ b,
    "i32.lt_u": lambda a, b: int(a < b),
    "i32.shl": lambda a, b: a << (b % 32),
}
FUNCTIONS = 4
LOCALS = 3
STEPS_MAX = 20_000


class Return(Exception):
    """The function was left."""


class Branch(Exception):
    """A label was branched to; `depth` labels remain to be left."""

    def __init__(self, depth: int) -> None:
        self.depth = depth


class TooLong(Exception):
    """The program runs too long to be of use as an example."""


@dataclass
class Program:
    """Functions as nested lists. Statements leave the stack empty; expressions are i32.

    Function i takes one i32, returns one, has LOCALS more locals, one for each of its loops, and calls only functions
    behind it.
    """

    functions: list[list] = field(default_factory=list)
    loops: list[int] = field(default_factory=list)


class Generator:
    """Draws a program from a seed, with loops that end after at most four rounds."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.loops = 0

    def program(self) -> Program:
        program = Program()
        for index in range(FUNCTIONS):
            self.function = index
            self.loops = 0
            program.functions.append([*self.block(depth=0, labels=[]), ("result", self.expression(3))])
            program.loops.append(self.loops)
        return program

    def block(self, depth: int, labels: list[str]) -> list:
        return [self.statement(depth, labels) for _ in range(self.random.randint(1, 4))]

    def statement(self, depth: int, labels: list[str]) -> tuple:
        kinds = ["set", "set", "fp64", "fp32", "fill", "grow", "drop"]
        if depth < 3:
            kinds += ["if", "if_else", "block", "loop", "table"]
        if labels:
            kinds += ["br", "br_if", "br_if"]
        kinds += ["return_if"]
        kind = self.random.choice(kinds)
        if kind in ("set", "drop", "return_if"):
            return (kind, self.random.randint(1, LOCALS), self.expression(3))
        if kind in ("fp64", "fp32", "grow"):
            return (kind, self.random.randint(1, 3))
        if kind == "fill":
            return (kind, self.random.randint(0, 70))
        if kind == "if":
            return (kind, self.expression(2), self.block(depth + 1, [*labels, "if"]))
        if kind == "if_else":
            inner = [*labels, "if"]
            return (kind, self.expression(2), self.block(depth + 1, inner), self.block(depth + 1, inner))
        if kind == "block":
            return (kind, self.block(depth + 1, [*labels, "block"]))
        if kind == "loop":
            self.loops += 1
            rounds = self.random.randint(1, 4)
            # Branching to a loop's head from inside would skip its counter, so its label is not offered.
            return (kind, rounds, self.block(depth + 1, [*labels, "loop"]))
        if kind == "table":
            # The first case stands inside the blocks of the two behind it, the last inside none.
            cases = [self.block(depth + 1, [*labels, *["case"] * (2 - i)]) for i in range(3)]
            return (kind, self.expression(2), cases)
        targets = [i for i, label in enumerate(reversed(labels)) if label in ("if", "block", "case")]
        if not targets:
            return ("set", 1, self.expression(2))
        return (kind, self.random.choice(targets), self.expression(2))

    def expression(self, depth: int) -> tuple:
        kinds = ["const", "local", "local"]
        if depth > 0:
            kinds += ["binary", "binary", "eqz", "tee", "load", "if_value"]
            if self.function < FUNCTIONS - 1:
                kinds.append("call")
        kind = self.random.choice(kinds)
        if kind == "const":
            return (kind, self.random.randint(0, 9))
        if kind == "local":
            return (kind, self.random.randint(0, LOCALS))
        if kind == "binary":
            operator = self.random.choice(sorted(BINARY))
            return (kind, operator, self.expression(depth - 1), self.expression(depth - 1))
        if kind == "if_value":
            return (kind, *(self.expression(depth - 1) for _ in range(3)))
        if kind == "call":
            return (kind, self.random.randint(self.function + 1, FUNCTIONS - 1), self.expression(depth - 1))
        return (
            kind,
            *(([self.random.randint(1, LOCALS)]) if kind == "tee" else []),
            self.expression(depth - 1),
        )


class Text:
    """The program in the text format, written instruction by instruction."""

    def __init__(self) -> None:
        self.loops = 0

    def module(self, program: Program) -> str:
        functions = []
        for index, body in enumerate(program.functions):
            self.loops = 0
            code = self.block(body)
            counters = "".join(f" (local $n{i} i32)" for i in range(self.loops))
            functions.append(
                f"(func $f{index} (param i32) (result i32) (local i32 i32 i32){counters} {code})"
            )
        start = '(func (export "_start") i32.const 5 call $f0 drop)'
        return f"(module (memory 1) {' '.join(functions)} {start})"

    def block(self, statements: list) -> str:
        return " ".join(self.statement(statement) for statement in statements)

    def statement(self, statement: tuple) -> str:
        kind, *rest = statement
        if kind == "set":
            return f"{self.expression(rest[1])} local.set {rest[0]}"
        if kind == "drop":
            return f"{self.expression(rest[1])} drop"
        if kind == "return_if":
            return f"{self.expression(rest[1])} if i32.const 1 return end"
        if kind == "result":
            return self.expression(rest[0])
        if kind in ("fp64", "fp32"):
            real = "f" + kind[2:]
            return f"{real}.const 1.5 " + f"{real}.const 2 {real}.mul " * rest[0] + f"{real}.sqrt drop"
        if kind == "fill":
            return f"i32.const 1000 i32.const 1 i32.const {rest[0]} memory.fill"
        if kind == "grow":
            return "i32.const 0 memory.grow drop"
        if kind == "if":
            return f"{self.expression(rest[0])} if {self.block(rest[1])} end"
        if kind == "if_else":
            return f"{self.expression(rest[0])} if {self.block(rest[1])} else {self.block(rest[2])} end"
        if kind == "block":
            return f"block {self.block(rest[0])} end"
        if kind == "loop":
            counter = f"$n{self.loops}"
            self.loops += 1
            again = f"local.get {counter} i32.const 1 i32.add local.tee {counter} i32.const {rest[0]} i32.lt_u br_if 0"
            return f"i32.const 0 local.set {counter} loop {self.block(rest[1])} {again} end"
        if kind == "table":
            cases = rest[1]
            inner = (
                f"block block block {self.expression(rest[0])} br_table 0 1 2 end {self.block(cases[0])} end "
            )
            return inner + f"{self.block(cases[1])} end {self.block(cases[2])}".strip()
        return f"{self.expression(rest[1])} br_if {rest[0]}" if kind == "br_if" else f"br {rest[0]}"

    def expression(self, expression: tuple) -> str:
        kind, *rest = expression
        if kind == "const":
            return f"i32.const {rest[0]}"
        if kind == "local":
            return f"local.get {rest[0]}"
        if kind == "binary":
            return f"{self.expression(rest[1])} {self.expression(rest[2])} {rest[0]}"
        if kind == "eqz":
            return f"{self.expression(rest[0])} i32.eqz"
        if kind == "tee":
            return f"{self.expression(rest[1])} local.tee {rest[0]}"
        if kind == "load":
            return f"{self.expression(rest[0])} i32.const 1023 i32.and i32.load8_u"
        if kind == "if_value":
            condition, then, otherwise = map(self.expression, rest)
            return f"{condition} if (result i32) {then} else {otherwise} end"
        return f"{self.expression(rest[1])} call $f{rest[0]}"


class Interpreter:
    """Runs a program and counts every operator when it is executed."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.memory = bytearray(65_536)
        self.counts = {"fp64": 0, "fp32": 0, "integer": 0, "control": 0}
        self.steps = 0

    def run(self) -> tuple[int, int, int, int]:
        self.call(0, 5)
        return tuple(self.counts.values())  # type: ignore[return-value]

    def count(self, counter: str, amount: int = 1) -> None:
        self.counts[counter] += amount
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise TooLong

    def call(self, index: int, argument: int) -> int:
        self.count("control", 1 + 1 + 1)
        self.count("control", LOCALS + self.program.loops[index])
        self.frames = [*getattr(self, "frames", []), [argument] + [0] * LOCALS]
        try:
            *body, (_, result) = self.program.functions[index]
            self.block(body)
            return self.value(result)
        except Return:
            return 1
        finally:
            self.frames.pop()

    def block(self, statements: list) -> None:
        for statement in statements:
            self.statement(*statement)

    def labelled(self, statements: list) -> None:
        """A body whose end is a label: a branch of depth 0 ends here, a deeper one goes on outwards."""
        try:
            self.block(statements)
        except Branch as branch:
            if branch.depth:
                raise Branch(branch.depth - 1) from None

    def statement(self, kind: str, *rest: object) -> None:
        getattr(self, f"do_{kind}")(*rest)

    def do_set(self, local: int, expression: tuple) -> None:
        self.frames[-1][local] = self.value(expression)
        self.count("control")

    def do_drop(self, _local: int, expression: tuple) -> None:
        self.value(expression)

    def do_return_if(self, _local: int, expression: tuple) -> None:
        condition = self.value(expression)
        self.count("control")
        if condition:
            self.count("control", 2)
            raise Return

    def do_fp64(self, products: int) -> None:
        self.count("fp64", products + 1)

    def do_fp32(self, products: int) -> None:
        self.count("fp32", products + 1)

    def do_fill(self, size: int) -> None:
        self.memory[1000 : 1000 + size] = b"\1" * size
        self.count("control", 1 + (size + 7) // 8)

    def do_grow(self, _times: int) -> None:
        self.count("control")

    def do_if(self, condition: tuple, body: list) -> None:
        chosen = self.value(condition)
        self.count("control")
        self.labelled(body if chosen else [])

    def do_if_else(self, condition: tuple, body: list, otherwise: list) -> None:
        chosen = self.value(condition)
        self.count("control")
        self.labelled(body if chosen else otherwise)

    def do_block(self, body: list) -> None:
        self.labelled(body)

    def do_loop(self, rounds: int, body: list) -> None:
        self.count("control")
        for _ in range(rounds):
            try:
                self.block(body)
            except Branch as branch:
                raise Branch(branch.depth - 1) from None
            self.count("integer", 2)
            self.count("control", 2)

    def do_table(self, expression: tuple, cases: list) -> None:
        case = min(self.value(expression), 2)
        self.count("control")
        # A branch of depth d inside case i goes to case i + 1 + d, or that many labels out of the construct.
        while case < 3:
            try:
                self.block(cases[case])
                case += 1
            except Branch as branch:
                case += 1 + branch.depth
                if case >= 3:
                    raise Branch(case - 3) from None

    def do_br(self, depth: int, _expression: tuple) -> None:
        self.count("control")
        raise Branch(depth)

    def do_br_if(self, depth: int, expression: tuple) -> None:
        condition = self.value(expression)
        self.count("control")
        if condition:
            raise Branch(depth)

    def value(self, expression: tuple) -> int:
        kind, *rest = expression
        return getattr(self, f"value_{kind}")(*rest) & MASK

    def value_const(self, number: int) -> int:
        return number

    def value_local(self, local: int) -> int:
        return self.frames[-1][local]

    def value_binary(self, operator: str, left: tuple, right: tuple) -> int:
        first, second = self.value(left), self.value(right)
        self.count("integer")
        return BINARY[operator](first, second)

    def value_eqz(self, inner: tuple) -> int:
        value = self.value(inner)
        self.count("integer")
        return int(value == 0)

    def value_tee(self, local: int, inner: tuple) -> int:
        value = self.frames[-1][local] = self.value(inner)
        self.count("control")
        return value

    def value_load(self, inner: tuple) -> int:
        address = self.value(inner) & 1023
        self.count("integer")
        self.count("control")
        return self.memory[address]

    def value_if_value(self, condition: tuple, then: tuple, otherwise: tuple) -> int:
        chosen = self.value(condition)
        self.count("control", 2)
        return self.value(then if chosen else otherwise)

    def value_call(self, index: int, inner: tuple) -> int:
        return self.call(index, self.value(inner))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_the_instrumented_module_counts_like_a_naive_interpreter(seed: int) -> None:
    program = Generator(seed).program()
    try:
        expected = Interpreter(program).run()
    except TooLong:
        return
    result = execute(assemble(Text().module(program)))
    assert result.exit_reason is ExitReason.OK, result.detail
    assert counted(result) == expected
