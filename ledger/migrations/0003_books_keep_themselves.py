"""The database keeps the books: balances are written by the journal's own trigger, facts are refused any change.

A transfer that is inserted moves the balances of its two accounts, and nothing else may. What the insert breaks (a
link that is not the account's head, a hold of more than is free, a resolution that is no hold's, more than was held)
is refused with the reason. TRUNCATE is refused like DELETE, for the owner of the tables too.

Row security: `manage.py grant_roles` says who may insert which transfers; until it has, nobody but the owner may.
"""

from django.db import migrations

APPLY = """
CREATE FUNCTION ledger_apply_transfer() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
DECLARE
    payer ledger_account%ROWTYPE;
    payee ledger_account%ROWTYPE;
    held ledger_transfer%ROWTYPE;
    moved numeric := CASE WHEN NEW.kind IN ('plain', 'post') THEN NEW.amount ELSE 0 END;
    pending numeric := CASE WHEN NEW.kind = 'hold' THEN NEW.amount ELSE 0 END;
    refusal text;
BEGIN
    SELECT * INTO payer FROM ledger_account WHERE id = NEW.debit_id FOR UPDATE;
    SELECT * INTO payee FROM ledger_account WHERE id = NEW.credit_id FOR UPDATE;
    IF NEW.resolves_id IS NOT NULL THEN
        SELECT * INTO held FROM ledger_transfer WHERE id = NEW.resolves_id;
        pending := -held.amount;
    END IF;
    refusal := CASE
        WHEN payer.id IS NULL OR payee.id IS NULL THEN 'names an account that does not exist'
        WHEN NEW.debit_previous <> payer.head OR NEW.credit_previous <> payee.head
            THEN 'does not follow the last transfer of its accounts'
        WHEN NEW.digest !~ '^0x[0-9a-f]{64}$' OR NEW.digest IN (payer.head, payee.head)
            THEN 'has a digest that is none'
        WHEN NEW.kind = 'plain' AND NEW.hold_name <> '' THEN 'is no hold and names one'
        WHEN NEW.kind = 'hold' AND (NEW.hold_name = '' OR payer.kind <> 'available' OR payee.kind <> 'locked'
                                    OR payer.address <> payee.address)
            THEN 'is a hold, which reserves money of one address from available for locked, under a name'
        WHEN NEW.kind = 'hold'
             AND NEW.amount > payer.credits_posted - payer.debits_posted - payer.debits_pending
            THEN 'holds more than is free'
        WHEN NEW.resolves_id IS NOT NULL AND (held.kind IS DISTINCT FROM 'hold' OR held.debit_id <> NEW.debit_id
             OR held.credit_id <> NEW.credit_id OR held.hold_name <> NEW.hold_name)
            THEN 'resolves what is not a hold of the same accounts and name'
        WHEN NEW.kind = 'post' AND NEW.amount > held.amount THEN 'posts more than was held'
        WHEN NEW.kind = 'void' AND NEW.amount <> held.amount THEN 'voids another amount than was held'
    END;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION 'transfer % %', NEW.key, refusal USING ERRCODE = 'check_violation',
            HINT = 'Write transfers with ledger.journal alone.';
    END IF;
    UPDATE ledger_account
        SET debits_posted = debits_posted + moved, debits_pending = debits_pending + pending, head = NEW.digest
        WHERE id = NEW.debit_id;
    UPDATE ledger_account SET credits_posted = credits_posted + moved, head = NEW.digest WHERE id = NEW.credit_id;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION ledger_apply_transfer() FROM PUBLIC;
CREATE TRIGGER ledger_transfer_applied AFTER INSERT ON ledger_transfer
    FOR EACH ROW EXECUTE FUNCTION ledger_apply_transfer();
"""
ACCOUNT = """
CREATE FUNCTION ledger_guard_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.debits_posted = 0 AND NEW.credits_posted = 0 AND NEW.debits_pending = 0
        AND NEW.head = '0x' || repeat('0', 64) THEN
        RETURN NEW;
    END IF;
    -- The second trigger on the stack: the transfer that moves the balance is being inserted.
    IF TG_OP = 'UPDATE' AND pg_trigger_depth() = 2 THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % is refused: balances are the fold of the transfers', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Write a transfer, or run manage.py rebuild as the owner.';
END;
$$;
CREATE TRIGGER ledger_account_guarded BEFORE INSERT OR UPDATE OR DELETE ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_guard_account();
"""
FACTS = """
CREATE TRIGGER ledger_block_facts BEFORE UPDATE ON ledger_block
    FOR EACH ROW WHEN ((OLD.id, OLD.number, OLD.hash, OLD.parent, OLD.timestamp)
                       IS DISTINCT FROM (NEW.id, NEW.number, NEW.hash, NEW.parent, NEW.timestamp))
    EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_chainevent_facts BEFORE UPDATE ON ledger_chainevent
    FOR EACH ROW WHEN ((OLD.id, OLD.block_id, OLD.tx_hash, OLD.log_index, OLD.address, OLD.name, OLD.subject, OLD.args)
                       IS DISTINCT FROM
                       (NEW.id, NEW.block_id, NEW.tx_hash, NEW.log_index, NEW.address, NEW.name, NEW.subject, NEW.args))
    EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_outgoingtx_wish BEFORE UPDATE ON ledger_outgoingtx
    FOR EACH ROW WHEN ((OLD.id, OLD.key, OLD.signer, OLD."to", OLD.value, OLD.calldata)
                       IS DISTINCT FROM (NEW.id, NEW.key, NEW.signer, NEW."to", NEW.value, NEW.calldata))
    EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_outgoingtx_kept BEFORE DELETE ON ledger_outgoingtx
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
"""
UNDO_FACTS = """
DROP TRIGGER ledger_outgoingtx_kept ON ledger_outgoingtx;
DROP TRIGGER ledger_outgoingtx_wish ON ledger_outgoingtx;
DROP TRIGGER ledger_chainevent_facts ON ledger_chainevent;
DROP TRIGGER ledger_block_facts ON ledger_block;
"""
NEVER_EMPTIED = (
    "ledger_account", "ledger_transfer", "ledger_block", "ledger_chainevent", "ledger_outgoingtx", "ledger_attempt",
)  # fmt: skip
TRUNCATE = "".join(
    f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();\n"
    for table in NEVER_EMPTIED
)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_append_only")]

    operations = [
        migrations.RunSQL(
            [APPLY],
            "DROP TRIGGER ledger_transfer_applied ON ledger_transfer; DROP FUNCTION ledger_apply_transfer();",
        ),
        migrations.RunSQL(
            [ACCOUNT],
            "DROP TRIGGER ledger_account_guarded ON ledger_account; DROP FUNCTION ledger_guard_account();",
        ),
        migrations.RunSQL([FACTS], [UNDO_FACTS]),
        migrations.RunSQL(
            [TRUNCATE],
            "".join(f"DROP TRIGGER {table}_never_emptied ON {table};\n" for table in NEVER_EMPTIED),
        ),
        migrations.RunSQL(
            "ALTER TABLE ledger_transfer ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE ledger_transfer DISABLE ROW LEVEL SECURITY",
        ),
    ]
