"""Upload a model to the Hugging Face hub.

uploading.py  packs a run, and uploads the files of the packed model
"""

from captioner.commands.push.uploading import push

__all__ = ["push"]
