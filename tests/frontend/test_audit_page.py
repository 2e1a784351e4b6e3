"""The audit page tells when the books and the contract's log part company, and what to type to check without us."""

from __future__ import annotations

from tests.book.market import TOKEN, custodial


def deposit_event(address: str, tokens: int, *, posted: bool = True) -> None:
    """A Deposited event as the indexer stores it, in a final block."""
    from django.utils import timezone

    from ledger.models import Block, ChainEvent, Cursor
    from ledger.queries import deployment

    block = Block.objects.create(
        number=1,
        hash="0x" + "b1" * 32,
        parent="0x" + "00" * 32,
        timestamp=1,
        canonical=True,
        seen_at=timezone.now(),
    )
    ChainEvent.objects.create(
        block=block,
        position=1,
        log_index=0,
        tx_hash="0x" + "aa" * 32,
        address=deployment().market,
        name="Deposited",
        subject=address,
        args={"account": address, "from": address, "amount": str(tokens * TOKEN)},
        posted_at=timezone.now() if posted else None,
        postings=1 if posted else 0,
    )
    Cursor.objects.update_or_create(name="final", defaults={"number": 1, "updated_at": timezone.now()})


def test_books_that_follow_from_the_log_are_conserved(market, visitor):
    person = custodial("saver", 100)
    deposit_event(person.address, 100)
    text = visitor.get("/audit").content.decode()
    assert "chip-good" in text and "not conserved" not in text
    assert "1 accounts, 0 differ" in text


def test_money_without_an_event_is_named_with_its_account(market, visitor):
    person = custodial("magician", 100)
    text = visitor.get("/audit").content.decode()
    assert "not conserved" in text and "1 accounts, 1 differ" in text
    row = text[text.index(person.address) :].partition("</tr>")[0]
    assert "✕" in row


def test_a_difference_of_reconciliation_is_shown_with_both_values(market, visitor):
    from django.utils import timezone

    from ledger.models import Difference

    Difference.objects.create(
        check_name="balances",
        table="ledger_account",
        row="0xabc:available",
        column="posted",
        stored="7",
        expected="8",
        found_at=timezone.now(),
        seen_at=timezone.now(),
    )
    for path in ("/audit", "/status"):
        assert "✕ 1" in visitor.get(path).content.decode()
    text = visitor.get("/audit").content.decode()
    assert "ledger_account" in text and "<code>7</code>" in text and "<code>8</code>" in text


def test_the_command_names_this_market_and_hides_a_foreign_node(market, visitor, settings):
    settings.LOCAL_CHAIN, settings.CHAIN_RPC_URL = True, "http://127.0.0.1:4321"
    text = visitor.get("/audit").content.decode()
    assert (
        f"suan audit --rpc http://127.0.0.1:4321 --market {market.market} --evidence http://testserver/evidence"
        in text
    )
    settings.LOCAL_CHAIN, settings.CHAIN_RPC_URL = False, "https://node.example/v3/secret-key"
    text = visitor.get("/audit").content.decode()
    assert "secret-key" not in text and "YOUR_NODE" in text
