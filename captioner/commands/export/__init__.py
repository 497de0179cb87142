"""A model as two graphs, in ONNX or as torch.export writes it.

graphs.py     the encoder and one step of the decoder, as modules of tensors alone
exporting.py  which models can be exported, writing, and comparing what was written with the model
"""

from captioner.commands.export.exporting import export

__all__ = ["export"]
