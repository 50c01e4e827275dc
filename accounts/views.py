"""The endpoints of django-allauth that Roomlog makes stricter. `accounts.urls` mounts them before allauth's own."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.headless.account.inputs import ChangePasswordInput, MarkAsPrimaryEmailInput
from allauth.headless.account.views import ChangePasswordView, ManageEmailView
from django.http import HttpRequest, HttpResponse


class CheckedPasswordInput(ChangePasswordInput):  # type: ignore[misc]
    """Limits wrong passwords like failed logins, and requires the current one also of a user who has none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["current_password"].required = True

    def clean_current_password(self) -> str:
        password: str = self.cleaned_data["current_password"]
        if not get_adapter().reauthenticate(self.user, password):
            raise get_adapter().validation_error("enter_current_password")
        return password


class CheckedPasswordView(ChangePasswordView):  # type: ignore[misc]
    input_class = CheckedPasswordInput


class VerifiedEmailInput(MarkAsPrimaryEmailInput):  # type: ignore[misc]
    """Refuses an address that is not verified. allauth allows one if the user has no verified address."""

    def clean_email(self) -> EmailAddress:
        address: EmailAddress = super().clean_email()
        if not address.verified:
            raise get_adapter().validation_error("unverified_primary_email")
        return address


class VerifiedEmailView(ManageEmailView):  # type: ignore[misc]
    input_class = ManageEmailView.input_class | {"PATCH": VerifiedEmailInput}

    def delete(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Removes an address. Reports it there too if the address was verified: the user may have no other."""
        address: EmailAddress = self.input.cleaned_data["email"]
        response: HttpResponse = super().delete(request, *args, **kwargs)
        if address.verified:
            deleted = {"deleted_email": address.email}
            get_adapter().send_notification_mail("account/email/email_deleted", self.user, deleted, email=address.email)
        return response
