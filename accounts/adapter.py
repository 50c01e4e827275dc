"""Customizes how django-allauth saves users and passwords, and what it counts by (`ACCOUNT_ADAPTER`)."""

import math
from ipaddress import IPv4Address
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.base.response import RateLimitResponse
from allauth.headless.internal.restkit.response import ErrorResponse
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest

from accounts import revocation
from accounts.models import User
from accounts.sign_ups import claim_sign_up
from foundation.addresses import Address, parse_address
from foundation.errors import RateLimited

UNKNOWN_ADDRESS = IPv4Address(0)  # of a connection that has none, such as one over a Unix socket


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def new_user(self, request: HttpRequest) -> User:
        """Returns a user who is not saved yet, for a sign-up that is valid. Counts the sign-up.

        Beyond the bounds on sign-ups the answer is 429. Opens a transaction.
        """
        try:
            claim_sign_up(_address_of(request))
        except RateLimited as error:
            answer = RateLimitResponse(request)
            answer.headers["Retry-After"] = str(math.ceil(error.retry_after or 0))
            raise ImmediateHttpResponse(answer) from None
        user: User = super().new_user(request)
        return user

    def get_client_ip(self, request: HttpRequest) -> str:
        """Returns the client's address, as `config/forwarded.py` has found it. Rate limits count IPv6 by the /64."""
        return str(_address_of(request))

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Returns what failed logins are counted by: the name alone.

        The base class adds the host and port that the request names, of which a client may choose many.
        """
        return str(credentials.get("username") or credentials.get("email", "")).lower()

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


def _address_of(request: HttpRequest) -> Address:
    return parse_address(request.META.get("REMOTE_ADDR", "")) or UNKNOWN_ADDRESS
