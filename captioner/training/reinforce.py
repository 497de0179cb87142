"""REINFORCE: how a model learns where to look when looking is a draw, through which no gradient passes.

Shapes: B photos, Q references of one photo, T words.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, distributed, nn

from captioner.attention import Attended

RewardOf = Literal["word", "caption"]
_KEPT = 0.9  # of the baseline, at each step


class Reinforce(nn.Module):
    r"""What must be added to a caption's negative log-likelihood so that its gradient is that of the expectation over draws.

    Source: Xu et al. 2015, section 4.1, the learning rule:
    $\lambda_r (\log p(y | \tilde s, a) - b) \, \partial \log p(\tilde s | a) + \lambda_e \, \partial H[\tilde s]$, with the moving average
    $b_k = 0.9 \, b_{k-1} + 0.1 \log p(y | \tilde s_k, a)$ of earlier steps as the baseline.
    `reward="caption"` judges a look by the whole caption, as the paper does. Differs: `"word"` judges it by the word written from it alone,
    which is less noisy. The baseline starts from the first mean, and moves with every part of an accumulated batch.

    Args:
        weight: $\lambda_r$.
        entropy: $\lambda_e$, the bonus for looks that could have gone elsewhere.
        reward: what a look is judged by.
    """

    def __init__(self, weight: float, entropy: float, reward: RewardOf):
        super().__init__()
        self.weight, self.entropy, self.reward = weight, entropy, reward
        self.register_buffer("baseline", torch.zeros(()))
        self.register_buffer("has_baseline", torch.tensor(False))
        self.baseline: Tensor
        self.has_baseline: Tensor

    def forward(self, log_probs: Tensor, attended: Attended, word_mask: Tensor) -> Tensor:
        """The term, summed over the words that the mask (B, Q, T) keeps, of draws whose words got these log-probabilities (B, Q, T)."""
        assert attended.choice_log_prob is not None
        assert attended.choice_entropy is not None
        rewards = (log_probs.detach() * word_mask).to(self.baseline.dtype)
        if self.reward == "caption":
            rewards = rewards.sum(-1, keepdim=True)  # (B, Q, 1)
            counted = word_mask.any(-1, keepdim=True)
        else:
            counted = word_mask
        before = self._baseline(rewards[counted])
        judged = (rewards - before) * attended.choice_log_prob
        return -((self.weight * judged + self.entropy * attended.choice_entropy) * word_mask).sum()

    @torch.no_grad()
    def _baseline(self, rewards: Tensor) -> Tensor:
        """The baseline of this step; in training, it takes these rewards in afterwards, those of all processes."""
        sums = torch.stack([rewards.sum(), rewards.new_tensor(len(rewards))])
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(sums)
        mean = sums[0] / sums[1]
        before = torch.where(self.has_baseline, self.baseline, mean)
        if self.training:
            self.baseline.copy_(_KEPT * before + (1 - _KEPT) * mean)
            self.has_baseline.fill_(True)
        return before
