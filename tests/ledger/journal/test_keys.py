"""The grammars of journal keys, byte for byte: rows that exist are found under them for ever."""

from ledger.journal import keys

BLOCK = "0x" + "ab" * 32


def test_the_keys_of_the_journal_are_these_bytes():
    assert keys.order_hold("0x12") == "order:0x12"
    assert keys.payment_hold("trd_0x34") == "trade:trd_0x34:payment"
    assert keys.bond_hold("trd_0x34") == "trade:trd_0x34:bond"
    assert keys.hold_row("order:0x12", 1) == "hold:order:0x12"
    assert keys.hold_row("order:0x12", 2) == "hold:order:0x12~2"
    assert keys.void_row("hold:order:0x12~2") == "void:hold:order:0x12~2"
    assert keys.post_row("hold:order:0x12") == "post:hold:order:0x12"
    assert keys.event_batch(BLOCK, 7) == f"event:{BLOCK}:7"
    assert keys.event_row(BLOCK, 7, "paid", postings=0) == f"event:{BLOCK}:7:paid"
    assert keys.event_row(BLOCK, 7, "paid", postings=2) == f"event:{BLOCK}:7:paid~2"
    assert keys.reversal(f"event:{BLOCK}:7:paid") == f"reverse:event:{BLOCK}:7:paid"


def test_rows_of_a_kind_are_found_by_the_beginning_of_their_keys():
    row = keys.event_row(BLOCK, 7, "paid", postings=1)
    assert row.startswith(keys.EVENT_ROWS) and not keys.reversal(row).startswith(keys.EVENT_ROWS)
    assert keys.reversal(row).startswith(keys.EVENT_REVERSALS) and keys.EVENT_REVERSALS.startswith(
        keys.REVERSALS
    )
    assert keys.order_hold("0x12").startswith(keys.ORDER_HOLDS)
