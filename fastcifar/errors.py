"""The base of environment failures (disk, network, missing program), as opposed to invalid arguments, and of warnings
for the user."""


class Failure(Exception):
    """An environment failure: data, disk, memory, a missing program. The message is for the user."""


class Notice(UserWarning):
    """A notice for the user. The command line prints it as one line on stderr."""
