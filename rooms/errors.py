"""The errors of rooms and memberships.

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
    summary = "This room is archived and read-only."


class LastOwner(DomainError):
    code, status = "last_owner", 409
    summary = "A room must have an owner. Make another member an owner first."
