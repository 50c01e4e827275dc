"""Our say in django-allauth's account flows."""

from allauth.account.adapter import DefaultAccountAdapter
from django.db import transaction
from django.db.models import F

from accounts import revocation
from accounts.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def set_password(self, user: User, password: str) -> None:
        """Whoever was admitted with the old password is out: `auth_version` rises with the change."""
        user.set_password(password)
        with transaction.atomic():
            user.save(update_fields=["password"])
            User.objects.filter(id=user.id).update(auth_version=F("auth_version") + 1)
        user.refresh_from_db(fields=["auth_version"])
        revocation.announce(user.id)
