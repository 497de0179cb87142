"""Train a model by a config."""

from captioner.commands.train.training_run import train

__all__ = ["train"]
