"""How django-allauth makes and renews tokens here."""

from allauth.headless.tokens.strategies.jwt import internal
from allauth.headless.tokens.strategies.jwt.strategy import JWTTokenStrategy
from django.db import transaction

from accounts.models import Session


class TokenStrategy(JWTTokenStrategy):  # type: ignore[misc]
    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        """New tokens for an old one, which is good once: uses of one session's tokens come one after the other.

        Else each of several at once would be answered, and all new tokens but those of the last be dead. Opens a
        transaction. None for a token that is no longer good.
        """
        payload = internal.decode_token(refresh_token, "refresh")
        key = internal.session_key_from_sid(payload["sid"]) if payload else None
        with transaction.atomic():
            if not list(Session.objects.select_for_update(no_key=True).filter(session_key=key)):
                return None
            tokens: tuple[str, str] | None = super().refresh_token(refresh_token)
            return tokens
