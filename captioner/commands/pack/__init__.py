"""Make a small folder out of a run: a trained model to keep, to share or to ship.

packing.py     weights in half precision, settings without paths, and what is kept of the training photos
model_card.py  README.md: what the model is, its scores, how it was trained
run_card.py    the same in the folder of a run
"""

from captioner.commands.pack.packing import pack
from captioner.commands.pack.run_card import card

__all__ = ["card", "pack"]
