"""Every setting, once: its unit, its default, its reason. Behaviour never hangs on DEBUG."""

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
# Where the embedded database and the generated secret key live.
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "var"))).resolve()

DEBUG = False
SECRET_KEY = env.text("SECRET_KEY") or read_or_make_secret_key(DATA_DIR / "secret_key")
# Older keys, still accepted where the digest of a message is compared.
SECRET_KEY_FALLBACKS = env.listing("SECRET_KEY_FALLBACKS")
# Hosts that may be named in requests. The default serves local use; name yours in production.
ALLOWED_HOSTS = env.listing("ALLOWED_HOSTS") or ["localhost", "127.0.0.1", "[::1]"]
# Origins whose pages may call, over REST and the socket ("*" for all). None set: REST answers no other
# origin, the socket takes any, for it is never authenticated by cookie.
CORS_ALLOWED_ORIGINS = [origin for origin in env.listing("CORS_ALLOWED_ORIGINS") if origin != "*"]
CORS_ALLOW_ALL_ORIGINS = "*" in env.listing("CORS_ALLOWED_ORIGINS")
CORS_ALLOW_HEADERS = ["accept", "authorization", "content-type", "idempotency-key", "x-session-token"]
CORS_EXPOSE_HEADERS = ["retry-after"]

# -- Bounds of the engine (messaging/wire/limits.py has units and defaults) ------------------------------------------


_LEAST = {"history_page_max": 50}  # which is a page where no other size is asked for
_MOST = {"max_client_id_chars": 64}  # which the column holds


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
# Pages whose sockets are let in; empty for all.
ROOMLOG_ALLOWED_ORIGINS = [] if CORS_ALLOW_ALL_ORIGINS else CORS_ALLOWED_ORIGINS
# Keys of the digests of messages, the present one first.
ROOMLOG_DIGEST_KEYS = [SECRET_KEY, *SECRET_KEY_FALLBACKS]
# Off for load tests only: every rate limit, also that of sign-up and login.
ROOMLOG_RATE_LIMITS = env.flag("ROOMLOG_RATE_LIMITS", default=True)
# Threads that read the database for sockets (each keeps one connection), beside the writer's one.
ROOMLOG_READER_THREADS = env.number("ROOMLOG_READER_THREADS", 4, least=1, most=64)
# Seconds that in-flight work is given when the server is told to stop.
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
# Straight from the apps, so that nothing needs collecting.
WHITENOISE_USE_FINDERS = True
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False
# A REST body is no larger than a frame.
DATA_UPLOAD_MAX_MEMORY_SIZE = ROOMLOG_LIMITS.max_frame_bytes
SECURE_CONTENT_TYPE_NOSNIFF = True
# Behind a proxy that ends TLS: trust its word for the scheme.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("TRUST_PROXY", default=False) else None

# -- Database ----------------------------------------------------------------------------------------------------

_SQLITE_OPTIONS = {
    # IMMEDIATE: a deferred transaction that turns into a writer fails at once when another writes.
    "transaction_mode": "IMMEDIATE",
    # FULL: an acknowledged message survives a power cut, not only a crash.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=30000",
    "timeout": 30,  # s
}
_KEPT_CONNECTIONS = ROOMLOG_READER_THREADS + 1  # by the readers and the writer
# That one waits for a connection, where all are in use or none is to be had.
_PATIENCE_S = env.number("DATABASE_PATIENCE_S", 5.0, least=0.1, most=60)
_POSTGRESQL_OPTIONS = {
    # Kept by psycopg's pool, so that a REST request opens none.
    "pool": {
        "min_size": 1,
        # What is not kept is for REST.
        "max_size": env.number(
            "DATABASE_POOL_SIZE", max(20, _KEPT_CONNECTIONS + 4), least=_KEPT_CONNECTIONS + 1, most=1000
        ),
        "timeout": _PATIENCE_S,
        # Whoever comes after it tries at once; else tries lie ever further apart, and the database is back unnoticed.
        "reconnect_timeout": _PATIENCE_S,
    },
    "options": "-c lock_timeout=2s -c idle_in_transaction_session_timeout=30s -c synchronous_commit=on"
    # Prepared are the statements of an append alone, whose plans do not hang on what is appended.
    " -c plan_cache_mode=force_generic_plan"
    # What is looked up is in memory or on flash: an index before a walk through a table.
    " -c random_page_cost=1.1",
    # A host that is gone without a word is noticed in some 10 s, not when the system's own patience ends.
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
        # A file also in tests: threads and processes share it.
        database["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
        database["OPTIONS"] = _SQLITE_OPTIONS | options
    elif database["ENGINE"] == "django.db.backends.postgresql":
        database["ENGINE"] = "config.postgresql"
        database["OPTIONS"] = _POSTGRESQL_OPTIONS | options
    else:
        raise ImproperlyConfigured("DATABASE_URL must name a sqlite or a postgresql database")
    return database


DATABASES = {"default": _database()}

# -- Channel layer: hints between processes ----------------------------------------------------------------------

REDIS_URLS = env.listing("REDIS_URL")
CHANNEL_LAYERS: dict[str, Any] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # The prefix keeps installations apart that share a Redis: pub/sub knows no database numbers.
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
# Without it a token outlives its session: logged-out users would be let in.
HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED = True
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 3600  # s
HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = 30 * 24 * 3600  # s
# Where the pages live that allauth's mails lead to.
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
# An empty mapping would mean allauth's defaults; False is its word for "off".
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
    "DESCRIPTION": "A headless chat backend. The socket at /ws/ is described by /asyncapi.yaml.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PATH_CONVERTER_OVERRIDES": {"id": {"type": "string", "format": "uuid"}},
    # A patch is a struct of its own, not a serializer of which nothing is required.
    "COMPONENT_SPLIT_PATCH": False,
    # The one there is by default gives names to enums of serializers, of which there are none.
    "POSTPROCESSING_HOOKS": [],
}

# -- Logs --------------------------------------------------------------------------------------------------------

# Readable on a terminal, JSON elsewhere.
LOGGING = configure_logs(
    form=env.choice("LOG_FORMAT", "console", "json"),
    level=env.choice("LOG_LEVEL", "info", "debug", "warning", "error", "critical").upper(),
)
