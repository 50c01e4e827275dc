"""Counts what a call does instead of timing it, so that a test of its cost gives the same answer on any machine."""

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def count_lines(call: Callable[[], object]) -> int:
    """Returns how many lines of Python `call` executes, in all the functions that it calls.

    The garbage collector is off meanwhile: it would run finalizers of objects that other tests left.
    """
    lines = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    gc.disable()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
        gc.enable()
    return lines
