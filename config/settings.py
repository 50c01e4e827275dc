"""All settings, each with its unit, default and reason. Nothing depends on DEBUG."""

from pathlib import Path
from typing import Any

import dj_database_url
import msgspec
from django.core.exceptions import ImproperlyConfigured

from config.env import Environment
from config.logs import configure_logs
from config.secret import read_or_make_secret_key
from messaging.wire.limits import Limits

env = Environment()

BASE_DIR = Path(__file__).resolve().parent.parent
# Holds the SQLite database and the generated secret key.
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "var"))).resolve()

DEBUG = False
SECRET_KEY = env.text("SECRET_KEY") or read_or_make_secret_key(DATA_DIR / "secret_key")
# Earlier keys, still accepted when the digest of a message is compared.
SECRET_KEY_FALLBACKS = env.listing("SECRET_KEY_FALLBACKS")
# Host names that requests may use. The default is for local use: set yours in production.
ALLOWED_HOSTS = env.listing("ALLOWED_HOSTS") or ["localhost", "127.0.0.1", "[::1]"]
# Origins whose pages may use REST and the socket ("*" for all). If empty, REST allows no other origin. The socket then
# allows every origin, because it is never authenticated by a cookie.
CORS_ALLOWED_ORIGINS = [origin for origin in env.listing("CORS_ALLOWED_ORIGINS") if origin != "*"]
CORS_ALLOW_ALL_ORIGINS = "*" in env.listing("CORS_ALLOWED_ORIGINS")
CORS_ALLOW_HEADERS = ["accept", "authorization", "content-type", "idempotency-key", "x-session-token"]
CORS_EXPOSE_HEADERS = ["retry-after"]

# -- Limits of the engine (units and defaults are in messaging/wire/limits.py) -----------------------------------------


_LEAST = {"history_page_max": 50}  # the default size of a page
_MOST = {"max_client_id_chars": 64}  # the length of the column


def _limits() -> Limits:
    fields = msgspec.structs.fields(Limits)
    return Limits(
        **{
            field.name: env.number(
                f"ROOMLOG_{field.name.upper()}",
                field.default,
                least=_LEAST.get(field.name, 0.001),
                most=_MOST.get(field.name, 2**40),
            )
            for field in fields
        }
    )


ROOMLOG_LIMITS = _limits()
# Origins that may open sockets; empty for all.
ROOMLOG_ALLOWED_ORIGINS = [] if CORS_ALLOW_ALL_ORIGINS else CORS_ALLOWED_ORIGINS
# Keys for the digests of messages; new digests use the first one.
ROOMLOG_DIGEST_KEYS = [SECRET_KEY, *SECRET_KEY_FALLBACKS]
# Turns off every rate limit, including those of sign-up and login. For load tests only.
ROOMLOG_RATE_LIMITS = env.flag("ROOMLOG_RATE_LIMITS", default=True)
# Threads that read the database for sockets, besides the one that writes. Each keeps one connection.
ROOMLOG_READER_THREADS = env.number("ROOMLOG_READER_THREADS", 4, least=1, most=64)
# Seconds that in-flight work may take to finish when the server stops.
ROOMLOG_GRACE_S = env.number("ROOMLOG_GRACE_S", 10, least=0, most=600)

# -- Django ------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.usersessions",
    "config",
    "accounts",
    "rooms",
    "messaging",
    "api",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.say_when_to_retry",
    "accounts.middleware.CheckBodies",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
STATIC_URL = "/static/"
# Serves files from the apps, so that `collectstatic` is not needed.
WHITENOISE_USE_FINDERS = True
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False
# A REST body may be as large as a frame. The middleware of `api.bodies` refuses larger ones first.
DATA_UPLOAD_MAX_MEMORY_SIZE = ROOMLOG_LIMITS.max_frame_bytes
SECURE_CONTENT_TYPE_NOSNIFF = True
# Trust X-Forwarded-Proto. Only behind a proxy that terminates TLS and sets it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("TRUST_PROXY", default=False) else None

# The proxies whose X-Forwarded-For is trusted.
FORWARDED_ALLOW_IPS = env.text("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")

# -- Database ----------------------------------------------------------------------------------------------------

_SQLITE_OPTIONS = {
    # IMMEDIATE: a deferred transaction that starts to write fails at once while another one writes.
    "transaction_mode": "IMMEDIATE",
    # FULL: an acknowledged message survives a power failure, not only a crash.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    f" PRAGMA busy_timeout={round(ROOMLOG_LIMITS.writer_patience_s * 1000)}",
    # While another process writes: no longer than the writer keeps a send.
    "timeout": ROOMLOG_LIMITS.writer_patience_s,  # s
}
_KEPT_CONNECTIONS = ROOMLOG_READER_THREADS + 1  # by the reader threads and the writer thread
# Seconds to wait for a connection if all are in use or none can be opened.
_PATIENCE_S = env.number("DATABASE_PATIENCE_S", 5.0, least=0.1, most=60)
_POSTGRESQL_OPTIONS = {
    # psycopg's pool keeps connections open, so that REST requests need not open them.
    "pool": {
        "min_size": 1,
        # REST requests share those that the threads do not keep.
        "max_size": env.number(
            "DATABASE_POOL_SIZE", max(20, _KEPT_CONNECTIONS + 4), least=_KEPT_CONNECTIONS + 1, most=1000
        ),
        "timeout": _PATIENCE_S,
        # Give up reconnecting early: the next request tries at once, whereas the pool's own attempts get further and
        # further apart, and would notice late that the database is back.
        "reconnect_timeout": _PATIENCE_S,
    },
    "options": "-c lock_timeout=2s -c idle_in_transaction_session_timeout=30s -c synchronous_commit=on"
    # Only the statements of an append are prepared. Their best plans do not depend on the values.
    " -c plan_cache_mode=force_generic_plan"
    # The data is in memory or on an SSD: prefer an index scan to a sequential scan.
    " -c random_page_cost=1.1",
    # Detect a host that vanished within about 10 s, instead of after the timeouts of the operating system.
    "connect_timeout": 5,  # s
    "keepalives_idle": 5,  # s
    "keepalives_interval": 2,  # s
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # ms
}


def _database() -> dict[str, Any]:
    url = env.text("DATABASE_URL", f"sqlite:///{DATA_DIR / 'roomlog.sqlite3'}")
    database: dict[str, Any] = dict(dj_database_url.parse(url))
    options = database.setdefault("OPTIONS", {})
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["ENGINE"] = "config.sqlite"
        # A file in tests too, because threads and processes share it.
        database["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
        database["OPTIONS"] = _SQLITE_OPTIONS | options
    elif database["ENGINE"] == "django.db.backends.postgresql":
        database["ENGINE"] = "config.postgresql"
        database["OPTIONS"] = _POSTGRESQL_OPTIONS | options
    else:
        raise ImproperlyConfigured("DATABASE_URL must be a sqlite:// or a postgresql:// URL")
    return database


DATABASES = {"default": _database()}

# -- Channel layer: notifies other processes ----------------------------------------------------------------------

REDIS_URLS = env.listing("REDIS_URL")
CHANNEL_LAYERS: dict[str, Any] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # The prefix separates installations that share a Redis, because pub/sub ignores database numbers.
        "CONFIG": {"hosts": REDIS_URLS, "prefix": env.text("REDIS_PREFIX", "roomlog")},
    }
    if REDIS_URLS
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

# -- Accounts: django-allauth, headless, for apps -----------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_AGE = 30 * 24 * 3600  # s; a session lives as long as its refresh token
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "accounts.strategy.TokenStrategy"  # noqa: S105
HEADLESS_JWT_ALGORITHM = "HS256"
# Without it, a token outlives its session, and a user who has logged out is still authenticated.
HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED = True
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 3600  # s
HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = 30 * 24 * 3600  # s
# The base address of the pages that allauth's emails link to.
_FRONTEND_URL = env.text("FRONTEND_URL", "http://localhost:8000").rstrip("/")
HEADLESS_FRONTEND_URLS = {
    "account_confirm_email": f"{_FRONTEND_URL}/verify-email/{{key}}",
    "account_reset_password": f"{_FRONTEND_URL}/password/reset",
    "account_reset_password_from_key": f"{_FRONTEND_URL}/password/reset/{{key}}",
    "account_signup": f"{_FRONTEND_URL}/signup",
}
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_USERNAME_VALIDATORS = None
# An empty mapping selects allauth's defaults; False turns them off.
ACCOUNT_RATE_LIMITS: dict[str, str] | bool = {} if ROOMLOG_RATE_LIMITS else False
EMAIL_BACKEND = env.text("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")

# -- REST ---------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["api.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["api.authentication.SignedIn"],
    "DEFAULT_RENDERER_CLASSES": ["api.json.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["api.json.RawJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "api.problems.handle_exception",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Roomlog",
    "DESCRIPTION": "A headless chat backend. /asyncapi.yaml describes the WebSocket at /ws/.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PATH_CONVERTER_OVERRIDES": {"id": {"type": "string", "format": "uuid"}},
    # The body of a PATCH is a struct of its own, not a serializer without its required fields.
    "COMPONENT_SPLIT_PATCH": False,
    # The default hook names the enums of serializers. There are no serializers.
    "POSTPROCESSING_HOOKS": [],
}

# -- Logs --------------------------------------------------------------------------------------------------------

# `console` is for people, `json` for log collectors.
LOGGING = configure_logs(
    form=env.choice("LOG_FORMAT", "console", "json"),
    level=env.choice("LOG_LEVEL", "info", "debug", "warning", "error", "critical").upper(),
)
