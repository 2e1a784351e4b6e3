from django.apps import AppConfig


class ClearingConfig(AppConfig):
    name = "marketplace.clearing"
    label = "clearing"
    default_auto_field = "django.db.models.BigAutoField"
