"""The addresses of `accounts.views`, which are those of django-allauth."""

from django.urls import path

from accounts.views import CheckedPasswordView, VerifiedEmailView

urlpatterns = [
    path("account/email", VerifiedEmailView.as_api_view(client="app")),
    path("account/password/change", CheckedPasswordView.as_api_view(client="app")),
]
