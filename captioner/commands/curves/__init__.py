"""Training runs as curves.

training_curves.py  reads the logs of runs, and draws losses, scores, and the shape of maps over steps
"""

from captioner.commands.curves.training_curves import run

__all__ = ["run"]
