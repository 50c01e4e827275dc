"""Changes of rooms and members. Each is one transaction, and its notices are broadcast after the commit."""

from rooms.services.epoch import change_epoch
from rooms.services.members import add_member, join_room, leave_room, remove_member, update_member
from rooms.services.reading import read_messages
from rooms.services.rooms import create_room, update_room

__all__ = [
    "add_member",
    "change_epoch",
    "create_room",
    "join_room",
    "leave_room",
    "read_messages",
    "remove_member",
    "update_member",
    "update_room",
]
