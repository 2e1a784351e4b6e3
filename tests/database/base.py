"""PostgreSQL as the market uses it, but for one thing: tests may empty the tables between each other.

The books refuse TRUNCATE even to the owner of the tables; only a superuser who says that the triggers do not count
gets past them. The tests' server makes us one.
"""

from django.db.backends.postgresql import base, operations


class DatabaseOperations(operations.DatabaseOperations):
    def sql_flush(self, *arguments, **options) -> list[str]:
        statements = super().sql_flush(*arguments, **options)
        return ["SET LOCAL session_replication_role = replica", *statements] if statements else []


class DatabaseWrapper(base.DatabaseWrapper):
    ops_class = DatabaseOperations
