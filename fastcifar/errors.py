"""The base of errors that are nobody's mistake in asking."""


class Failure(Exception):
    """Something outside went wrong: data, disk, memory, a missing program. The message is for the user."""
