"""Habits of the house that no linter knows: sizes, exact money, time as an argument, who writes, one table of states."""

import ast
import re
from functools import cache

import pytest

from operations.run.layout import PROJECT
from suan.core import lifecycle
from suan.core.settlement.split import END_STATES
from tests.architecture import faces, writers
from tests.architecture.source import Source

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

# Where the world enters: request, alarm clock, command, process loop, and programs on a person's own machine.
CLOCK_FILES = (
    r"marketplace/\w+/(api|tasks|authentication)\.py",
    r"ledger/(api|tasks|control/loop|evidence/urls)\.py",
    r"ledger/(deployment/deploy|chain/rpc)\.py",  # Waiting for an answer of the network, never a decision.
    r".*/management/commands/\w+\.py",
    r"frontend/.*",
    r"operations/.*",
    r"suan/commands/\w+\.py",
    r"suan/client/.*",
    r"suan/provider/\w+\.py",
    r"suan/runtime/.*",  # Measures how long a run takes.
)
CLOCKS = re.compile(
    r"\b(time\.(time|time_ns|monotonic|monotonic_ns|perf_counter)|timezone\.now|datetime\.(now|utcnow|today)|date\.today)\("
    r"|\bauto_now(_add)?\s*=\s*True|default=timezone\.now\b"
)
CHANCES = re.compile(r"\b(secrets\.\w+|random\.\w+|os\.urandom|uuid\.uuid4)\(")
CHANCE_FILES = (*CLOCK_FILES, r"ledger/(custodial|chain/signer)\.py", r"marketplace/(settings|problems)\.py")

HOUSE = Source(PROJECT)


def breaches(pattern: re.Pattern[str], allowed: tuple[str, ...]) -> list[str]:
    files = (path for path in HOUSE.files() if not any(re.fullmatch(fits, str(path)) for fits in allowed))
    return [line for path in files for line in HOUSE.lines_with(pattern, path)]


def test_a_file_is_at_most_four_hundred_lines() -> None:
    long = {
        str(path): lines
        for path in [*HOUSE.files(), *HOUSE.files("tests", "benchmarks")]
        if (lines := len(HOUSE.text(path).splitlines())) > FILE_LINES_MAX
    }
    assert not long, f"cut these by noun, one file each: {long}"


def test_a_function_is_at_most_seventy_lines() -> None:
    long = {
        f"{path}:{node.name}": length
        for path in HOUSE.files()
        for node in HOUSE.nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert not long, f"the parent decides, the leaves compute; cut: {long}"


def is_float(node: ast.AST) -> bool:
    """A float constant, the word float, or a division that makes one."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float)
    if isinstance(node, ast.Name):
        return node.id in ("float", "Decimal", "Fraction")
    return isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)


def test_the_rules_know_no_float() -> None:
    found = [
        place
        for path in HOUSE.files("suan/core")
        for place in HOUSE.places(path, lambda node: is_float(node) and not is_refusal(node))
    ]
    assert not found, f"money and work are integers; name the rounding (units.div_up, //): {found}"


def is_refusal(node: ast.AST) -> bool:
    """`isinstance(value, float)` is how canonical JSON refuses one; that is no arithmetic."""
    return id(node) in refusals()


@cache
def refusals() -> frozenset[int]:
    return frozenset(
        id(part)
        for path in HOUSE.files("suan/core")
        for call in HOUSE.nodes(path)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "isinstance"
        for part in ast.walk(call)
    )


def test_time_is_an_argument_below_the_doors() -> None:
    found = breaches(CLOCKS, CLOCK_FILES)
    assert not found, (
        "take `now` as an argument; api.py, tasks.py and commands read the clock:\n" + "\n".join(found)
    )


def test_chance_is_an_argument_below_the_doors() -> None:
    found = breaches(CHANCES, CHANCE_FILES)
    assert not found, "take fresh chance as an argument:\n" + "\n".join(found)


@pytest.mark.parametrize("kind", [kind for kind in lifecycle.Kind if kind != lifecycle.Kind.FINALITY])
def test_every_state_of_the_table_is_reached_by_some_code(kind: lifecycle.Kind) -> None:
    # How a trade ends is told by its kind: code asks the rule for the state.
    words = written_words() | set(END_STATES.values())
    unused = [name for name in lifecycle.states(kind) if name not in words and name.upper() not in words]
    assert not unused, (
        f"states of a {kind} that no code names: take them out of the table or use them: {unused}"
    )


@cache
def written_words() -> frozenset[str]:
    """Every string constant and every attribute or name that the server's code contains."""
    words: set[str] = set()
    for path in HOUSE.files("ledger", "marketplace"):
        for node in HOUSE.nodes(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.add(node.value)
            elif isinstance(node, ast.Attribute):
                words.add(node.attr)
    return frozenset(words)


def test_every_state_that_has_not_ended_leads_to_an_end() -> None:
    for kind in lifecycle.Kind:
        ends = {name for name in lifecycle.states(kind) if lifecycle.is_end(kind, name)}
        for name in lifecycle.states(kind):
            assert reachable(kind, name) & ends, f"a {kind} that is {name} can never end"


def reachable(kind: lifecycle.Kind, start: str) -> set[str]:
    seen, todo = {start}, [start]
    while todo:
        following = lifecycle.allowed_from(kind, todo.pop()) - seen
        seen |= following
        todo += following
    return seen


def test_rows_are_written_by_those_who_may() -> None:
    found = writers.strangers(HOUSE)
    assert not found, f"{writers.LESSON}\n" + "\n".join(found)


def test_whoever_may_write_rows_does() -> None:
    assert not writers.idle(HOUSE), f"take them out of {writers.__name__}.WRITERS: {writers.idle(HOUSE)}"


def test_rooms_are_entered_by_their_face() -> None:
    found = faces.side_entrances(HOUSE)
    assert not found, f"{faces.LESSON}\n" + "\n".join(found)


def test_a_face_shows_only_what_others_use() -> None:
    assert not faces.unused(HOUSE), "take these out of __all__:\n" + "\n".join(faces.unused(HOUSE))


def test_no_name_of_this_machine_is_in_the_code() -> None:
    tops = "|".join(("home", "root", "work", "Users"))
    absolute = re.compile(rf"[\"']/(?:{tops})/")
    found = [
        line for path in [*HOUSE.files(), *HOUSE.files("tests")] for line in HOUSE.lines_with(absolute, path)
    ]
    assert not [line for line in found if "test_house.py" not in line]
