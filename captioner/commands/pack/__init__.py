"""Make a small folder out of a run: a trained model to keep, to share or to ship.

packing.py     weights in half precision, settings without paths, and what is kept of the training photos
model_card.py  README.md: what the model is, its scores, how it was trained
"""

from captioner.commands.pack.packing import pack

__all__ = ["pack"]
