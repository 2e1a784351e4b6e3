"""What goes to the chain for a participant: faucet, deposits, withdrawals, agents, delegates. Via `accounts.actions`.

The relayer pays the gas; a signature of the owner carries the authority, made by the platform for custodial accounts.
Every request is one row and one outgoing transaction under the same key, made in one database transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from ledger import custodial, journal, outbox
from ledger import queries as ledger_queries
from ledger.errors import HoldResolved, InsufficientFunds, UnknownHold
from ledger.queries import deployment
from marketplace.accounts import queries
from marketplace.accounts.models import Participant, RelayedRequest
from marketplace.problems import Conflict, Forbidden, Refused, TooManyRequests
from marketplace.times import moment
from suan.core.contract import encode_call
from suan.core.encoding import keccak, to_hex
from suan.core.signing import (
    BadSignature,
    Domain,
    SetAgent,
    SetDelegate,
    Struct,
    WithdrawalRequest,
    market_domain,
    recover,
    registry_domain,
)
from suan.core.units import format_tokens

FAUCET_GRANTS_PER_DAY_MAX = 20
RELAYS_PER_HOUR_MAX = 120
SIGNATURE_SECONDS_MAX = 7 * 86_400
CUSTODIAL_DEADLINE_SECONDS = 3_600
UINT256_MAX = 2**256 - 1


def faucet(
    *, participant: Participant, amount: int, gas_wei: int, is_local_chain: bool, now: int
) -> RelayedRequest:
    """Give test tokens into the account at the market; a wallet also gets tokens and gas of its own.

    amount: base units. Mint, approve and deposit are three transactions of one signer, so they arrive in this order.
    Locks the participant. Raises Forbidden on a chain that is not ours, TooManyRequests beyond the daily limit.
    """
    if not is_local_chain:
        raise Forbidden("There is a faucet on a local chain only; deposit tokens instead.")
    chain = deployment()
    with transaction.atomic():
        Participant.objects.select_for_update().get(pk=participant.pk)
        rows = RelayedRequest.objects.filter(participant=participant, kind="faucet")
        if rows.filter(created_at__gt=moment(now - 86_400)).count() >= FAUCET_GRANTS_PER_DAY_MAX:
            raise TooManyRequests(
                f"The faucet gives {FAUCET_GRANTS_PER_DAY_MAX} times a day; come back tomorrow."
            )
        key = f"faucet:{participant.address}:{rows.count() + 1}"
        _plan(
            "faucet:approve:" + chain.market, chain.token, encode_call("approve", chain.market, UINT256_MAX)
        )
        _plan(f"{key}:mint", chain.token, encode_call("faucet", chain.relayer, amount))
        _plan(key, chain.market, encode_call("deposit", participant.address, amount))
        if not participant.custodial:
            _plan(f"{key}:wallet", chain.token, encode_call("faucet", participant.address, amount))
            _plan(f"{key}:gas", participant.address, b"", value=gas_wei)
        return RelayedRequest.objects.create(
            participant=participant,
            kind="faucet",
            key=key,
            amount=amount,
            request={"gas_wei": "0" if participant.custodial else str(gas_wei)},
            created_at=moment(now),
        )


def deposit_by_permit(
    *, participant: Participant, amount: int, deadline: int, signature: bytes, now: int
) -> RelayedRequest:
    """Relay depositWithPermit: the owner signed an ERC-2612 permit for the Market over exactly `amount` base units.

    A permit that the token refuses fails in the relayer's simulation, costs nobody gas and shows as failed.
    """
    _check_deadline(deadline, now)
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise Refused.one("signature", "bad_signature", "65 bytes r, s, v with v 27 or 28 are needed.")
    chain = deployment()
    calldata = encode_call(
        "depositWithPermit",
        participant.address,
        amount,
        deadline,
        signature[64],
        signature[:32],
        signature[32:64],
    )
    request = {"amount": str(amount), "deadline": deadline}
    return _relay(participant, "deposit", signature, chain.market, calldata, request, amount, now)


def request_withdrawal(
    *,
    participant: Participant,
    amount: int,
    nonce: int | None,
    deadline: int | None,
    signature: bytes | None,
    now: int,
) -> RelayedRequest:
    """Ask for `amount` base units back; payable after the market's delay, which `execute_ready_withdrawals` does.

    The amount is held at once, so that no order counts on it, until the chain's final event moves it. Raises Refused.
    """
    chain = deployment()
    domain = market_domain(chain.chain_id, chain.market)
    with transaction.atomic():
        Participant.objects.select_for_update().get(pk=participant.pk)
        expected = queries.next_market_nonce(participant)
        nonce, deadline = _defaults(participant, nonce, deadline, signature, expected, now)
        wish = WithdrawalRequest(account=participant.address, amount=amount, nonce=nonce, deadline=deadline)
        signature = _signed(participant, wish, domain, signature)
        calldata = encode_call(
            "requestWithdrawalSigned", participant.address, amount, nonce, deadline, signature
        )
        row = _relay(
            participant, "withdrawal", signature, chain.market, calldata, wish.to_json(), amount, now
        )
        try:
            journal.hold(account=participant.address, amount=amount, key=row.key, memo="withdrawal asked for")
        except InsufficientFunds as error:
            free = format_tokens(max(error.available, 0))
            text = f"{free} tokens are free; ask for no more, or cancel orders that hold money."
            raise Refused.one("amount", "insufficient_funds", text) from None
    return row


def set_agent(
    *,
    participant: Participant,
    key: str,
    valid_until: int,
    nonce: int | None,
    deadline: int | None,
    signature: bytes | None,
    now: int,
) -> RelayedRequest:
    """Relay SetAgent: `key` signs receipts for the owner until `valid_until` (0 revokes)."""
    with transaction.atomic():
        Participant.objects.select_for_update().get(pk=participant.pk)
        expected = queries.next_registry_nonce(participant)
        nonce, deadline = _defaults(participant, nonce, deadline, signature, expected, now)
        wish = SetAgent(
            owner=participant.address, key=key, valid_until=valid_until, nonce=nonce, deadline=deadline
        )
        arguments = (participant.address, key, valid_until, nonce, deadline)
        return _relay_registry(participant, "agent", "setAgentSigned", wish, arguments, signature, now)


def set_delegate(
    *,
    participant: Participant,
    key: str,
    side: int,
    spend_cap: int,
    worst_price: int,
    valid_until: int,
    nonce: int | None,
    deadline: int | None,
    signature: bytes | None,
    now: int,
) -> RelayedRequest:
    """Relay SetDelegate: `key` signs orders of one side within a spend cap (base units) and a worst price."""
    with transaction.atomic():
        Participant.objects.select_for_update().get(pk=participant.pk)
        expected = queries.next_registry_nonce(participant)
        nonce, deadline = _defaults(participant, nonce, deadline, signature, expected, now)
        wish = SetDelegate(
            owner=participant.address,
            key=key,
            side=side,
            spend_cap=spend_cap,
            worst_price=worst_price,
            valid_until=valid_until,
            nonce=nonce,
            deadline=deadline,
        )
        arguments = (
            participant.address,
            key,
            side,
            spend_cap,
            worst_price,
            valid_until,
            nonce,
            deadline,
        )
        return _relay_registry(participant, "delegate", "setDelegateSigned", wish, arguments, signature, now)


def relay_cancel(
    *, participant: Participant, order_hash: bytes, side: int, nonce: int, signature: bytes, now: int
) -> RelayedRequest:
    """Relay cancelSigned: the contract refuses the order from its block on. Idempotent."""
    chain = deployment()
    calldata = encode_call("cancelSigned", participant.address, side, nonce, signature)
    request = {"order": to_hex(order_hash)}
    return _relay(participant, "cancel", order_hash, chain.market, calldata, request, None, now)


def execute_ready_withdrawals(now: int) -> int:
    """Send withdraw(account) for every exit that is ready, and let go the holds of settled requests; returns how many.

    Pull: repeats are harmless, since the key of a sweep names account and time of readiness.
    """
    _release_holds()
    head = ledger_queries.head()
    if head is None:
        return 0
    chain = deployment()
    sent = 0
    for address in ledger_queries.exiting_addresses():
        asked = ledger_queries.events_of(
            name="WithdrawalRequested", subject=address, confirmations=chain.confirmations
        )
        if not asked or int(asked[-1].args["ready_at"]) > min(head.timestamp, now):
            continue
        participant = Participant.objects.filter(address=address).first()
        key = f"withdraw:{address}:{asked[-1].args['ready_at']}"
        if participant is None or RelayedRequest.objects.filter(key=key).exists():
            continue
        with transaction.atomic():
            _plan(key, chain.market, encode_call("withdraw", address))
            RelayedRequest.objects.get_or_create(
                key=key,
                defaults={
                    "participant": participant,
                    "kind": "sweep",
                    "request": {},
                    "created_at": moment(now),
                },
            )
        sent += 1
    return sent


def _release_holds() -> None:
    confirmations = deployment().confirmations
    for row in RelayedRequest.objects.filter(kind="withdrawal", settled=False).select_related("participant"):
        sent = ledger_queries.outgoing(row.key)
        if sent is None or sent.status not in ("final", "failed"):
            continue
        if sent.status == "final" and not sent.reverted:
            events = ledger_queries.events_of(
                name="WithdrawalRequested", subject=row.participant.address, confirmations=confirmations
            )
            if not any(event.tx_hash == sent.tx_hash and event.posted_at for event in events):
                continue  # The books have not moved the money yet; free it only after that.
        with transaction.atomic():
            try:
                journal.void(key=row.key, memo="withdrawal settled on chain")
            except (HoldResolved, UnknownHold):
                pass
            RelayedRequest.objects.filter(pk=row.pk).update(settled=True)


def _relay_registry(
    participant: Participant,
    kind: str,
    function: str,
    wish: Struct,
    arguments: tuple[Any, ...],
    signature: bytes | None,
    now: int,
) -> RelayedRequest:
    chain = deployment()
    signature = _signed(participant, wish, registry_domain(chain.chain_id, chain.registry), signature)
    calldata = encode_call(function, *arguments, signature)
    return _relay(participant, kind, signature, chain.registry, calldata, wish.to_json(), None, now)


def _defaults(
    participant: Participant,
    nonce: int | None,
    deadline: int | None,
    signature: bytes | None,
    expected: int,
    now: int,
) -> tuple[int, int]:
    """Nonce and deadline: chosen here when the platform signs, checked when the owner signed."""
    if signature is None:
        return expected, now + CUSTODIAL_DEADLINE_SECONDS
    if nonce is None or deadline is None:
        missing = "nonce" if nonce is None else "deadline"
        raise Refused.one(missing, "missing", "it is part of what was signed; send it with the signature.")
    _check_deadline(deadline, now)
    if nonce < expected:
        raise Refused.one(
            "nonce", "nonce_used", f"{nonce} was used; the next is {expected} (GET /account shows it)."
        )
    return nonce, deadline


def _check_deadline(deadline: int, now: int) -> None:
    if not now < deadline <= now + SIGNATURE_SECONDS_MAX:
        latest = now + SIGNATURE_SECONDS_MAX
        code = "expired" if deadline <= now else "too_late"
        raise Refused.one("deadline", code, f"must lie between now ({now}) and {latest}; sign again.")


def _signed(participant: Participant, wish: Struct, domain: Domain, signature: bytes | None) -> bytes:
    digest = wish.digest(domain)
    if signature is None:
        if not participant.custodial:
            raise Refused.one(
                "signature", "missing", "the key is in your wallet, so the wallet signs; send its signature."
            )
        return custodial.sign_digest(participant.address, digest)
    try:
        signer = recover(digest, signature)
    except BadSignature as error:
        raise Refused.one("signature", "bad_signature", f"{error}; sign the typed data again.") from None
    if signer != participant.address:
        raise Refused.one(
            "signature",
            "wrong_signer",
            f"it recovers to {signer}, not to {participant.address}: another key signed, or the chain id "
            f"({domain.chain_id}), contract ({domain.verifying_contract}) or a field differs.",
        )
    return signature


def _relay(
    participant: Participant,
    kind: str,
    identity: bytes,
    to: str,
    calldata: bytes,
    request: Mapping[str, Any],
    amount: int | None,
    now: int,
) -> RelayedRequest:
    key = f"{kind}:{participant.address}:{to_hex(keccak(identity))[:34]}"
    with transaction.atomic():
        known = RelayedRequest.objects.filter(key=key).first()
        if known is not None:
            if known.participant_id != participant.pk:
                raise Conflict("This request was relayed for another account.")
            return known
        recent = RelayedRequest.objects.filter(participant=participant, created_at__gt=moment(now - 3_600))
        if recent.count() >= RELAYS_PER_HOUR_MAX:
            raise TooManyRequests(
                f"We relay {RELAYS_PER_HOUR_MAX} requests an hour; send it from your wallet."
            )
        _plan(key, to, calldata)
        return RelayedRequest.objects.create(
            participant=participant,
            kind=kind,
            key=key,
            amount=amount,
            request=dict(request),
            created_at=moment(now),
        )


def _plan(key: str, to: str, calldata: bytes, value: int = 0) -> None:
    outbox.plan(key=key, signer="relayer", to=to, calldata=calldata, value=value)
