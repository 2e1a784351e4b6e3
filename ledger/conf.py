"""Where the ledger finds its folders: one function per place, read from the settings at each call."""

from pathlib import Path

from django.conf import settings


def secrets_dir() -> Path:
    """Private keys, mode 700: `secrets` under SUAN_VAR."""
    return Path(settings.SUAN_VAR) / "secrets"


def evidence_dir() -> Path:
    """Published evidence: `evidence` under SUAN_VAR."""
    return Path(settings.SUAN_VAR) / "evidence"


def deployment_path() -> Path:
    """The deployment file: `deployment.json` under SUAN_VAR."""
    return Path(settings.SUAN_VAR) / "deployment.json"
