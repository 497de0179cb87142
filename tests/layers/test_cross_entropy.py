"""The cross-entropy that works in the memory of the logits is torch's, in value and gradient."""

import pytest
import torch
from torch.nn import functional

from captioner.layers.cross_entropy import _rows, cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 1e-2)]
)
def test_values_and_gradients_are_torchs(dtype, tolerance, smoothing):
    torch.manual_seed(0)
    logits = (3 * torch.randn(150, 9490, dtype=torch.float64)).to(dtype)
    assert len(logits) > _rows(logits), "one block would not show that blocks fit together"
    targets = torch.randint(9490, (150,))
    theirs = logits.double().requires_grad_()
    wanted = functional.cross_entropy(theirs, targets, reduction="sum", label_smoothing=smoothing) / 7
    wanted.backward()
    leaf = logits.requires_grad_()
    loss = cross_entropy(leaf * 1, targets, smoothing) / 7
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=tolerance)
    torch.testing.assert_close(leaf.grad.double(), theirs.grad, atol=tolerance, rtol=tolerance)


def test_a_second_backward_is_refused():
    logits = torch.randn(3, 5, requires_grad=True)
    loss = cross_entropy(logits * 1, torch.tensor([0, 4, 2]))
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_no_words_cost_nothing():
    logits = torch.zeros(0, 5, requires_grad=True)
    loss = cross_entropy(logits * 1, torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert float(loss.detach()) == 0
