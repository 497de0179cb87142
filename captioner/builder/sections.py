"""What a config's sections hold besides the part that their `kind` names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from captioner.ranges import Positive, Size


@dataclass(frozen=True)
class Words:
    """How captions become words.

    Args:
        tokens: the rule that cuts a caption into words.
        min_count: times a word must stand in the training captions to be in the vocabulary; rarer ones read as `<unk>`.
        max_length: words of a reference that training reads; the rest is cut off.
    """

    tokens: Literal["simple", "whitespace", "characters"] = "simple"
    min_count: Size = 5
    max_length: Size = 50


@dataclass(frozen=True)
class Photos:
    """How photos are used.

    Args:
        missing: what to do when photos that the captions name have no file: `error`, or `skip`, which leaves them out and says how many.
        augment: each epoch draws a view of every photo: `none`, the photo itself; `flips`, it or its mirror image; `turns`, these in any of
            the four quarter turns, as natural for photos from above. Captions that say left or right do not follow.
    """

    missing: Literal["error", "skip"] = "error"
    augment: Literal["none", "flips", "turns"] = "none"


@dataclass(frozen=True)
class Around:
    """What lies around the attention that `kind` names.

    Args:
        on_attention: a second attention decides whether what was seen is of use (Huang et al. 2019).
    """

    on_attention: bool = False


@dataclass(frozen=True)
class EncoderStart:
    """Where an encoder's first weights come from besides its own.

    Args:
        from_run: the folder of a run with an encoder of the same kind and sizes.
    """

    from_run: str = ""


@dataclass(frozen=True)
class EncoderRate:
    """How fast an encoder that trains is trained.

    Args:
        encoder_learning_rate: the encoder's own; `learning_rate` unless given.
    """

    encoder_learning_rate: Positive | None = None


@dataclass(frozen=True)
class Place:
    """Where a run lies and where it is computed.

    Args:
        folder: the run's; `runs/` and the config's name unless given.
        device: auto, cpu, cuda, cuda:1, mps.
        features: where regions of frozen encoders are stored, to be computed once and read by every run.
    """

    folder: str = ""
    device: str = "auto"
    features: str = "features"


@dataclass(frozen=True)
class Start:
    """What training begins with.

    Args:
        from_run: the folder of a run with the same parts, whose best weights and vocabulary are taken over; new ones unless given.
    """

    from_run: str = ""


@dataclass(frozen=True)
class Log:
    """What is logged besides `log.jsonl`.

    Args:
        wandb: Weights & Biases too.
        project: its project's name.
        samples: photos shown there with their maps at each validation.
    """

    wandb: bool = False
    project: str = "captioner"
    samples: Size = 4
