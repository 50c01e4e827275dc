from typing import Any


def write(found: dict[str, Any], plan: Any) -> None: ...
