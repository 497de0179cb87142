"""Captions that were judged: what a run's and those of files have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from captioner.metrics import Protocol, SystemScores
from captioner.metrics.protocol import Differences
from captioner.metrics.scores import Captions, PhotoId


@dataclass(frozen=True)
class Judged:
    """Captions of one or two systems and of baselines, what they are worth, and by which protocol."""

    names: Sequence[str]  # of the systems that were asked for
    systems: dict[str, dict[PhotoId, str]]  # captions of the photos that can be scored
    worths: dict[str, SystemScores]
    protocol: Protocol

    @property
    def rows(self) -> dict[str, dict[str, float]]:
        return {name: worth.scores for name, worth in self.worths.items()}

    @property
    def intervals(self) -> dict[str, dict[str, tuple[float, float]]]:
        return {name: worth.intervals for name, worth in self.worths.items()}

    def asked(self) -> dict[str, Captions]:
        """Captions of the systems that were asked for."""
        return {name: self.systems[name] for name in self.names}

    def differences(self) -> Differences | None:
        """By how much the first system is better than the second, where there are two."""
        if len(self.names) < 2:
            return None
        ours, theirs = self.names
        return self.worths[ours].minus(self.worths[theirs])
