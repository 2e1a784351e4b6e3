"""Django settings: everything that a deployment may change, read once from the environment.

Where a value is not given, the embedded services are used: `operations` starts them and writes their addresses to
`$SUAN_VAR/run/services.json`. `DATABASE_URL`, `REDIS_URL` and `CHAIN_RPC_URL` point to real servers instead.
Numbers are in groups at the end: pace, limits, windows. Units are the last word of a name.
"""

import hashlib
import json
import os
import secrets
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
SUAN_VAR = Path(os.environ.get("SUAN_VAR") or BASE_DIR / "var").resolve()

DEPLOYMENT_PROFILE = os.environ.get("DEPLOYMENT_PROFILE", "default")
if DEPLOYMENT_PROFILE not in ("demo", "default"):
    raise ImproperlyConfigured(
        f"DEPLOYMENT_PROFILE is {DEPLOYMENT_PROFILE!r}; it must be 'demo' or 'default'."
    )
DEMO = DEPLOYMENT_PROFILE == "demo"


def flag(name: str, default: bool = False) -> bool:
    return os.environ.get(name, "1" if default else "0").lower() in ("1", "true", "yes")


def whole(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    try:
        return int(text) if text else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {text!r}; it must be a whole number.") from None


def seconds(name: str, default: float) -> float:
    text = os.environ.get(name, "")
    try:
        return float(text) if text else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {text!r}; it must be a number of seconds.") from None


def embedded_services() -> dict[str, str]:
    """Addresses written by `operations` when it starts the embedded services; empty before the first start."""
    try:
        return json.loads((SUAN_VAR / "run" / "services.json").read_text())
    except FileNotFoundError:
        return {}


def secret(name: str) -> str:
    """Text of a secret file, created on first use with mode 600; two processes that start together agree on one."""
    path = SUAN_VAR / "secrets" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        draft.unlink()
    return path.read_text().strip()


DATABASE_ROLES = ("web", "worker", "indexer", "sender", "auditor", "miner")


def role_of(environment: str) -> str:
    """The database role of this process: one of DATABASE_ROLES, or empty for the owner of the tables."""
    if environment and environment not in DATABASE_ROLES:
        raise ImproperlyConfigured(f"SUAN_ROLE is {environment!r}; roles are {', '.join(DATABASE_ROLES)}.")
    return environment


def role_password(role: str) -> str:
    """Password of a database role: a file of the secrets folder, made on first use."""
    return secret(f"database_{role}")


def database(url: str, role: str) -> dict:
    """Django's form of `postgresql://user:password@host:port/name?host=/socket/folder`.

    With a role, the process connects as `<database>_<role>` under the password that `manage.py grant_roles` gave it.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured(
            "DATABASE_URL must start with postgresql://; locks and constraints need PostgreSQL."
        )
    query = parse_qs(parts.query)
    limits = "-c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s"
    name = unquote(parts.path.lstrip("/")) or "suan"
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": f"{name}_{role}" if role else unquote(parts.username or ""),
        "PASSWORD": role_password(role) if role else unquote(parts.password or ""),
        "HOST": query.get("host", [parts.hostname or ""])[0],
        "PORT": query.get("port", [str(parts.port or "")])[0],
        "CONN_MAX_AGE": 600,  # Of each thread of the web server, and of each other process.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5, "options": limits},
    }


_embedded = embedded_services()
DATABASE_URL = os.environ.get("DATABASE_URL") or _embedded.get("database_url", "postgresql:///suan")
REDIS_URL = os.environ.get("REDIS_URL") or _embedded.get("redis_url", "redis://127.0.0.1:6379/0")
CHAIN_RPC_URL = os.environ.get("CHAIN_RPC_URL") or _embedded.get("chain_rpc_url", "http://127.0.0.1:8545")
# A chain of our own may mint gas and tokens, and be mined by us; somebody else's chain may not.
LOCAL_CHAIN = flag("SUAN_LOCAL_CHAIN", default=not os.environ.get("CHAIN_RPC_URL"))
# What a process may do to which table: ledger/control/roles.py. A process on a machine of its own leaves SUAN_ROLE out and has
# a DATABASE_URL with the name and the password of its role.
DATABASES = {"default": database(DATABASE_URL, role_of(os.environ.get("SUAN_ROLE", "")))}
DATABASE_ROLE_PASSWORD = role_password
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Django ---------------------------------------------------------------------------------------------------

SECRET_KEY = os.environ.get("SECRET_KEY") or secret("django")
DEBUG = False
PUBLIC_URL = os.environ.get("PUBLIC_URL", "")
ALLOWED_HOSTS = [
    host
    for host in os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1],testserver").split(",")
    if host
]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "ledger",
    "marketplace.accounts",
    "marketplace.book",
    "marketplace.clearing",
    "marketplace.delivery",
    "marketplace.receipts",
    "marketplace.settlement",
    "frontend",
]
MIDDLEWARE = [
    "marketplace.problems.ProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "marketplace.urls"
WSGI_APPLICATION = "marketplace.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "frontend" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
# The first makes new hashes; the second opens older ones, which the next sign-in replaces.
PASSWORD_HASHERS = [
    "marketplace.accounts.hashing.Argon2idHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/sign-in"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
# Throttle counters only: the web server must answer while Valkey is down, so nothing of it lives there.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
}

USE_I18N = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "frontend" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = SUAN_VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "frontend" / "static"]
# Pages are served from the source folders by whitenoise's finders when nothing was collected (tests, first start).
WHITENOISE_USE_FINDERS = not STATIC_ROOT.exists()
WHITENOISE_MAX_AGE = 3600
if WHITENOISE_USE_FINDERS:
    STATICFILES_DIRS = [folder for folder in STATICFILES_DIRS if folder.exists()]

# --- security headers -----------------------------------------------------------------------------------------

HTTPS = PUBLIC_URL.startswith("https://")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = (
    "same-origin-allow-popups"  # Wallet extensions open a window of their own.
)
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
BEHIND_TLS_PROXY = flag("BEHIND_TLS_PROXY")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS_PROXY else None
X_FRAME_OPTIONS = "DENY"
# Browsers send the cookies of 127.0.0.1 to every port: the name keeps two copies of the project apart.
_copy = hashlib.sha256(str(SUAN_VAR).encode()).hexdigest()[:8]
SESSION_COOKIE_NAME = f"suan_session_{_copy}"
CSRF_COOKIE_NAME = f"suan_csrf_{_copy}"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "django.views.csrf.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        **dict.fromkeys(("object-src", "base-uri"), [NONE]),
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- HTTP interface -------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "marketplace.accounts.authentication.ApiKeyAuthentication",
        "marketplace.accounts.authentication.ParticipantSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticatedOrReadOnly"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["marketplace.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": [f"rest_framework.throttling.{who}RateThrottle" for who in ("Anon", "User")],
    # A whole local market, its agents and its buyers included, comes from one address.
    "DEFAULT_THROTTLE_RATES": {
        "anon": os.environ.get("THROTTLE_ANONYMOUS", "6000/min"),
        "user": os.environ.get("THROTTLE_USER", "6000/min"),
        "sign_in": os.environ.get("THROTTLE_SIGN_IN", "120/min"),
    },
    "EXCEPTION_HANDLER": "marketplace.problems.problem_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Suan",
    "DESCRIPTION": "An open exchange for computing power.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "marketplace.schema.describe_problems",
    ],
}

# --- Celery: the alarm clock; rows are the queue ----------------------------------------------------------------

TASK_SECONDS_MAX = whole("TASK_SECONDS_MAX", 300)
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Above the hard time limit: a task that outlives it is dead, so a second delivery never runs beside the first.
    "visibility_timeout": TASK_SECONDS_MAX + 60,
    # Look for unacknowledged tasks of a killed worker every 2 s; kombu's default is every 100 s.
    "unacked_restore_throttle": 1,
    "unacked_restore_interval": 2,
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "global_keyprefix": "suan:",
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = TASK_SECONDS_MAX
CELERY_TASK_SOFT_TIME_LIMIT = TASK_SECONDS_MAX - 30
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "market"
CELERY_TASK_ROUTES = {
    "marketplace.clearing.tasks.*": {"queue": "clearing"},
    "marketplace.receipts.tasks.*": {"queue": "verification"},
    "ledger.tasks.anchor_evidence": {"queue": "market"},
    "ledger.tasks.*": {"queue": "audit"},
}
CELERY_TIMEZONE = "UTC"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "INFO")},
    "loggers": {"httpx": {"level": "WARNING"}},
}

# --- pace: how often the market's steps happen ------------------------------------------------------------------

CLEARING_SECONDS = seconds("CLEARING_SECONDS", 1)  # One call auction per product.
LOCK_SECONDS = seconds("LOCK_SECONDS", 2)  # Fills wait at most this long for company: gas per trade falls.
CLOSE_SECONDS = seconds("CLOSE_SECONDS", 2)
SWEEP_SECONDS = seconds("SWEEP_SECONDS", 1)  # What somebody waits for: opening jobs, verification, closes.
WATCH_SECONDS = seconds("WATCH_SECONDS", 3)  # Deadlines that pass: leases, exits, refunds of what is overdue.
RECONCILE_SECONDS = seconds("RECONCILE_SECONDS", 30)
ANCHOR_SECONDS = seconds(
    "ANCHOR_SECONDS", 60 if DEMO else 3_600
)  # Roots over new evidence, to the log on chain.
SEND_SECONDS = seconds("SEND_SECONDS", 0.5)  # Between two looks of the sender for planned transactions.
INDEX_SECONDS = seconds("INDEX_SECONDS", 0.5)  # Between two looks of the indexer at the chain's head.
BLOCK_SECONDS = seconds("BLOCK_SECONDS", 0.5 if DEMO else 1)  # Of our own chain, until all is final.
BLOCK_HEARTBEAT_SECONDS = seconds("BLOCK_HEARTBEAT_SECONDS", 5 if DEMO else 30)  # Of the local chain at rest.

# --- limits: what exceeds is refused by name ----------------------------------------------------------------------

MODULE_BYTES_MAX = 4 * 1024 * 1024
ARTIFACT_BYTES_MAX = whole("ARTIFACT_BYTES_MAX", 16 * 1024 * 1024)
ARTIFACT_BYTES_PER_ACCOUNT_MAX = whole("ARTIFACT_BYTES_PER_ACCOUNT_MAX", 1024 * 1024 * 1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = ARTIFACT_BYTES_MAX + 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
JSON_BYTES_MAX = 256 * 1024
OPEN_ORDERS_MAX = whole("OPEN_ORDERS_MAX", 200)  # Of one participant.
RUNS_PER_BID_MAX = whole("RUNS_PER_BID_MAX", 1000)
NODES_MAX = whole("NODES_MAX", 32)  # Of one participant.
API_KEYS_MAX = whole("API_KEYS_MAX", 16)
LEASES_PER_CALL_MAX = 8
FILLS_PER_BATCH_MAX = whole("FILLS_PER_BATCH_MAX", 100)  # Also bounded by 256 bits of a batch on chain.
OUTCOMES_PER_CLOSE_MAX = whole("OUTCOMES_PER_CLOSE_MAX", 100)
RPC_TIMEOUT_SECONDS = seconds("RPC_TIMEOUT_SECONDS", 10)
GAS_PER_TRANSACTION_MAX = whole("GAS_PER_TRANSACTION_MAX", 25_000_000)

# --- windows: how long each side may take -----------------------------------------------------------------------

DAY = 86_400
CONFIRMATIONS = whole("CONFIRMATIONS", 12)  # N: final means this many blocks on top.
VERIFICATION_GRACE_SECONDS = whole("VERIFICATION_GRACE_SECONDS", 60 if DEMO else DAY)
WITHDRAWAL_DELAY_SECONDS = whole("WITHDRAWAL_DELAY_SECONDS", 5 if DEMO else DAY)
# So long a trade may lock what was asked out or cancelled after its match.
MATCH_WINDOW_SECONDS = whole("MATCH_WINDOW_SECONDS", 5 if DEMO else 30)
DISPUTE_WINDOW_SECONDS = whole("DISPUTE_WINDOW_SECONDS", 2 if DEMO else DAY)
LEASE_SECONDS = whole("LEASE_SECONDS", 10 if DEMO else 60)  # Heartbeats renew it; silence frees the run.
NODE_SILENCE_SECONDS = whole("NODE_SILENCE_SECONDS", 15 if DEMO else 90)
STUCK_BLOCKS = whole("STUCK_BLOCKS", 6)  # Not included after so many blocks: sent with a higher fee.
ORDER_SECONDS_MAX = whole("ORDER_SECONDS_MAX", 30 * DAY)
SIGN_IN_SECONDS = whole("SIGN_IN_SECONDS", 300)  # Life of a sign-in challenge.

# --- money of a new deployment: immutable in the contract afterwards ----------------------------------------------

FEE_BPS = whole("FEE_BPS", 100)
BOND_BPS = whole("BOND_BPS", 2500)
BOND_FLOOR_PRICE = whole("BOND_FLOOR_PRICE", 10**16)
DISPUTE_BOND = whole("DISPUTE_BOND", 10**18)
# Who decides together with our own key, and how many of all must sign: more than half.
VERIFIERS = tuple(filter(None, os.environ.get("VERIFIERS", "").replace(" ", "").split(",")))
VERIFIER_THRESHOLD = whole("VERIFIER_THRESHOLD", (len(VERIFIERS) + 1) // 2 + 1)
PAYOUT_CAP = whole("PAYOUT_CAP", 10**24)  # Of verdicts, in a dispute window.
FAUCET = flag("FAUCET", default=LOCAL_CHAIN)
FAUCET_TOKENS = whole("FAUCET_TOKENS", 1_000 * 10**18)
FAUCET_GAS_WEI = whole("FAUCET_GAS_WEI", 10**18)
