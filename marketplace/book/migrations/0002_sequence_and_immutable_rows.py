"""One sequence for all orders; the database itself refuses to change an execution report."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION book_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are written once', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER execution_report_immutable BEFORE UPDATE OR DELETE ON book_executionreport
    FOR EACH ROW EXECUTE FUNCTION book_refuse_change();
"""
ALLOW = """
DROP TRIGGER execution_report_immutable ON book_executionreport;
DROP FUNCTION book_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("book", "0001_initial")]

    operations = [
        migrations.RunSQL("CREATE SEQUENCE book_order_sequence", "DROP SEQUENCE book_order_sequence"),
        migrations.RunSQL(REFUSE, ALLOW),
    ]
