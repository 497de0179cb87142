"""Settings as typed records: `settings.run.seed` is the key `run.seed` of a config. The first classes hold a section's keys besides the
arguments of the part that its `kind` names. `Settings` has all sections."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Annotated, Any, Literal

from captioner.features.sources import VIEWS
from captioner.ranges import OneOf, Positive, Size
from captioner.text.tokens import TOKENS
from captioner.training.plan import Plan


@dataclass(frozen=True)
class Words:
    """How captions become words.

    Args:
        tokens: the tokeniser.
        min_count: how often a word must occur in the training captions to be in the vocabulary; rarer words are read as `<unk>`.
        max_length: longest reference in training, in words; the rest is cut off.
    """

    tokens: Annotated[str, OneOf(TOKENS)] = "simple"
    min_count: Size = 5
    max_length: Size = 50


@dataclass(frozen=True)
class Photos:
    """How photos are used.

    Args:
        missing: what to do if photos that the captions name have no file: `error`, or `skip`, which leaves them out and reports how many.
        augment: the views of a photo that training draws from, one per epoch: `none`, the photo itself; `flips`, it or its mirror image;
            `turns`, both in each of the four quarter turns, for photos from above. Captions that say left or right are not changed.
        leave_out: file of the ids of training photos to leave out, one on a line; `captioner doctor --leave-out FILE` writes one.
    """

    missing: Literal["error", "skip"] = "error"
    augment: Annotated[str, OneOf(VIEWS)] = "none"
    leave_out: str = ""


@dataclass(frozen=True)
class AroundAttention:
    """What is put around the attention that `kind` names.

    Args:
        on_attention: filter the result of attention with a gate made from it and the query (Huang et al. 2019).
    """

    on_attention: bool = False


@dataclass(frozen=True)
class EncoderStart:
    """Where the first weights of an encoder come from, and what computes the regions of a frozen one.

    Args:
        from_run: run folder whose encoder, of the same kind and sizes, gives the first weights; empty for the kind's own.
        runtime: `torch`; `onnx`, which is onnxruntime, faster on CPUs, with the extra `onnx`; or `auto`, `onnx` where it is installed and
            a command has 1,000 new photos or more, or 64 once the encoder has been exported. Regions are the same to 1e-4.
    """

    from_run: str = ""
    runtime: Literal["auto", "torch", "onnx"] = "auto"


@dataclass(frozen=True)
class EncoderRate:
    """The learning rate of an encoder that is trained.

    Args:
        encoder_learning_rate: learning rate of the encoder; `learning_rate` if not given.
    """

    encoder_learning_rate: Positive | None = None


@dataclass(frozen=True)
class Place:
    """Where a run is stored and computed.

    Args:
        folder: the run folder; `runs/` and the name of the config if not given.
        device: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`; `auto` prefers CUDA, then MPS, then the CPU.
        features: folder of the feature store, where the regions of frozen encoders are computed once and shared by all runs.
    """

    folder: str = ""
    device: str = "auto"
    features: str = "features"


@dataclass(frozen=True)
class Start:
    """What training starts from.

    Args:
        from_run: folder of a run with the same parts; training starts from its best weights and its vocabulary.
    """

    from_run: str = ""


@dataclass(frozen=True)
class LogSettings:
    """What is logged besides `log.jsonl`.

    Args:
        wandb: log to Weights & Biases too.
        tensorboard: log for TensorBoard too, into the run folder.
        project: name of the project on Weights & Biases.
        group: name of the group of runs there; `captioner compare` puts the seeds of a kind into one group.
        samples: number of photos that are logged with their maps after each validation, there and for TensorBoard.
    """

    wandb: bool = False
    tensorboard: bool = False
    project: str = "captioner"
    group: str = ""
    samples: Size = 4


@dataclass(frozen=True, kw_only=True)
class PartSettings:
    """A section whose `kind` names a part.

    Args:
        kind: name of the part in its table.
        options: arguments for its constructor.
    """

    kind: str
    options: dict[str, Any]


@dataclass(frozen=True)
class DataSettings(PartSettings, Photos, Words):
    """The section `data`."""


@dataclass(frozen=True)
class EncoderSettings(PartSettings, EncoderStart):
    """The section `encoder`."""


@dataclass(frozen=True)
class AttentionSettings(PartSettings, AroundAttention):
    """The section `attention`.

    Args:
        score: name of the score; None for kinds that take none.
    """

    score: str | None = None


@dataclass(frozen=True)
class OptimiserSettings(PartSettings, EncoderRate):
    """The section `optimiser`."""


@dataclass(frozen=True)
class RunSettings(Start, Place, Plan):
    """The section `run`."""


class _AsDict(Mapping[str, Mapping[str, Any]]):
    """Settings as the dict of dicts that they were in the previous release, read-only; works for one more release."""

    resolved: dict[str, dict[str, Any]]

    def __getitem__(self, section: str) -> Mapping[str, Any]:
        self._warn()
        return MappingProxyType(self.resolved[section])  # a change here would reach the saved settings alone

    def __iter__(self) -> Iterator[str]:
        self._warn()
        return iter(self.resolved)

    def __len__(self) -> int:
        return len(self.resolved)

    def _warn(self) -> None:
        level = 2
        while "_collections_abc" in sys._getframe(level).f_code.co_filename:  # `get`, `in`, `items` call the above
            level += 1
        text = 'settings["run"]["seed"] is deprecated; use settings.run.seed, or the dicts in settings.resolved'
        warnings.warn(text, DeprecationWarning, stacklevel=level + 1)


@dataclass(frozen=True)
class Settings(_AsDict):
    """Resolved settings of one experiment: every key has a value.

    Args:
        refiner: arguments of the refiner.
        resolved: all settings as nested dicts, section by section, in the order of `settings.yaml`.
    """

    data: DataSettings
    encoder: EncoderSettings
    attention: AttentionSettings
    decoder: PartSettings
    objective: PartSettings
    optimiser: OptimiserSettings
    schedule: PartSettings
    search: PartSettings
    refiner: dict[str, Any]
    run: RunSettings
    log: LogSettings
    resolved: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, resolved: dict[str, dict[str, Any]]) -> Settings:
        """Typed records of resolved nested dicts."""
        records = {section: _record(section, values) for section, values in resolved.items()}
        return cls(**records, resolved=resolved)


_RECORDS: dict[str, type] = {
    "data": DataSettings,
    "encoder": EncoderSettings,
    "attention": AttentionSettings,
    "decoder": PartSettings,
    "objective": PartSettings,
    "optimiser": OptimiserSettings,
    "schedule": PartSettings,
    "search": PartSettings,
    "run": RunSettings,
    "log": LogSettings,
}


def _record(section: str, values: dict[str, Any]) -> Any:
    if (record := _RECORDS.get(section)) is None:
        return values
    names = {field.name for field in fields(record)}
    own = {key: value for key, value in values.items() if key in names}
    if issubclass(record, PartSettings):
        own["options"] = {key: value for key, value in values.items() if key not in names}
    return record(**own)
