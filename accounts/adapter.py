"""Our say in django-allauth's account flows."""

from allauth.account.adapter import DefaultAccountAdapter

from accounts import revocation
from accounts.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def set_password(self, user: User, password: str) -> None:
        """Whoever was admitted with the old password is out: `auth_version` rises with the change."""
        user.set_password(password)
        user.auth_version += 1
        user.save(update_fields=["password", "auth_version"])
        revocation.announce(user.id)
