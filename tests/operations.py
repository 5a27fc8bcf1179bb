"""How much work a function does, without a clock."""

import sys


def operations(function):
    """The instructions that the Python interpreter executes in a call; those inside of NumPy do not count."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count
