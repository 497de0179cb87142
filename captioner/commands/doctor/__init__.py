"""Check a data set before training on it.

diagnosis.py does all of it, with the checks of captioner/data/checks.py.
"""

from captioner.commands.doctor.diagnosis import diagnose

__all__ = ["diagnose"]
