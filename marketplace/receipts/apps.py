from django.apps import AppConfig


class ReceiptsConfig(AppConfig):
    name = "marketplace.receipts"
    label = "receipts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ledger.reconciliation import register_check
        from marketplace.receipts import checks

        register_check("receipts", checks.check_receipts)
