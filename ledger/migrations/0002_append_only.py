"""Triggers that keep facts: a transfer is never changed, a seen block never forgotten, a signed attempt never rewritten."""

from django.db import migrations

FUNCTION = """
CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: rows of this table are facts and never change', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Write a new row that compensates the old one.';
END;
$$;
"""
TRANSFER = """
CREATE TRIGGER ledger_transfer_append_only BEFORE UPDATE OR DELETE ON ledger_transfer
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
"""
KEPT = """
CREATE TRIGGER ledger_block_kept BEFORE DELETE ON ledger_block
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_chainevent_kept BEFORE DELETE ON ledger_chainevent
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_attempt_bytes BEFORE UPDATE ON ledger_attempt
    FOR EACH ROW WHEN (OLD.raw IS DISTINCT FROM NEW.raw OR OLD.tx_hash IS DISTINCT FROM NEW.tx_hash
                       OR OLD.nonce IS DISTINCT FROM NEW.nonce)
    EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_attempt_kept BEFORE DELETE ON ledger_attempt
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
"""
UNDO = """
DROP TRIGGER ledger_attempt_kept ON ledger_attempt;
DROP TRIGGER ledger_attempt_bytes ON ledger_attempt;
DROP TRIGGER ledger_chainevent_kept ON ledger_chainevent;
DROP TRIGGER ledger_block_kept ON ledger_block;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION ledger_refuse_change();"),
        migrations.RunSQL(TRANSFER, "DROP TRIGGER ledger_transfer_append_only ON ledger_transfer;"),
        migrations.RunSQL(KEPT, UNDO),
    ]
