"""Users and their sessions."""

from typing import Any, ClassVar

import uuid_utils.compat
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.validators import RegexValidator
from django.db import models

from foundation.fields import ExactJSONField

# UUIDv7 (RFC 9562) is ordered by time, so new rows are next to each other in the index.
new_id = uuid_utils.compat.uuid7

check_username = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z",
    "Usernames consist of ASCII letters, digits, dots, dashes and underscores, and start with a letter or digit.",
)


class UserManager(BaseUserManager["User"]):
    def create_user(self, username: str, password: str | None = None, **fields: object) -> "User":
        user = self.model(username=username.lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """A person or a bot.

    `auth_version` rises when the password is changed and when the user is activated or deactivated. Sockets that were
    admitted with a lower one are closed.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = models.CharField(max_length=64, unique=True, validators=[check_username])
    email = models.EmailField(blank=True)
    display_name = models.CharField(max_length=100, blank=True)
    avatar_url = models.CharField(max_length=2048, blank=True)
    data = ExactJSONField(default=dict)
    is_active = models.BooleanField(default=True)
    is_bot = models.BooleanField(default=False)
    # Who may add the user to rooms (`accounts.schema.AddedBy`). Null: what the installation says.
    added_by = models.CharField(max_length=16, null=True)
    auth_version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    def __str__(self) -> str:
        return self.username


class Session(AbstractBaseSession):
    """A signed-in device. Deleting the row revokes the session."""

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="sessions")
    label = models.CharField(max_length=200, blank=True)
    # The id of the newest refresh token, and when earlier ones were first used (s since 1970), by id: see
    # `accounts.refreshes`.
    refresh_id = models.CharField(max_length=36, blank=True)
    refreshed = ExactJSONField(default=dict)

    def save(self, *args: Any, **options: Any) -> None:
        """Saves the session; its refresh tokens only if it is new, because another request may have refreshed it."""
        if not options.get("force_insert"):
            options["update_fields"] = ["session_data", "expire_date", "user", "label"]
        super().save(*args, **options)

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        from accounts.sessions import SessionStore

        return SessionStore


class Counter(models.Model):
    """What allauth's rate limits have counted under a key: the times of the hits, newest first, as `time.time()`.

    `accounts/counters.py` owns these rows and deletes them some time after they have expired.
    """

    key = models.TextField(primary_key=True)
    hits = models.JSONField(default=list)
    expires_at = models.DateTimeField(db_index=True)


class SignUp(models.Model):
    """A sign-up of the last 24 hours, and the network that it came from. Does not say whose it was."""

    network = models.CharField(max_length=43)
    at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [models.Index(fields=["network", "at"], name="accounts_signup_network_at")]


class Usage(models.Model):
    """How much of a quota a user has used: see `accounts/quotas.py` for the level, and `accounts/usage.py`."""

    pk = models.CompositePrimaryKey("user_id", "quota")
    user = models.ForeignKey(User, on_delete=models.CASCADE, db_index=False, related_name="usage")
    quota = models.CharField(max_length=32)
    level = models.BigIntegerField()
    at = models.BigIntegerField()  # when it had this level, in µs since 1970; 0 if it does not drain
