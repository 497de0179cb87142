"""Say what a config becomes, part by part."""

from captioner.commands.describe.description import describe, table

__all__ = ["describe", "table"]
