"""Systems with their captions and scores, which are a run's or come from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from captioner.metrics import Protocol, SystemScores
from captioner.metrics.coco_scores import Captions, PhotoId
from captioner.metrics.protocol import Differences


@dataclass(frozen=True)
class ScoredSystems:
    """Captions and scores of one or two systems and of baselines, with the protocol."""

    names: Sequence[str]  # of the systems without the baselines, one or two
    systems: dict[str, dict[PhotoId, str]]  # captions by system and photo, of the photos with references
    system_scores: dict[str, SystemScores]
    protocol: Protocol

    @property
    def rows(self) -> dict[str, dict[str, float]]:
        """Scores by system and metric."""
        return {name: system.scores for name, system in self.system_scores.items()}

    @property
    def intervals(self) -> dict[str, dict[str, tuple[float, float]]]:
        """The ends of 95 % intervals, by system and metric."""
        return {name: system.intervals for name, system in self.system_scores.items()}

    def captions_without_baselines(self) -> dict[str, Captions]:
        """The captions of the systems that are not baselines."""
        return {name: self.systems[name] for name in self.names}

    def differences(self) -> Differences | None:
        """The scores of the first system minus those of the second; None if there is only one."""
        if len(self.names) < 2:
            return None
        ours, theirs = self.names
        return self.system_scores[ours].minus(self.system_scores[theirs])
