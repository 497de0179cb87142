"""Layers that exist for speed alone. A test ties each of them to the plain PyTorch it replaces.

linear.py              nn.Linear for decoders; inside the loop over words, one weight gradient or one packed weight for all steps
products.py            the product of rows and a weight on a CPU, by oneDNN
additive_energy.py     the tanh layer of additive attention, recomputed in the backward pass; by powers on a CPU
cross_entropy.py       cross-entropy over a large vocabulary, in the memory of the logits
topk.py                torch.topk over a vocabulary, on a CPU
transformer_blocks.py  dropout, feed-forward layers and sinusoids of a Transformer
allocation.py          the memory of the process and of weights
"""
