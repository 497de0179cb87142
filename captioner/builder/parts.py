"""Make parts from resolved settings, with the sizes that follow from other parts."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

from torch import optim

from captioner import attention, decoders, search
from captioner.attention import Attention, checked
from captioner.builder.config import arguments
from captioner.builder.construct import construct, make
from captioner.builder.run_folder import FREQUENCIES, fill_encoder
from captioner.builder.schema import part
from captioner.builder.sections import Settings
from captioner.data.contract import Example, Splits, check_splits, present
from captioner.data.folder import READ_TEXTS
from captioner.encoders import Refiner, Vision
from captioner.errors import UserError, system_errors
from captioner.model import CaptionModel
from captioner.search import Limits
from captioner.text.vocabulary import Vocabulary
from captioner.training import optimisation
from captioner.training.contract import Objective
from captioner.training.distillation import Distillation
from captioner.training.objectives import TeacherForcing
from captioner.training.self_critical import SelfCritical


def make_splits(settings: Settings) -> tuple[Splits, list[Example]]:
    """The splits, and the examples that were left out because their photos are missing."""
    splits = make_all_splits(settings)
    if (settings.data.kind, settings.encoder.kind) == ("joined", "region_files"):
        from captioner.data.joined import check_file_names

        check_file_names(splits)
    return present(splits, settings.data.missing == "skip")


@system_errors()
def make_all_splits(settings: Settings) -> Splits:
    """The splits, including examples whose photos are missing, without those that `data.leave_out` names."""
    splits, leave_out = make("data", settings.data), settings.data.leave_out
    check_splits(splits)
    if not leave_out:
        return splits
    from captioner.data.leaving_out import without

    return without(splits, Path(leave_out), settings.data.options.get("only", ""))


def make_vocabulary(settings: Settings, splits: Splits) -> Vocabulary:
    """The words of the training captions.

    Raises:
        UserError: there is no training split.
    """
    if not splits.get("train"):
        counts = ", ".join(f"{split} {len(examples):,}" for split, examples in splits.items())
        needed = READ_TEXTS if settings.data.kind == "folder" else "give the split train photos"
        raise UserError(
            f"data.kind={settings.data.kind} gives no photos to train on, got {counts}; training needs captions: {needed}"
        )
    captions = [reference for example in splits["train"] for reference in example.references]
    return Vocabulary.from_captions(captions, settings.data.min_count, settings.data.tokens)


def make_encoder(settings: Settings, download: bool = True) -> Vision:
    """The encoder with its initial weights; with `download=False` without them, if they are filled in later."""
    chosen = settings.encoder
    takes_download = "download" in inspect.signature(part("encoder", chosen.kind)).parameters
    supplied = {"download": download and not chosen.from_run} if takes_download else {}
    encoder: Vision = make("encoder", chosen, **supplied)
    encoder.run_in(chosen.runtime)
    if download and chosen.from_run:
        from captioner.builder.loading import model_folder

        fill_encoder(encoder, model_folder(chosen.from_run))
    return encoder


def make_model(settings: Settings, vocabulary: Vocabulary, download: bool = True) -> CaptionModel:
    """The model: encoder, refiner, attention and decoder."""
    encoder = make_encoder(settings, download)
    refiner = make_refiner(settings, encoder)
    region_size = refiner.region_size if refiner is not None else encoder.region_size
    kind, options = settings.decoder.kind, settings.decoder.options
    if "hidden_size" not in options:
        raise UserError(
            f"decoder.kind={kind} should take hidden_size, the size of the state that attends; add it to its arguments"
        )
    hidden_size, word_size = options["hidden_size"], options.get("word_size", 0)
    cell_input_size = decoders.KINDS[kind].cell_input_size(hidden_size, word_size, region_size)
    sizes = {"query_size": hidden_size, "region_size": region_size, "cell_input_size": cell_input_size}
    if encoder.whole_size:
        _check_whole(settings)
    supplied = {"attention": make_attention(settings, sizes), "region_size": region_size}
    decoder = make("decoder", settings.decoder, **supplied, vocabulary_size=len(vocabulary))
    return CaptionModel(encoder, decoder, refiner)


def _check_whole(settings: Settings) -> None:
    """Refuse a feature of the whole photo where the decoder does not read it, or reads nothing else, so that weights are not trained."""
    decoder, options = settings.decoder.kind, settings.decoder.options
    why = {
        f"decoder.kind={decoder}, which does not read the mean": decoder == "transformer",
        "decoder.mean_dropout=1, which hides the mean": options.get("mean_dropout") == 1,
        "attention.kind=none, which reads nothing else": settings.attention.kind == "none",
    }
    came = next((text for text, is_so in why.items() if is_so), None)
    if came is not None:
        raise UserError(
            f"encoder.mean=last_map is for decoders that read the mean and attend to regions, got {came}; leave it out"
        )


def make_refiner(settings: Settings, encoder: Vision) -> Refiner | None:
    """The refiner; None without layers and without projection."""
    if settings.refiner["layers"] == 0 and not settings.refiner["project"]:
        if encoder.whole_size:
            raise UserError(
                "encoder.mean=last_map needs a refiner, which makes it as wide as a region; set refiner.project=true"
            )
        return None
    sizes = {"region_size": encoder.region_size, "whole_size": encoder.whole_size}
    return construct("refiner", Refiner, {**sizes, **settings.refiner})


def make_attention(settings: Settings, sizes: dict[str, int]) -> Attention:
    """The attention with its score and attention on attention; `sizes` follow from the other parts."""
    chosen = settings.attention
    supplied = arguments(attention.KINDS[chosen.kind], sizes)
    if chosen.score is not None:
        score = attention.SCORES[chosen.score]
        supplied["score"] = construct("attention", score, arguments(score, sizes | chosen.options))
    made = checked(make("attention", chosen, **supplied))
    if not chosen.on_attention:
        return made
    from captioner.attention.on_attention import AttentionOnAttention

    return construct("attention", AttentionOnAttention, {"attention": made, "query_size": sizes["query_size"]})


def make_objective(
    settings: Settings,
    model: CaptionModel,
    vocabulary: Vocabulary,
    examples: Sequence[Example],
    folder: Path,
    keep: bool = False,
) -> Objective:
    """The objective of training; `keep` stores the document frequencies of its reward in the run folder."""
    made = _objective(settings, model, vocabulary, check_weights=True)
    if isinstance(made, SelfCritical):
        from captioner.metrics import Rewards

        texts = [example.references for example in examples]
        made.rewards = Rewards.kept(folder / FREQUENCIES, texts, vocabulary.words, vocabulary.tokens, keep).by_name()
    if isinstance(made, TeacherForcing) and made.grounding:
        from captioner.builder.taught_maps import object_maps

        made.object_maps = object_maps(settings.objective.options["instances"], examples, vocabulary, model.encoder)
    return made


def _objective(settings: Settings, model: CaptionModel, vocabulary: Vocabulary, check_weights: bool) -> Objective:
    """The objective without its rewards, which are counted in the training captions."""
    chosen, supplied = settings.objective, {"model": model}
    if chosen.kind != "teacher_forcing" and settings.attention.kind == "hard":
        raise UserError(
            f"objective.kind={chosen.kind} trains the words only, so that hard attention would not learn where to attend; "
            "choose another attention.kind"
        )
    if chosen.kind == "self_critical":
        from captioner.text.endings import bad_words

        if settings.run.captions_per_photo:
            raise UserError("objective.kind=self_critical draws captions of its own; leave run.captions_per_photo out")
        supplied |= {"bad_words": bad_words(vocabulary), "rewards": {}}
    made = make("objective", chosen, **supplied).to(model.device)
    if isinstance(made, Distillation):
        from captioner.builder.teachers import load_teachers

        made.teachers = load_teachers(chosen.options["teachers"], model, vocabulary, check_weights)
    return made


def check_training_parts(
    settings: Settings, model: CaptionModel, vocabulary: Vocabulary, splits: Splits, check_weights: bool = True
) -> None:
    """Make every part of training that a model is not made of, so that settings are refused before anything is written. With
    `check_weights=False`, the encoder does not have its weights yet, so that they are not compared with those of teachers.

    Raises:
        UserError: settings do not fit each other, or boxes of objects do not fit the training photos.
    """
    make_search(settings, vocabulary)
    _objective(settings, model, vocabulary, check_weights)
    make_optimiser(settings, model)
    optimisation.check_memory(model)
    make_schedule(settings)
    if settings.encoder.kind == "region_files" and settings.data.augment != "none":
        raise UserError("data.augment flips and turns photos, got region files; set data.augment=none")
    if settings.objective.options.get("mirror") and settings.data.augment != "flips":
        raise UserError(f"objective.mirror needs data.augment=flips, got {settings.data.augment}; set it, or mirror=0")
    if settings.objective.options.get("grounding"):
        from captioner.builder.taught_maps import check_boxes

        check_boxes(settings.objective.options["instances"], splits["train"], vocabulary.split)


def make_optimiser(settings: Settings, model: CaptionModel) -> optim.Optimizer:
    rate = settings.optimiser.encoder_learning_rate
    encoder = [parameter for parameter in model.encoder.parameters() if parameter.requires_grad]
    if rate is not None and not encoder:
        raise UserError(
            "optimiser.encoder_learning_rate is set, but the encoder is frozen; leave it out, or give encoder.train_from"
        )
    groups = [
        {"params": encoder} | ({"lr": rate} if rate is not None else {}),
        {"params": [parameter for name, parameter in model.named_parameters() if not name.startswith("encoder.")]},
    ]
    return make("optimiser", settings.optimiser, parameters=[group for group in groups if group["params"]])


def make_schedule(settings: Settings) -> optimisation.Constant:
    return make("schedule", settings.schedule)


def make_search(settings: Settings, vocabulary: Vocabulary) -> search.Search:
    """The search, with the limits on captions."""
    options = arguments(Limits, settings.search.options)
    if options["bad_endings"] == "forbid":
        from captioner.text.endings import bad_words

        options["bad_words"] = bad_words(vocabulary)
    return make("search", settings.search, limits=construct("search", Limits, options))
