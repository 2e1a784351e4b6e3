"""Sessions as the events tell them: a ceiling is locked once, cumulative vouchers pay it out, the rest comes back.

A ceiling comes out of what the buyer asked out a match window before, which no trade can take back.

Known limit: the signature of a voucher can be checked only when redeem() was sent straight to the Market.
"""

from __future__ import annotations

from typing import Any

from suan.client.audit.replay.context import Context
from suan.client.audit.replay.events import Event
from suan.client.audit.state import SessionView
from suan.core import encoding, units
from suan.core.contract import TERM_SECONDS_MAX, RejectCode, Session
from suan.core.signing import Voucher
from suan.core.units import BaseUnits

Json = dict[str, Any]
EVENTS = frozenset({"SessionOpened", "VoucherRedeemed", "VoucherRejected", "SessionClosed"})


def check(audit: Context, block: int, tx_hash: str, events: list[Event]) -> None:
    """Check the session events of one transaction and fold them into the books."""
    name, arguments = audit.call_of(tx_hash) or ("", {})
    vouchers = arguments["vouchers"] if name == "redeem" else []
    at = audit.timestamp(block)
    for event in events:
        if event.name == "SessionOpened":
            _opened(audit, at, event.values)
        elif event.name == "VoucherRedeemed":
            _redeemed(audit, event.values, vouchers)
        elif event.name == "SessionClosed":
            _closed(audit, at, event.values)
        elif event.name == "VoucherRejected":
            known = event.values["code"] in set(RejectCode) - {RejectCode.NONE}
            audit.report.expect(tx_hash, "code of a refused voucher", True, known)


def _opened(audit: Context, at: int, values: Json) -> None:
    terms, subject = values["terms"], f"session {values['session']}"
    session = Session(**terms)
    audit.report.expect(subject, "id of its terms", encoding.to_hex(session.id()), values["session"])
    usable = session.buyer != session.provider and session.ceiling > 0
    facts = {
        "two parties and a ceiling": usable,
        "end within 30 days": at < session.expires_at <= at + TERM_SECONDS_MAX,
        "opened once": values["session"] not in audit.books.sessions,
    }
    for name, holds in facts.items():
        audit.report.expect(subject, name, True, holds)
    buyer = audit.books.accounts[session.buyer]
    buyer.fresh = buyer.fresh_at(at)
    if session.ceiling > buyer.exiting - buyer.fresh:
        audit.report.differ(
            subject, "ceiling", f"at most {buyer.exiting - buyer.fresh}, asked out before", session.ceiling
        )
    audit.post("SessionOpened", values)
    buyer.forget_empty_exit()
    audit.books.sessions[values["session"]] = SessionView(
        session.buyer, session.provider, session.ceiling, session.expires_at
    )


def _redeemed(audit: Context, values: Json, vouchers: list[Json]) -> None:
    """The buyer signed what is due in all; the provider gets what that adds, less the fee."""
    subject, session = f"session {values['session']}", audit.books.sessions.get(values["session"])
    if session is None or session.closed:
        audit.report.differ(subject, "redeemed voucher", "of an open session", "not open")
        return
    cumulative = values["cumulative"]
    paid = cumulative - session.paid
    fee = units.fee(BaseUnits(max(paid, 0)), audit.parameters.fee_bps)
    audit.report.expect(subject, "paid by a voucher", paid, values["paid"])
    audit.report.expect(subject, "fee of a voucher", fee, values["fee"])
    audit.report.expect(
        subject,
        "voucher above the last and within the ceiling",
        True,
        session.paid < cumulative <= session.ceiling,
    )
    digest = Voucher(encoding.from_hex(values["session"]), cumulative).digest(audit.domain)
    signed = any(
        audit.signed_by(session.buyer, digest, encoding.from_hex(voucher["signature"]))
        for voucher in vouchers
        if voucher["cumulative"] == cumulative and voucher["buyer"] == session.buyer
    )
    audit.report.expect(subject, f"voucher over {cumulative} signed by the buyer", True, signed)
    audit.post("VoucherRedeemed", values, session)
    session.paid = cumulative


def _closed(audit: Context, at: int, values: Json) -> None:
    """What was not paid is the buyer's again. Known limit: that the provider closed it before its time is the contract's word."""
    subject, session = f"session {values['session']}", audit.books.sessions.get(values["session"])
    if session is None or session.closed:
        audit.report.differ(subject, "closed session", "open before", "not open")
        return
    audit.report.expect(subject, "released at the end", session.ceiling - session.paid, values["released"])
    audit.post("SessionClosed", values, session)
    session.closed = True
