"""Our say in django-allauth's account flows."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.internal.restkit.response import ErrorResponse
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest

from accounts import revocation
from accounts.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """As the base class does; of two who sign up at once under one name the second is told that it is taken."""
        try:
            with transaction.atomic():
                saved: User = super().save_user(request, user, form, commit)
        except IntegrityError:
            raise ImmediateHttpResponse(ErrorResponse(request, self.validation_error("username_taken"))) from None
        return saved

    def set_password(self, user: User, password: str) -> None:
        """Whoever was admitted with the old password is out: `auth_version` rises with the change."""
        user.set_password(password)
        with transaction.atomic():
            user.save(update_fields=["password"])
            User.objects.filter(id=user.id).update(auth_version=F("auth_version") + 1)
        user.refresh_from_db(fields=["auth_version"])
        revocation.announce(user.id)
