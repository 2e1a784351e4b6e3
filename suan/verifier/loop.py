"""A verifier's program: look at what is proposed, judge it, sign it or say why not, and again.

It holds no state that matters: what it has answered stands at the exchange, and an answer that was lost is made again. A
dissent is looked at again after a while, since what was missing may have come; a signature is for ever.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from suan.client.api import Suan
from suan.client.errors import Rejected, SuanError, UsageError
from suan.client.keystore import LocalKey
from suan.core.signing import dissent_digest
from suan.verifier.judge import Judge, Refusal

POLL_SECONDS = 0.5
PAUSE_SECONDS_MAX = 10.0
AGAIN_SECONDS = 30.0
"""So long a refused proposal rests before it is judged again."""
REASON_CHARACTERS_MAX = 300

Json = dict[str, Any]
log = logging.getLogger("suan.verifier")


@dataclass
class Verifier:
    """One member of the verifier set at work. `say` gets each answer that the exchange took."""

    market: Suan
    key: LocalKey
    judge: Judge
    say: Callable[[Json], None]
    clock: Callable[[], float] = time.monotonic
    _rests: dict[str, float] = field(default_factory=dict)

    def require_membership(self) -> Json:
        """The market's verifier set. Raises UsageError, with what to do, where this key is not in it."""
        known: Json = self.market.market["verifier_set"]
        members = [str(member).lower() for member in known["members"]]
        if self.key.address not in members:
            raise UsageError(
                f"{self.key.address} is no member of this market's verifier set ({', '.join(members)}). Its operator names "
                "members when the contracts are deployed: VERIFIERS=<address>,… (docs/runbook.md)"
            )
        return known

    def run_forever(self, stop: threading.Event) -> None:
        """Answer proposals until `stop` is set; faults of the network are waited out, longer and longer."""
        pause = POLL_SECONDS
        while not stop.is_set():
            try:
                self.step()
                pause = POLL_SECONDS
            except SuanError as error:
                log.warning("%s", error)
                pause = min(2 * pause, PAUSE_SECONDS_MAX)
            stop.wait(pause)

    def step(self) -> int:
        """Judge and answer what is open and not answered yet; returns how many answers were given.

        One that cannot be judged or answered now holds up no other.
        """
        given = 0
        proposals = self.market.get("/proposals")["results"]
        self._rests = {p["digest"]: self._rests[p["digest"]] for p in proposals if p["digest"] in self._rests}
        for proposal in proposals:
            if self._is_due(proposal):
                try:
                    given += self._answer(proposal)
                except SuanError as error:
                    log.warning("%s: %s", proposal["digest"], error)
                    self._rests[proposal["digest"]] = self.clock() + PAUSE_SECONDS_MAX / 10
        return given

    def _is_due(self, proposal: Json) -> bool:
        signed = any(a["agrees"] for a in proposal["answers"] if a["member"] == self.key.address)
        return not signed and self._rests.get(proposal["digest"], 0) <= self.clock()

    def _answer(self, proposal: Json) -> int:
        """Sign the proposal, or send the dissent; 0 where the same dissent stands already."""
        digest = str(proposal["digest"])
        try:
            body: Json = {"signature": self._sign(self.judge.check(proposal))}
        except Refusal as refusal:
            reason = str(refusal)[:REASON_CHARACTERS_MAX]
            said = dissent_digest(digest, reason, refusal.outcomes)
            body = {"signature": self._sign(said), "reason": reason, "outcomes": refusal.outcomes}
            self._rests[digest] = self.clock() + AGAIN_SECONDS
        if any(answer["signature"] == body["signature"] for answer in proposal["answers"]):
            return 0
        try:
            self.market.post(f"/proposals/{digest}/answers", body)
        except Rejected as error:
            if error.status != 409:
                raise
            return 0  # Others were enough meanwhile.
        self.say({"digest": digest, "agrees": "reason" not in body} | _words(body))
        return 1

    def _sign(self, digest: bytes) -> str:
        return "0x" + self.key.sign_digest(digest).hex()


def _words(body: Json) -> Json:
    return {"reason": body["reason"], "outcomes": body["outcomes"]} if "reason" in body else {}
