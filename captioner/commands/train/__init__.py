"""Train a model as a config says."""

from captioner.commands.train.training_run import train

__all__ = ["train"]
