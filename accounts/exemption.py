"""Who is exempt from what protects users from each other: quotas, and the consent of those who are added to rooms."""

from uuid import UUID


def is_exempt(user_id: UUID) -> bool:
    """Returns whether neither quotas nor consent bind what this user does. So far, they bind everyone."""
    return False
