"""Train a model by a config.

training_run.py does all of it, with the loop of captioner/training/loop.py.
"""

from captioner.commands.train.training_run import train

__all__ = ["train"]
