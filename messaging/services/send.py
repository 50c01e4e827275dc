"""Changes to messages, one at a time; the socket's writer hands `Appender` many at once."""

from django.conf import settings

from accounts.schema import Principal
from messaging.append.appender import Appender
from messaging.append.decide import Verdict
from messaging.append.submissions import draft_of
from messaging.wire.actions import Send
from rooms.broadcast import broadcast


def send_message(action: Send, *, sender: Principal) -> Verdict:
    """Append one message: a batch of one. Opens a transaction. Returns `Sent`, or the `DomainError` to answer with."""
    draft = draft_of(action, sender=sender, secret_keys=settings.ROOMLOG_DIGEST_KEYS)
    verdicts, notices = Appender().append([draft])
    broadcast(notices)
    return verdicts[0]
