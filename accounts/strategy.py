"""How django-allauth refreshes tokens (`HEADLESS_TOKEN_STRATEGY`)."""

from allauth.headless.tokens.strategies.jwt import internal
from allauth.headless.tokens.strategies.jwt.strategy import JWTTokenStrategy
from django.db import transaction

from accounts.models import Session


class TokenStrategy(JWTTokenStrategy):  # type: ignore[misc]
    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        """Returns a new access token and a new refresh token, or None if `refresh_token` is not valid.

        A refresh token is valid once. Requests for one session wait for each other in a transaction that locks it:
        otherwise each of several at once would succeed, and only the tokens of the last one would be valid.
        """
        payload = internal.decode_token(refresh_token, "refresh")
        key = internal.session_key_from_sid(payload["sid"]) if payload else None
        with transaction.atomic():
            if not list(Session.objects.select_for_update(no_key=True).filter(session_key=key)):
                return None
            tokens: tuple[str, str] | None = super().refresh_token(refresh_token)
            return tokens
