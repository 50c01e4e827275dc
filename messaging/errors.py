"""The errors of messages and actions.

DomainError
├── UnknownAction    400
└── ClientIdReused   409
"""

from foundation.errors import DomainError


class UnknownAction(DomainError):
    code, status = "unknown_action", 400
    summary = "There is no such action."


class ClientIdReused(DomainError):
    code, status = "client_id_reused", 409
    summary = "This client_id was already used for a message with different content."
