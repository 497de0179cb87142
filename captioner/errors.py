"""The one error that means: what the user gave cannot be used."""


class UserError(ValueError):
    """What was wanted, what came, and what to do, in one line.

    The command line prints it without a traceback and exits with status 2.
    """


class Unreachable(UserError):
    """A file that could not be opened this time: no permission, too many open files, a disk's error. Another time it may be read."""
