"""Customizes django-allauth: saving of users, recipients of mails, keys of rate limits (`ACCOUNT_ADAPTER`)."""

import math
from ipaddress import IPv4Address
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from allauth.headless.base.response import RateLimitResponse
from allauth.headless.internal.restkit.response import ErrorResponse
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse

from accounts import revocation
from accounts.models import User
from accounts.sign_ups import claim_sign_up
from foundation.addresses import Address, parse_address
from foundation.errors import RateLimited

UNKNOWN_ADDRESS = IPv4Address(0)  # of a connection that has none, such as one over a Unix socket

log = structlog.get_logger(__name__)


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

    # -- who may change an account ----------------------------------------------------------------------------------

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Returns whether a change requires that the session's user has just given the password again.

        Raises `ReauthenticationRequired` if the user has no password. allauth would make the change without one.
        """
        if not self.request.user.has_usable_password():
            raise ReauthenticationRequired
        required: bool = super().is_reauthentication_required(app=app, **kwargs)
        return required

    def reauthenticate(self, user: User, password: str) -> bool:
        """Returns whether `password` is the user's. A wrong one counts as a failed login.

        Then allauth records the reauthentication in the session. Its earlier records are removed, so that there is
        never more than one.
        """
        is_right: bool = super().reauthenticate(user, password)
        session = self.request.session
        records = session.get(AUTHENTICATION_METHODS_SESSION_KEY)
        if is_right and records:
            session[AUTHENTICATION_METHODS_SESSION_KEY] = [each for each in records if not each.get("reauthenticated")]
        return is_right

    # -- which addresses can be used --------------------------------------------------------------------------------

    def pre_login(self, request: HttpRequest, user: User, *, signup: bool, **kwargs: Any) -> HttpResponse | None:
        """Makes the address of a sign-up an ordinary one. It becomes the primary address when it is verified."""
        if signup:
            EmailAddress.objects.filter(user=user, verified=False).update(primary=False)
        response: HttpResponse | None = super().pre_login(request, user, signup=signup, **kwargs)
        return response

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Verifies an address, and reports it to the address that the user had verified before, if any.

        Opens a transaction. If two accounts verify the same address at once, the second gets `email_taken`.
        """
        earlier = EmailAddress.objects.get_verified(email_address.user)
        try:
            with transaction.atomic():
                is_free = super().confirm_email(request, email_address)
        except IntegrityError:
            is_free = False
        if not is_free:
            raise ImmediateHttpResponse(ErrorResponse(request, self.validation_error("email_taken")))
        if earlier:
            added = {"added_email": email_address.email}
            self.send_notification_mail("accounts/email/address_added", email_address.user, added, email=earlier.email)
        return True

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """Sends the link if `email` is a verified address of the user. Otherwise nothing is sent."""
        if EmailAddress.objects.filter(user=user, email=email.lower(), verified=True).exists():
            super().send_password_reset_mail(user, email.lower(), context)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Sends a mail. If that fails, it is logged.

        The request still succeeds: the change that the mail reports was made, and the answer to a request for a reset
        must not reveal whether there was a mail to send.
        """
        try:
            super().send_mail(template_prefix, email, context)
        except Exception as error:  # noqa: BLE001 - a backend raises what its client raises
            log.error("mail could not be sent", mail=template_prefix, error=repr(error))


def _address_of(request: HttpRequest) -> Address:
    return parse_address(request.META.get("REMOTE_ADDR", "")) or UNKNOWN_ADDRESS
