"""Check a data set before training on it."""

from captioner.commands.doctor.diagnosis import diagnose

__all__ = ["diagnose"]
