from django.apps import AppConfig


class BookConfig(AppConfig):
    name = "marketplace.book"
    label = "book"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ledger.indexer import register_rebuild
        from ledger.reconciliation import register_check
        from marketplace.book import actions, checks

        register_check("orders", checks.check_orders)
        register_rebuild("orders", actions.rebuild_orders)
