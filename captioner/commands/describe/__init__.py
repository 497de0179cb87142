"""Print the model that a config describes, part by part.

description.py    the parts of the model
encoder_field.py  the effective receptive field of the encoder, on request
"""

from captioner.commands.describe.description import describe, table
from captioner.commands.describe.encoder_field import describe_field

__all__ = ["describe", "describe_field", "table"]
