"""Where the ledger's settings come from: one function per setting, defaults that suit one machine."""

from pathlib import Path

from django.conf import settings


def var_dir() -> Path:
    """The folder of everything that is made at run time (setting VAR_DIR, default `var/` of the project)."""
    return Path(getattr(settings, "VAR_DIR", None) or Path(settings.BASE_DIR) / "var")


def secrets_dir() -> Path:
    """Private keys, mode 700 (setting SECRETS_DIR, default `var/secrets`)."""
    return Path(getattr(settings, "SECRETS_DIR", None) or var_dir() / "secrets")


def evidence_dir() -> Path:
    """Published evidence (setting EVIDENCE_DIR, default `var/evidence`)."""
    return Path(getattr(settings, "EVIDENCE_DIR", None) or var_dir() / "evidence")


def deployment_path() -> Path:
    """The deployment file (setting DEPLOYMENT_FILE, default `var/deployment.json`)."""
    return Path(getattr(settings, "DEPLOYMENT_FILE", None) or var_dir() / "deployment.json")


def rpc_url() -> str:
    """JSON-RPC address of the node (setting CHAIN_RPC_URL)."""
    return str(settings.CHAIN_RPC_URL)
