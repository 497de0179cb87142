"""The one place where settings meet parts: settings checked against constructors, parts made, runs opened again.

A section's `kind` names a part in a table; the part's constructor is the section's schema, less the arguments in `_SUPPLIED`, which
follow from the other parts. Everything is checked before anything is made.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from torch import optim

from captioner import attention, data, decoders, encoders, search
from captioner.attention import Attention, AttentionOnAttention
from captioner.config import Settings, arguments, check_keys, check_values, read_settings, suggestion
from captioner.data.contract import Example, Splits
from captioner.data.presence import present
from captioner.encoders import Encoder, Refiner, TorchvisionNetwork
from captioner.endings import BAD_ENDINGS
from captioner.errors import UserError
from captioner.metrics import DocumentFrequencies, Rewards
from captioner.model import CaptionModel
from captioner.search import Captioner, Limits
from captioner.sections import Around, EncoderRate, EncoderStart, Log, Photos, Place, Start, Words
from captioner.training import objectives, optimisation
from captioner.training.checkpoints import fill_model, load_checkpoint, tensors_of
from captioner.training.contract import Objective
from captioner.training.distributed import choose_device
from captioner.training.loop import BEST, NEWEST
from captioner.training.plan import Plan
from captioner.training.self_critical import Reward
from captioner.vocabulary import Vocabulary

_REGULARISE = {"dropout", "train_from", "download"}  # what may differ where weights are taken over
_AFTER_TRAINING = ("search.", "data.", "run.device=", "run.features=")
SETTINGS, VOCABULARY, ENCODER = "settings.yaml", "vocabulary.json", "encoder.safetensors"
FREQUENCIES = "document_frequencies.npz"


_TABLES: dict[str, dict[str, Callable]] = {
    "data": data.KINDS,
    "encoder": encoders.KINDS,
    "attention": attention.KINDS,
    "decoder": decoders.KINDS,
    "objective": objectives.KINDS,
    "optimiser": optimisation.OPTIMISERS,
    "schedule": optimisation.SCHEDULES,
    "search": search.KINDS,
}
_BESIDE: dict[str, list[Callable]] = {
    "data": [Words, Photos],
    "encoder": [EncoderStart],
    "refiner": [Refiner],
    "attention": [Around],
    "optimiser": [EncoderRate],
    "search": [Limits],
    "run": [Plan, Place, Start],
    "log": [Log],
}
"""What a section holds besides the part that its kind names."""
_SUPPLIED: dict[str, set[str]] = {
    "encoder": {"network", "download"},
    "refiner": {"region_size"},
    "attention": {"query_size", "region_size", "cell_input_size", "score"},
    "decoder": {"attention", "region_size", "vocabulary_size"},
    "objective": {"model", "rewards", "bad_words"},
    "optimiser": {"parameters"},
    "search": {"limits", "bad_words"},
}
_DEFAULT_KINDS = {"objective": "teacher_forcing", "optimiser": "adam", "schedule": "constant", "search": "beam"}
SECTIONS = [*_TABLES, "refiner", "run", "log"]


def read(path: Path, overrides: Sequence[str] = ()) -> Settings:
    """A config's resolved settings, under overrides.

    Raises:
        UserError: the config cannot be read, or something in it does not fit.
    """
    return resolve(read_settings(path, overrides, {section: _lasting(section) for section in SECTIONS}))


def _lasting(section: str) -> set[str]:
    """Keys that mean the same whatever a section's kind is: what stands beside it, and what every kind takes."""
    kinds = [set(inspect.signature(one).parameters) for one in _TABLES.get(section, {}).values()]
    if section == "encoder":
        kinds.append(set())  # torchvision's networks are kinds too, and share no key with ours
    common = set.intersection(*kinds) if kinds else set()
    return common.union(*(inspect.signature(one).parameters for one in _BESIDE.get(section, [])))


def resolve(settings: Settings) -> Settings:
    """Every section with its defaults filled in.

    Raises:
        UserError: the first key, kind or value that does not fit, with what would.
    """
    check_keys(settings, SECTIONS, "section")
    resolved = {}
    for section in SECTIONS:
        values = settings.get(section) or {}
        if not isinstance(values, dict):
            raise UserError(
                f"{section} should hold keys such as `kind:`, got {values!r}; write {section}: {{kind: ...}}"
            )
        resolved[section] = _resolve_section(section, dict(values))
    return resolved


def _resolve_section(section: str, values: Settings) -> Settings:
    names, constructors = {}, list(_BESIDE.get(section, []))
    if section in _TABLES:
        names["kind"] = values.pop("kind", _DEFAULT_KINDS.get(section))
        constructors.insert(0, part(section, names["kind"]))
        if _takes_score(constructors[0]):
            names["score"] = values.pop("score", "additive")
            constructors.append(_lookup("attention.score", names["score"], attention.SCORES))
        elif section == "attention" and "score" in values:
            takers = ", ".join(kind for kind, part in attention.KINDS.items() if _takes_score(part))
            raise UserError(
                f"attention.kind={names['kind']} takes no score, got attention.score={values['score']}; "
                f"leave it out, or choose a kind that takes one: {takers}"
            )
    supplied = _SUPPLIED.get(section, set())
    return names | check_values(section, values, constructors, supplied, partial(_kinds_that_take, section))


def _kinds_that_take(section: str, key: str) -> str:
    """Says which other kinds of a section know a key."""
    kinds = [kind for kind, part in _TABLES.get(section, {}).items() if key in inspect.signature(part).parameters]
    return f"; {section}.kind={' or '.join(kinds)} takes it" if kinds else ""


def keys_of(section: str, kind: str, score: str = "") -> set[str]:
    """The keys that a section has for this kind, and for this score where it takes one.

    Raises:
        UserError: there is no such kind or score.
    """
    made = part(section, kind)
    keys = set(inspect.signature(made).parameters)
    if section == "attention" and _takes_score(made):
        keys |= set(inspect.signature(_lookup("attention.score", score or "additive", attention.SCORES)).parameters)
    return keys - _SUPPLIED.get(section, set())


def part(section: str, kind: Any) -> Callable:
    """What a section's kind names: a class, or a function that makes one."""
    if section == "encoder" and kind in encoders.network_names():
        return partial(TorchvisionNetwork, network=kind)
    return _lookup(f"{section}.kind", kind, _TABLES[section])


def _lookup(key: str, name: Any, table: dict[str, Callable]) -> Callable:
    if isinstance(name, str) and name in table:
        return table[name]
    more = " or any torchvision network" if key == "encoder.kind" else ""
    known = [*table, *(encoders.network_names() if more else [])]
    came = "nothing" if name is None else repr(name)
    raise UserError(f"{key} should be one of {', '.join(table)}{more}, got {came}{suggestion(name, known)}")


def _takes_score(constructor: Callable) -> bool:
    return "score" in inspect.signature(constructor).parameters


def _make(section: str, values: Settings, **supplied: Any) -> Any:
    """The part that a resolved section names; a constructor's complaint becomes the user's."""
    constructor = part(section, values["kind"])
    try:
        return constructor(**supplied, **arguments(constructor, {k: v for k, v in values.items() if k not in supplied}))
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{section}: {error}") from error


def make_splits(settings: Settings) -> tuple[Splits, list[Example]]:
    """The splits; and the examples that were left out because their photos are missing."""
    return present(make_all_splits(settings), settings["data"]["missing"] == "skip")


def make_all_splits(settings: Settings) -> Splits:
    """The splits as the data have them, whether or not the photos are there."""
    return _make("data", settings["data"])


def make_vocabulary(settings: Settings, splits: Splits) -> Vocabulary:
    captions = [reference for example in splits["train"] for reference in example.references]
    return Vocabulary.from_captions(captions, settings["data"]["min_count"], settings["data"]["tokens"])


def make_encoder(settings: Settings, download: bool = True) -> Encoder:
    """The encoder with its first weights; without them where they will be filled in (not `download`)."""
    values = settings["encoder"]
    takes_download = "download" in inspect.signature(part("encoder", values["kind"])).parameters
    supplied = {"download": download and not values["from_run"]} if takes_download else {}
    encoder = _make("encoder", values, **supplied)
    if download and values["from_run"]:
        _fill_encoder(encoder, Path(values["from_run"]))
    return encoder


def _fill_encoder(encoder: Encoder, run: Path) -> None:
    """The weights that the encoder of another run ended with."""
    read_run_settings(run)  # complains where there is none
    if (run / ENCODER).exists():
        fill_model(encoder, load_checkpoint(run / ENCODER)[0], run / ENCODER)
    else:
        fill_model(encoder, tensors_of(load_checkpoint(run / BEST)[0], "encoder."), run / BEST)


def make_model(settings: Settings, vocabulary: Vocabulary, download: bool = True) -> CaptionModel:
    """Encoder, refiner, attention and decoder, with the sizes that follow from one another."""
    encoder = make_encoder(settings, download)
    refiner = make_refiner(settings, encoder.region_size)
    region_size = refiner.region_size if refiner is not None else encoder.region_size
    writing = settings["decoder"]
    cell_input_size = decoders.KINDS[writing["kind"]].cell_input_size(
        writing["hidden_size"], writing.get("word_size", 0), region_size
    )
    sizes = {"query_size": writing["hidden_size"], "region_size": region_size, "cell_input_size": cell_input_size}
    decoder = _make(
        "decoder",
        writing,
        attention=make_attention(settings, sizes),
        region_size=region_size,
        vocabulary_size=len(vocabulary),
    )
    return CaptionModel(encoder, decoder, refiner)


def make_refiner(settings: Settings, region_size: int) -> Refiner | None:
    """None without layers, unless regions are to be projected."""
    if settings["refiner"]["layers"] == 0 and not settings["refiner"]["project"]:
        return None
    try:
        return Refiner(region_size, **settings["refiner"])
    except ValueError as error:
        raise UserError(f"refiner: {error}") from error


def make_attention(settings: Settings, sizes: dict[str, int]) -> Attention:
    """The kind with its score, and what lies around it; `sizes` are those that follow from the other parts."""
    looking = settings["attention"]
    kind = attention.KINDS[looking["kind"]]
    supplied = arguments(kind, sizes)
    if _takes_score(kind):
        score = attention.SCORES[looking["score"]]
        supplied["score"] = score(**arguments(score, sizes | looking))
    made = _make("attention", looking, **supplied)
    return AttentionOnAttention(made, sizes["query_size"]) if looking["on_attention"] else made


def make_objective(
    settings: Settings,
    model: CaptionModel,
    vocabulary: Vocabulary,
    examples: Sequence[Example],
    folder: Path,
    keep: bool = False,
) -> Objective:
    """What training minimises; `keep` stores the document frequencies that a reward counts with in the run's folder."""
    values, kind = settings["objective"], settings["attention"]["kind"]
    if values.get("coverage") and kind == "none":
        raise UserError("objective.coverage is set, but attention.kind=none has no weights to cover with; set it to 0")
    supplied: dict[str, Any] = {"model": model}
    if values["kind"] == "self_critical":
        if kind == "hard":
            raise UserError(
                "objective.kind=self_critical teaches what to write, and hard attention would not learn where to look; "
                "choose another attention.kind"
            )
        supplied["bad_words"] = bad_words(vocabulary)
        supplied["rewards"] = make_rewards(vocabulary, examples, folder, keep)
    return _make("objective", values, **supplied).to(model.device)


def make_rewards(vocabulary: Vocabulary, examples: Sequence[Example], folder: Path, keep: bool) -> dict[str, Reward]:
    """Rewards by what the training references say; with the document frequencies in the run's folder where there are some."""
    stored = folder / FREQUENCIES
    frequencies = DocumentFrequencies.load(stored) if stored.exists() else None
    references = [example.references for example in examples]
    made = Rewards.of(references, vocabulary.words, vocabulary.tokens, frequencies)
    if frequencies is None and keep:
        made.scorer.frequencies.less_the_rarest().save(stored)
    return {"cider": made.cider, "bleu": made.bleu}


def make_optimiser(settings: Settings, model: CaptionModel) -> optim.Optimizer:
    rate = settings["optimiser"]["encoder_learning_rate"]
    encoder = [parameter for parameter in model.encoder.parameters() if parameter.requires_grad]
    if rate is not None and not encoder:
        raise UserError(
            "optimiser.encoder_learning_rate is set, but the encoder is frozen; leave it out, or give encoder.train_from"
        )
    groups = [
        {"params": encoder} | ({"lr": rate} if rate is not None else {}),
        {"params": [one for name, one in model.named_parameters() if not name.startswith("encoder.")]},
    ]
    return _make("optimiser", settings["optimiser"], parameters=[group for group in groups if group["params"]])


def make_schedule(settings: Settings) -> optimisation.Constant:
    return _make("schedule", settings["schedule"])


def bad_words(vocabulary: Vocabulary) -> tuple[int, ...]:
    """The numbers of words that no caption should end with."""
    return tuple(sorted(vocabulary.number_of[word] for word in BAD_ENDINGS & vocabulary.number_of.keys()))


def make_search(settings: Settings, vocabulary: Vocabulary) -> search.Search:
    """The way of decoding, with the limits on what a caption may be."""
    try:
        limits = Limits(**arguments(Limits, settings["search"]), bad_words=bad_words(vocabulary))
    except ValueError as error:
        raise UserError(f"search: {error}") from error
    return _make("search", settings["search"], limits=limits)


def make_plan(settings: Settings) -> Plan:
    return Plan(**arguments(Plan, settings["run"]))


def save_settings(settings: Settings) -> str:
    """Resolved settings as YAML, sections in their order."""
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)


def make_start(settings: Settings, splits: Splits) -> tuple[Vocabulary, CaptionModel]:
    """The vocabulary, and the model that training begins with: new, or as another run left it."""
    earlier = Path(settings["run"]["from_run"])
    if not settings["run"]["from_run"]:
        vocabulary = make_vocabulary(settings, splits)
        return vocabulary, make_model(settings, vocabulary)
    before = read_run_settings(earlier)
    vocabulary = Vocabulary.load(earlier / VOCABULARY)
    if vocabulary.tokens != settings["data"]["tokens"]:
        raise UserError(
            f"run.from_run={earlier} cut captions into words by data.tokens={vocabulary.tokens}, got {settings['data']['tokens']}; "
            "take the same"
        )
    for section in ("encoder", "refiner", "attention", "decoder"):
        changed = [
            key
            for key, value in before[section].items()
            if settings[section].get(key) != value and key not in _REGULARISE
        ]
        if changed:
            key = changed[0]
            raise UserError(
                f"run.from_run={earlier} has {section}.{key}={before[section][key]}, got {settings[section].get(key)}; take the same, "
                "so that its weights mean the same"
            )
    model = make_model(settings, vocabulary, download=False)
    fill_from(model, earlier, "best")
    return vocabulary, model


def fill_from(model: CaptionModel, run: Path, checkpoint: Literal["best", "newest"]) -> None:
    """Give a model the weights that a run ended with."""
    frozen = model.encoder if (run / ENCODER).exists() else None
    if frozen is not None:
        fill_model(frozen, load_checkpoint(run / ENCODER)[0], run / ENCODER)
    fill_model(model, *_weights(run, checkpoint), frozen)


def read_run_settings(folder: Path, overrides: Sequence[str] = ()) -> Settings:
    """The resolved settings of a run, under overrides."""
    if not (folder / SETTINGS).is_file():
        raise UserError(
            f"{folder} is not a run: it has no {SETTINGS}; give the folder that train.py wrote, such as runs/demo"
        )
    for override in overrides:
        if not override.startswith(_AFTER_TRAINING):
            raise UserError(
                f"{override.partition('=')[0]} belongs to what was trained; a finished run takes overrides of search, data, "
                "run.device and run.features"
            )
    return read(folder / SETTINGS, overrides)


def load(
    run: str | Path, checkpoint: Literal["best", "newest"] = "best", device: str = "auto", overrides: Sequence[str] = ()
) -> Captioner:
    """A trained model, ready to caption photos.

    Args:
        run: the folder that training wrote.
        checkpoint: `best` by the validation score that training watched, or `newest`.
        device: auto, cpu, cuda, cuda:1, mps.
        overrides: of the run's settings for decoding, such as `search.beams=5`.

    Raises:
        UserError: no run there, or its files are damaged or do not belong together.
    """
    folder = Path(run)
    settings = read_run_settings(folder, overrides)
    vocabulary = Vocabulary.load(folder / VOCABULARY)
    model = make_model(settings, vocabulary, download=False)
    fill_from(model, folder, checkpoint)
    model.to(choose_device(device)).eval()
    return Captioner(model, vocabulary, make_search(settings, vocabulary))


def _weights(folder: Path, checkpoint: str) -> tuple[dict[str, torch.Tensor], Path]:
    path = folder / {"best": BEST, "newest": NEWEST}[checkpoint]
    tensors, _ = load_checkpoint(path)
    if checkpoint == "newest":
        tensors = tensors_of(tensors, "model/") | tensors_of(tensors, "average/")
    return tensors, path
