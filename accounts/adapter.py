"""Customizes how django-allauth saves users and passwords (`ACCOUNT_ADAPTER`)."""

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
        """Saves a new user, as the base class does. Opens a transaction.

        If two requests sign up the same name at once, the second gets `username_taken`.
        """
        try:
            with transaction.atomic():
                saved: User = super().save_user(request, user, form, commit)
        except IntegrityError:
            raise ImmediateHttpResponse(ErrorResponse(request, self.validation_error("username_taken"))) from None
        return saved

    def set_password(self, user: User, password: str) -> None:
        """Sets the password and raises `auth_version`, which closes all sockets admitted with the old password.

        Opens a transaction, and announces the revocation after the commit.
        """
        user.set_password(password)
        with transaction.atomic():
            user.save(update_fields=["password"])
            User.objects.filter(id=user.id).update(auth_version=F("auth_version") + 1)
        user.refresh_from_db(fields=["auth_version"])
        revocation.announce(user.id)
