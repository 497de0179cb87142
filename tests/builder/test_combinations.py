"""Every attention, score and decoder in every config: a model, or an error of one line."""

from __future__ import annotations

from itertools import cycle

import pytest

from captioner import attention, builder, decoders
from captioner.builder import parts
from captioner.commands.train.training_run import train
from captioner.encoders import Vision
from captioner.errors import UserError
from captioner.layers import allocation
from captioner.text.vocabulary import Vocabulary
from tests.helpers import CONFIGS, DRAWN, takes_score, tiny_settings

EXPERIMENTS = sorted(path for path in CONFIGS.glob("*.yaml") if path.stem != "base")
PAIRS = [(kind, score) for kind in attention.KINDS for score in (attention.SCORES if takes_score(kind) else [None])]
SIZES = {"decoder": {"hidden_size": 16, "word_size": 8, "feedforward_size": 8}, "attention": {"size": 8}}
ENCODERS: dict[str, Vision] = {}
"""By their settings. Large networks take seconds, and several configs have the same."""


def small(kind: str, score: str | None, decoder: str) -> list[str]:
    """Overrides for small parts of these kinds."""
    names = [f"attention.kind={kind}", f"decoder.kind={decoder}"]
    names += [f"attention.score={score}"] if score else []
    keys = {
        "attention": builder.keys_of("attention", kind, score or ""),
        "decoder": builder.keys_of("decoder", decoder),
    }
    sizes = [f"{part}.{key}={size}" for part, own in SIZES.items() for key, size in own.items() if key in keys[part]]
    return names + [size for size in sizes if not (decoder == "transformer" and "word_size" in size)]


@pytest.mark.parametrize("config", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_kind_score_and_decoder_makes_a_model_or_a_short_error(config, monkeypatch):
    """Each config meets every kind with every score; the decoders take turns, and start with another one in each config."""
    settings = builder.read(config)
    encoder = ENCODERS.get(repr(settings.encoder)) or parts.make_encoder(settings, download=False)
    ENCODERS[repr(settings.encoder)] = encoder
    monkeypatch.setattr(parts, "make_encoder", lambda settings, download: encoder)
    turn = EXPERIMENTS.index(config) % len(decoders.KINDS)
    names = [*decoders.KINDS][turn:] + [*decoders.KINDS][:turn]
    errors = [error_of(config, small(*pair, decoder)) for pair, decoder in zip(PAIRS, cycle(names), strict=False)]
    assert errors.count("") > len(PAIRS) / 2
    assert not [error for error in errors if "\n" in error or len(error) > 400]


def error_of(config, overrides: list[str]) -> str:
    """What is wrong with a model; nothing if it is made."""
    try:
        builder.make_model(builder.read(config, overrides), Vocabulary(list("abc")), download=False)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "override", ["decoder.hidden_size=1000000000", f"decoder.hidden_size={10**30}", "attention.size=1000000000000"]
)
def test_a_part_beyond_memory_is_a_short_error(override):
    settings = builder.read(DRAWN, [override])
    with pytest.raises(UserError, match=r"should fit into memory.*make them smaller") as caught:
        builder.make_model(settings, Vocabulary(list("abc")))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("override", ["decoder.hidden_size=1024", "attention.size=400000", "encoder.width=512"])
def test_sizes_beyond_free_memory_are_refused_before_it_is_used(override, monkeypatch):
    monkeypatch.setattr(allocation, "free_memory", lambda: 2**20)
    settings = builder.read(
        DRAWN,
        [
            "encoder.width=2",
            "encoder.region_size=4",
            "decoder.hidden_size=4",
            "decoder.word_size=2",
            "attention.size=4",
            override,
        ],
    )
    with pytest.raises(
        UserError, match=rf"{override.partition('.')[0]} should fit into memory.* GiB are free.*make them smaller"
    ):
        builder.make_model(settings, Vocabulary(list("abc")))


@pytest.mark.parametrize(
    "overrides",
    [
        ["decoder.kind=transformer", "decoder.layers=100000"],
        ["refiner.layers=100000"],
        [f"data.num_train={10**12}"],
        ["encoder.size=8000000"],
        ["encoder.kind=resnet50", "encoder.input_size=100000"],
        ["encoder.kind=resnet50", "encoder.input_size=[224,100000]"],
        ["encoder.kind=region_files", "encoder.folder=regions", f"encoder.max_boxes={10**9}"],
        ["attention.kind=local_monotonic", f"attention.radius={10**30}"],
        ["attention.kind=local_predictive", "attention.radius=1e-300"],
        ["search.kind=sample", "search.temperature=1e300"],
        ["search.kind=diverse_beam", "search.diversity=1e300"],
        ["objective.kind=self_critical", "objective.temperature=1e-300"],
    ],
    ids=lambda overrides: overrides[-1],
)
def test_sizes_that_would_take_hours_or_overflow_are_refused_when_settings_are_read(overrides):
    with pytest.raises(UserError, match=rf"{overrides[-1].partition('=')[0]}.* should be .*than"):
        builder.read(DRAWN, overrides)


def test_training_is_refused_if_gradients_and_optimiser_exceed_free_memory(monkeypatch):
    settings = builder.read(DRAWN)
    model = builder.make_model(settings, Vocabulary(list("abc")))
    weights = sum(parameter.nbytes for parameter in model.parameters())
    monkeypatch.setattr(allocation, "free_memory", lambda: 2 * weights)
    with pytest.raises(UserError, match=r"training needs .* GiB free; make the sizes of the parts smaller"):
        builder.check_training_parts(settings, model, Vocabulary(list("abc")), {})
    monkeypatch.setattr(allocation, "free_memory", lambda: 4 * weights)
    builder.check_training_parts(settings, model, Vocabulary(list("abc")), {})


def test_captions_that_are_drawn_are_not_taken_few_at_a_time():
    settings = builder.read(DRAWN, ["objective.kind=self_critical", "run.captions_per_photo=2"])
    vocabulary = Vocabulary(list("abc"))
    with pytest.raises(UserError, match=r"self_critical draws captions .*leave run\.captions_per_photo out"):
        builder.check_training_parts(settings, builder.make_model(settings, vocabulary), vocabulary, {})


def test_the_encoder_of_a_run_that_does_not_fit_is_named(pictures, tmp_path):
    train(DRAWN, [*tiny_settings(pictures, tmp_path / "first"), "run.epochs=1"])
    settings = builder.read(DRAWN, [f"encoder.from_run={tmp_path / 'first'}"])  # twice as wide
    with pytest.raises(UserError, match=r"is from another config: .*; set encoder as in .*first/settings\.yaml"):
        builder.make_encoder(settings)


@pytest.mark.parametrize("decoder", [["decoder.kind=transformer"], ["decoder.mean_dropout=1"], ["attention.kind=none"]])
def test_a_mean_that_nothing_reads_or_nothing_but_it_is_refused(decoder):
    encoder = ["encoder.kind=timm", "encoder.network=efficientnet_lite0", "encoder.stride=16", "encoder.mean=last_map"]
    settings = builder.read(CONFIGS / "natural.yaml", [*encoder, *decoder])
    with pytest.raises(
        UserError, match=r"encoder\.mean=last_map is for decoders that read the mean and attend to regions"
    ):
        builder.make_model(settings, Vocabulary(["a"]), download=False)
