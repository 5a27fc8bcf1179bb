"""The base of errors that are nobody's mistake in asking, and of warnings that are for the user."""


class Failure(Exception):
    """Something outside went wrong: data, disk, memory, a missing program. The message is for the user."""


class Notice(UserWarning):
    """Something that a user should know of. The command line prints it as one line on stderr."""
