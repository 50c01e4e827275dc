"""All settings, each with its unit, default and reason. Nothing depends on DEBUG."""

from pathlib import Path
from typing import Any, get_args

import msgspec

from accounts.schema import AddedBy
from config.database import database_of, files_of
from config.env import Environment
from config.logs import configure_logs
from config.secret import read_or_make_secret_key
from foundation.addresses import IPV6_PREFIX
from messaging.wire.limits import Limits

env = Environment()

BASE_DIR = Path(__file__).resolve().parent.parent
# Holds the SQLite database and the generated secret key.
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "var"))).resolve()

DEBUG = False
_SECRET_KEY_FILE = DATA_DIR / "secret_key"
SECRET_KEY = env.text("SECRET_KEY") or read_or_make_secret_key(_SECRET_KEY_FILE)
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

# Proxies whose X-Forwarded-For is believed.
ROOMLOG_PROXIES = env.networks("FORWARDED_ALLOW_IPS", "127.0.0.1", "::1")

# -- Limits of the engine (units and defaults are in messaging/wire/limits.py) -----------------------------------------


_LEAST = {
    "history_page_max": 50,  # the default size of a page
    # A quota of 0 is no bound.
    **dict.fromkeys(
        ("max_memberships", "max_rooms_owned", "max_room_members", "rooms_per_day", "additions_per_day"), 0
    ),
}
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
# Who may add a user to rooms who has not chosen: the first is the default, because a private room has no other way in.
ROOMLOG_DEFAULT_ADDED_BY = env.choice("DEFAULT_ADDED_BY", *get_args(AddedBy))
# Turns off every rate limit, including those of sign-up and login, and the daily quotas. For load tests only.
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
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
# How long a browser that was here over TLS comes back over TLS only. Sent with answers over TLS only; 0 turns it off.
SECURE_HSTS_SECONDS = env.number("HSTS_SECONDS", 365 * 24 * 3600, least=0, most=10 * 365 * 24 * 3600)
X_FRAME_OPTIONS = "DENY"
# Trust X-Forwarded-Proto. Only behind a proxy that terminates TLS and sets it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("TRUST_PROXY", default=False) else None

# -- Database ----------------------------------------------------------------------------------------------------

DATABASES = {
    "default": database_of(
        env,
        data_dir=DATA_DIR,
        kept_connections=ROOMLOG_READER_THREADS + 1,  # by the reader threads and the writer thread
        writer_patience_s=ROOMLOG_LIMITS.writer_patience_s,
    )
}
# Files that only the server's user may read.
ROOMLOG_PRIVATE_FILES = [_SECRET_KEY_FILE, *files_of(DATABASES["default"])]

# -- Channel layer: notifies other processes ----------------------------------------------------------------------

REDIS_URLS = env.urls_of_redis("REDIS_URL")
# Separates installations that share a Redis: pub/sub ignores the numbers of databases.
REDIS_PREFIX = env.text("REDIS_PREFIX", "roomlog")
CHANNEL_LAYERS: dict[str, Any] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": REDIS_URLS, "prefix": REDIS_PREFIX},
    }
    if REDIS_URLS
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

# -- Counters of allauth's rate limits: in the first Redis, if there is one, else in the database ----------------------

CACHES = {
    "default": {
        "BACKEND": "accounts.counters.Counters",
        "LOCATION": REDIS_URLS[0] if REDIS_URLS else "",
        "KEY_PREFIX": REDIS_PREFIX,
    }
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
# A refresh token that comes again within this time gets the same answer: the first one was lost, or two tabs share the
# token. Later than that, it ends its session.
ROOMLOG_REFRESH_GRACE_S = 60
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
# An address that is given at sign-up is mailed a link. Logging in does not require that it was verified.
ACCOUNT_EMAIL_VERIFICATION = "optional"
# Changes are reported by mail, a change of the address at the earlier one.
ACCOUNT_EMAIL_NOTIFICATIONS = True
# Several accounts may name an address, and only one can verify it. Otherwise a sign-up would reveal that an address is
# taken, and could keep its owner from using it.
ACCOUNT_PREVENT_ENUMERATION = "strict"
# An address that may not reset a password gets no mail, whether or not an account names it.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_MAX_EMAIL_ADDRESSES = 5
# A change of addresses or factors requires the password again. Having just logged in is not enough: the access token
# of a new session may be stolen as well.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# s; as short as an app needs that asks for the password and then makes the change, because for this time every access
# token of the session may make it.
ACCOUNT_REAUTHENTICATION_TIMEOUT = 60
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_USERNAME_VALIDATORS = None
# An empty mapping selects allauth's defaults; False turns them off.
ACCOUNT_RATE_LIMITS: dict[str, str] | bool = {} if ROOMLOG_RATE_LIMITS else False
ALLAUTH_RATE_LIMIT_IPV6_PREFIX = IPV6_PREFIX
# Sign-ups in any 24 hours, from one address (of IPv6, one /64) and in all. 0 for no bound in all.
SIGNUPS_PER_ADDRESS_PER_DAY = env.number("SIGNUPS_PER_ADDRESS_PER_DAY", 50, least=1, most=10**6)
SIGNUPS_PER_DAY = env.number("SIGNUPS_PER_DAY", 0, least=0, most=10**6)
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
