-- What the database keeps of the book: an execution report is written once. It is the exchange's word to a maker about
-- what happened to an order, and what an order has traded is the fold of its reports; a correction is one more report.
CREATE FUNCTION book_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are written once', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER execution_report_immutable BEFORE UPDATE OR DELETE ON book_executionreport
    FOR EACH ROW EXECUTE FUNCTION book_refuse_change();
