-- The law of the books, kept by the database itself.
--
-- It binds everybody, the owner of the tables too: programs may be wrong and roles may be stolen, and these rows still
-- say what they said. Four laws, in this order: balances are the fold of the transfers; facts never change; nothing
-- is forgotten; who may move money is named. What breaks a law is refused with its reason, and the whole transaction
-- with it. Reconciliation looks every time whether each trigger of this file is there and on.


-- === I. Balances are the fold of the transfers =======================================================================

-- A transfer that is inserted moves the balances of its two accounts, as the owner of the function and not as whoever
-- inserts: no role needs a right to write a balance. What the insert would break is refused by name: a link that is
-- not the account's head, a hold of more than is free, a resolution that is no hold's, more than was held.
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

-- Nobody calls it by hand: it runs with the owner's rights, and only the insert of a transfer is a reason to.
REVOKE ALL ON FUNCTION ledger_apply_transfer() FROM PUBLIC;

CREATE TRIGGER ledger_transfer_applied AFTER INSERT ON ledger_transfer
    FOR EACH ROW EXECUTE FUNCTION ledger_apply_transfer();

-- Nothing else moves a balance: an account is born empty, is changed by the trigger above, and is never deleted. A
-- balance that could be written by itself would be money without a transfer that tells where it came from.
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


-- === II. Facts never change ==========================================================================================

CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: rows of this table are facts and never change', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Write a new row that compensates the old one.';
END;
$$;

-- The journal is append-only: a wrong transfer is compensated by another one, so that every balance of the past can be
-- computed again.
CREATE TRIGGER ledger_transfer_append_only BEFORE UPDATE OR DELETE ON ledger_transfer
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();

-- What the kill switch was told, by whom and why, stands as it was said: each entry is linked to the one before.
CREATE TRIGGER ledger_switchentry_kept BEFORE UPDATE OR DELETE ON ledger_switchentry
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();

-- A seen block keeps its header. Whether it is canonical may change: that is what a reorganisation does.
CREATE TRIGGER ledger_block_facts BEFORE UPDATE ON ledger_block
    FOR EACH ROW WHEN ((OLD.id, OLD.number, OLD.hash, OLD.parent, OLD.timestamp)
                       IS DISTINCT FROM (NEW.id, NEW.number, NEW.hash, NEW.parent, NEW.timestamp))
    EXECUTE FUNCTION ledger_refuse_change();

-- A decoded event keeps what the contract said and where; its position and whether it was posted are ours to write.
CREATE TRIGGER ledger_chainevent_facts BEFORE UPDATE ON ledger_chainevent
    FOR EACH ROW WHEN ((OLD.id, OLD.block_id, OLD.tx_hash, OLD.log_index, OLD.address, OLD.name, OLD.subject, OLD.args)
                       IS DISTINCT FROM
                       (NEW.id, NEW.block_id, NEW.tx_hash, NEW.log_index, NEW.address, NEW.name, NEW.subject, NEW.args))
    EXECUTE FUNCTION ledger_refuse_change();

-- A wish of the outbox keeps who signs it and what it does: the sender signs what a verb planned in the transaction
-- that made it necessary, and nothing that was put in its place.
CREATE TRIGGER ledger_outgoingtx_wish BEFORE UPDATE ON ledger_outgoingtx
    FOR EACH ROW WHEN ((OLD.id, OLD.key, OLD.signer, OLD."to", OLD.value, OLD.calldata)
                       IS DISTINCT FROM (NEW.id, NEW.key, NEW.signer, NEW."to", NEW.value, NEW.calldata))
    EXECUTE FUNCTION ledger_refuse_change();

-- Signed bytes are never rewritten: they may be on their way already, and a retry must send the same ones, or a
-- transaction happens twice.
CREATE TRIGGER ledger_attempt_bytes BEFORE UPDATE ON ledger_attempt
    FOR EACH ROW WHEN (OLD.raw IS DISTINCT FROM NEW.raw OR OLD.tx_hash IS DISTINCT FROM NEW.tx_hash
                       OR OLD.nonce IS DISTINCT FROM NEW.nonce)
    EXECUTE FUNCTION ledger_refuse_change();


-- === III. Nothing is forgotten =======================================================================================

-- An orphaned block and its events stay, since auditors ask what was seen before the chain changed its mind.
CREATE TRIGGER ledger_block_kept BEFORE DELETE ON ledger_block
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_chainevent_kept BEFORE DELETE ON ledger_chainevent
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();

-- A wish that was lost would never happen, or happen again under its key; bytes that were lost could not be recognised
-- in a block.
CREATE TRIGGER ledger_outgoingtx_kept BEFORE DELETE ON ledger_outgoingtx
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_attempt_kept BEFORE DELETE ON ledger_attempt
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();

-- TRUNCATE fires no trigger of a row, and deletes them all: it is refused like DELETE, table by table.
CREATE TRIGGER ledger_account_never_emptied BEFORE TRUNCATE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_transfer_never_emptied BEFORE TRUNCATE ON ledger_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_block_never_emptied BEFORE TRUNCATE ON ledger_block
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_chainevent_never_emptied BEFORE TRUNCATE ON ledger_chainevent
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_outgoingtx_never_emptied BEFORE TRUNCATE ON ledger_outgoingtx
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_attempt_never_emptied BEFORE TRUNCATE ON ledger_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_switchentry_never_emptied BEFORE TRUNCATE ON ledger_switchentry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();


-- === IV. Who may move money is named =================================================================================

-- Row security: `manage.py grant_roles` says which role may insert which transfers; until it has, nobody but the owner may.
ALTER TABLE ledger_transfer ENABLE ROW LEVEL SECURITY;
