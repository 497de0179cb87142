"""REINFORCE: trains attention that draws regions, since no gradient passes through a draw.

Shapes: B photos, Q references of one photo, T words.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, distributed, nn

from captioner.attention import Attended

RewardOf = Literal["word", "caption"]
_BASELINE_DECAY = 0.9


class Reinforce(nn.Module):
    r"""The term that makes the gradient of a caption's negative log-likelihood that of the expectation over draws.

    Source: Xu et al. 2015, section 4.1, the learning rule:
    $\lambda_r (\log p(y | \tilde s, a) - b) \, \partial \log p(\tilde s | a) + \lambda_e \, \partial H[\tilde s]$, with the moving average
    $b_k = 0.9 \, b_{k-1} + 0.1 \log p(y | \tilde s_k, a)$ of earlier steps as the baseline.
    With `reward="caption"`, the reward of a draw is the log-probability of the whole caption, as in the paper. Differs: with `"word"` it
    is that of the word predicted from the draw, which is less noisy. The baseline starts from the first mean, and is updated with every
    part of an accumulated batch.

    Args:
        weight: $\lambda_r$.
        entropy: $\lambda_e$, the weight of the entropy of the weights.
        reward: the reward of a draw.
    """

    def __init__(self, weight: float, entropy: float, reward: RewardOf):
        super().__init__()
        self.weight, self.entropy, self.reward = weight, entropy, reward
        self.register_buffer("baseline", torch.zeros(()))
        self.register_buffer("has_baseline", torch.tensor(False))
        self.baseline: Tensor
        self.has_baseline: Tensor

    def forward(self, log_probs: Tensor, attended: Attended, word_mask: Tensor) -> Tensor:
        """The term, summed over the real words (mask B, Q, T), given the words' log-probabilities (B, Q, T)."""
        assert attended.choice_log_prob is not None
        assert attended.choice_entropy is not None
        rewards = (log_probs.detach() * word_mask).to(self.baseline.dtype)
        if self.reward == "caption":
            rewards = rewards.sum(-1, keepdim=True)  # (B, Q, 1)
            counted = word_mask.any(-1, keepdim=True)
        else:
            counted = word_mask
        advantages = rewards - self._baseline(rewards[counted])
        policy = advantages * attended.choice_log_prob
        return -((self.weight * policy + self.entropy * attended.choice_entropy) * word_mask).sum()

    @torch.no_grad()
    def _baseline(self, rewards: Tensor) -> Tensor:
        """The baseline of this step. In training, it is then updated with the rewards of all processes."""
        sums = torch.stack([rewards.sum(), rewards.new_tensor(len(rewards))])
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(sums)
        mean = sums[0] / sums[1]
        before = torch.where(self.has_baseline, self.baseline, mean)
        if self.training:
            self.baseline.copy_(_BASELINE_DECAY * before + (1 - _BASELINE_DECAY) * mean)
            self.has_baseline.fill_(True)
        return before
