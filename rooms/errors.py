"""What a room may refuse.

DomainError
├── NotAMember, Muted, Archived   403
└── LastOwner                     409
"""

from foundation.errors import DomainError


class NotAMember(DomainError):
    code, status = "not_a_member", 403
    summary = "You are not a member of this room."


class Muted(DomainError):
    code, status = "muted", 403
    summary = "You are muted in this room."


class Archived(DomainError):
    code, status = "archived", 403
    summary = "This room is archived: it can be read, not written."


class LastOwner(DomainError):
    code, status = "last_owner", 409
    summary = "A room always has an owner: hand it over first."
