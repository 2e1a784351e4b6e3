from django.apps import AppConfig


class SettlementConfig(AppConfig):
    name = "marketplace.settlement"
    label = "settlement"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ledger.reconciliation import register_check
        from marketplace.settlement import checks

        register_check("closes", checks.check_closes)
        register_check("settlements", checks.check_settlements)
