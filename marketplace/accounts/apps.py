from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "marketplace.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the ways to authenticate known to the OpenAPI generator, which finds them by import."""
        from marketplace import schema  # noqa: F401
