from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "marketplace.delivery"
    label = "delivery"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ledger.reconciliation import register_check
        from marketplace.delivery import checks

        register_check("trades", checks.check_trades)
        register_check("runs", checks.check_runs)
