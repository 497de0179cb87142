"""The one error that means: what the user gave cannot be used."""


class UserError(ValueError):
    """What was wanted, what came, and what to do, in one line.

    The command line prints it without a traceback and exits with status 2.
    """
