"""A chain endpoint that answers from a recording, with single facts changed: what a lying node would have to say."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from eth_abi.abi import decode, encode

from suan.client.rpc import Rpc
from suan.core.contract import abi
from suan.core.encoding import to_hex

Log = dict[str, Any]


class Recorder(Rpc):
    """Reads a real node and keeps every answer."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.answers: dict[str, Any] = {}

    def call(self, method: str, *params: Any) -> Any:
        answer = super().call(method, *params)
        self.answers[question(method, params)] = answer
        return answer


class Recorded(Rpc):
    """Gives the recorded answers; `change(method, params, answer)` may give another one."""

    def __init__(
        self, answers: dict[str, Any], change: Callable[[str, tuple, Any], Any] = lambda *given: given[2]
    ) -> None:
        super().__init__("http://127.0.0.1:1")
        self.answers, self.change = answers, change

    def call(self, method: str, *params: Any) -> Any:
        asked = question(method, params)
        if method == "eth_getCode" and asked not in self.answers:
            return "0x"  # Of makers whose own signature was good; the market's code is recorded.
        if method == "eth_getProof" and asked not in self.answers:
            return self.change(method, params, self._proofs(params[1]))
        answer = json.loads(json.dumps(self.answers[asked]))
        return self.change(method, params, answer)

    def _proofs(self, slots: list[str]) -> dict[str, Any]:
        """What the recording can prove of slots that were asked for in other company."""
        known = [answer for asked, answer in self.answers.items() if asked.startswith('["eth_getProof"')]
        proofs = {int(item["key"], 16): item for answer in known for item in answer["storageProof"]}
        found = [proofs.get(int(slot, 16), {"key": slot, "value": "0x0", "proof": []}) for slot in slots]
        return known[0] | {"storageProof": found}


def question(method: str, params: tuple) -> str:
    return json.dumps([method, params], sort_keys=True)


def with_log(
    name: str, alter: Callable[[Log, dict[str, Any]], Log | None], *, of: str = ""
) -> Callable[[str, tuple, Any], Any]:
    """A change of the first event `name` (of the trade `of`): `alter(log, values)` returns another log, or None to leave it out."""

    touched: list[tuple[str, str]] = []

    def altered(logs: list[Log]) -> Iterator[Log]:
        for log in logs:
            found, values = _decoded(log)
            place = (log["blockHash"], log["logIndex"])
            if found != name or of not in ("", values.get("trade")) or (touched and touched[0] != place):
                yield log
                continue
            touched[:] = [place]
            other = alter(log, values)
            if other is not None:
                yield other

    def change(method: str, params: tuple, answer: Any) -> Any:
        return list(altered(answer)) if method == "eth_getLogs" else answer

    return change


def _decoded(log: Log) -> tuple[str, dict[str, Any]]:
    try:
        return abi.decode_event(log["topics"], log["data"])
    except abi.AbiError:
        return "", {}


def said(
    name: str, field: str, by: Callable[[Any], Any], *, of: str = ""
) -> Callable[[str, tuple, Any], Any]:
    """The first event `name` (of the trade `of`) says something else in one of the fields that are not indexed."""

    def alter(log: Log, values: dict[str, Any]) -> Log:
        plain = [parameter for parameter in abi.EVENTS[name].parameters if not parameter.indexed]
        types = [parameter.abi_type for parameter in plain]
        words = list(decode(types, bytes.fromhex(log["data"][2:])))
        place = [parameter.name for parameter in plain].index(field)
        words[place] = by(words[place])
        return log | {"data": to_hex(encode(types, words))}

    return with_log(name, alter, of=of)


def calldata(function: str, alter: Callable[[str, dict[str, Any]], str]) -> Callable[[str, tuple, Any], Any]:
    """The first call of `function` that is read carries other bytes: `alter(hex, arguments)`."""
    touched: list[str] = []

    def change(method: str, params: tuple, answer: Any) -> Any:
        if method != "eth_getTransactionByHash":
            return answer
        try:
            name, arguments = abi.decode_call(answer["input"])
        except abi.AbiError:
            return answer
        if name != function or (touched and touched[0] != params[0]):
            return answer
        touched.append(params[0])
        return answer | {"input": alter(answer["input"], arguments)}

    return change


def held(by: int) -> Callable[[str, tuple, Any], Any]:
    """The token says that the market holds so many base units more."""

    def change(method: str, params: tuple, answer: Any) -> Any:
        if method != "eth_call" or not params[0]["data"].startswith(
            to_hex(abi.FUNCTIONS["balanceOf"].selector)
        ):
            return answer
        return f"0x{int(answer, 16) + by:064x}"

    return change


def proof(alter: Callable[[dict[str, Any]], None]) -> Callable[[str, tuple, Any], Any]:
    """Every answer of eth_getProof is changed in place."""

    def change(method: str, params: tuple, answer: Any) -> Any:
        if method == "eth_getProof":
            alter(answer)
        return answer

    return change
