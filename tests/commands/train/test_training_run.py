"""What a run writes, in every precision, and what is logged."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from PIL import Image
from safetensors import safe_open

from captioner import attention, builder
from captioner.commands.train import training_run as runs
from captioner.errors import UserError
from captioner.progress import Report
from captioner.training import loop, step
from captioner.training.checkpoints import BEST, NEWEST
from captioner.training.run_log import RunLog, run_seconds
from tests.helpers import DRAWN, losses


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_mixed_precision_trains(settings, tmp_path, monkeypatch, dtype):
    """float16 takes the gradient scaler, as on cards without bfloat16."""
    monkeypatch.setattr(step, "number_type", lambda precision, device: dtype)
    runs.train(DRAWN, [*settings, "run.precision=mixed"])
    found = [line["loss"] for line in losses(tmp_path / "run") if line["kind"] == "train"]
    assert found[-1] < found[0]


@pytest.mark.parametrize(
    "option",
    ["run.clip=value", "run.clip=none", "run.ema_decay=0.9", "objective.label_smoothing=0.1", "attention.kind=none"],
)
def test_options_train(settings, tmp_path, option):
    if option == "attention.kind=none":
        settings = [setting for setting in settings if not setting.startswith("attention.")]
    runs.train(DRAWN, [*settings, option])
    found = [line["loss"] for line in losses(tmp_path / "run") if line["kind"] == "train"]
    assert found[-1] < found[0]


def test_a_run_folder_holds_all_that_captioning_needs(settings, pictures, tmp_path):
    runs.train(DRAWN, settings)
    folder = tmp_path / "run"
    files = {path.name for path in folder.iterdir()} - {".lock"}
    assert files == {"settings.yaml", "vocabulary.json", "log.jsonl", "data_digests.npz", NEWEST, BEST}
    moved = tmp_path / "moved"
    folder.rename(moved)
    caption = builder.load(moved).caption(next(pictures.glob("images/val_*.png")))
    assert caption.weights.shape == (len(caption.words), 100)
    assert caption.weights.sum(-1).tolist() == pytest.approx([1.0] * len(caption.words), abs=1e-5)
    assert caption.placement.photo_size == (80, 80)
    assert caption.log_prob <= 0
    assert json.dumps(caption.as_json())


def test_a_frozen_encoder_is_saved_once_and_needs_no_download(settings, pictures, tmp_path, monkeypatch):
    frozen = [setting for setting in settings if not setting.startswith("encoder.")]
    runs.train(DRAWN, [*frozen, "encoder.kind=squeezenet1_1", "encoder.weights=none", "run.epochs=1"])
    folder = tmp_path / "run"
    with safe_open(folder / NEWEST, framework="pt") as file:
        assert not any(name.startswith("model/encoder") for name in file.keys())  # noqa: SIM118 (not a dict)
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", None)
    photo = next(pictures.glob("images/val_*.png"))
    one, two = (builder.load(folder).caption(photo) for _ in range(2))
    assert one.text == two.text
    assert one.layout.num_regions == 169


@pytest.mark.parametrize("kind", attention.KINDS)
def test_every_kind_of_attention_is_chosen_by_one_word(settings, tmp_path, kind):
    others = [setting for setting in settings if not setting.startswith("attention.")]
    runs.train(DRAWN, [*others, f"attention.kind={kind}", "decoder.attend=after", "run.epochs=1"])
    assert builder.load(tmp_path / "run").model.decoder.attention.__class__.__name__ in str(attention.KINDS[kind])


@pytest.mark.parametrize("score", attention.SCORES)
def test_every_score_is_chosen_by_one_word(settings, tmp_path, score):
    others = [setting for setting in settings if not setting.startswith("attention.")]
    runs.train(DRAWN, [*others, f"attention.score={score}", "run.epochs=1"])
    assert (tmp_path / "run" / BEST).exists()


DECODERS = [
    ["attention.on_attention=true"],
    ["refiner.layers=1", "refiner.size=16", "refiner.heads=2", "refiner.feedforward_size=16"],
    ["decoder.kind=top_down", "decoder.word_size=8"],
    ["decoder.kind=transformer", "decoder.layers=2", "decoder.heads=2", "decoder.feedforward_size=16"],
    ["decoder.kind=show_and_tell", "attention.kind=none", "objective.coverage=0", "decoder.word_size=8"],
]


@pytest.mark.parametrize("options", DECODERS, ids=lambda options: options[0])
def test_every_decoder_and_what_lies_around_attention_are_chosen_in_the_config(settings, pictures, tmp_path, options):
    changed = {option.split(".")[0] for option in options if ".kind=" in option}
    others = [setting for setting in settings if setting.split(".")[0] not in changed]
    runs.train(DRAWN, [*others, *options, *["decoder.hidden_size=16"] * ("decoder" in changed), "run.epochs=2"])
    found = [line["loss"] for line in losses(tmp_path / "run") if line["kind"] == "train"]
    assert found[-1] < found[0]
    assert builder.load(tmp_path / "run").caption(next(pictures.glob("images/val_*.png"))).words


class Recorder(Report):
    """Keeps the splits with unreadable photos, and counts the photos of all steps."""

    def __init__(self):
        self.splits, self.num_photos = [], 0

    def unreadable_photos(self, split, listed_in, reasons):
        self.splits.append(split)

    def step(self, step, epoch, batch, steps_per_epoch, num_photos, term=None):
        self.num_photos += num_photos


FROZEN = ["encoder.kind=squeezenet1_1", "encoder.weights=none", "encoder.input_size=64"]


@pytest.mark.parametrize("encoder", [FROZEN, []], ids=["frozen", "trained"])
def test_photos_that_cannot_be_read_are_left_out_reported_and_listed(settings, pictures, tmp_path, encoder):
    broken = tmp_path / "drawn"
    shutil.copytree(pictures, broken)
    photo = sorted((broken / "images").glob("train_*.png"))[3]
    photo.write_bytes(b"")
    report = Recorder()
    others = [setting for setting in settings if not (encoder and setting.startswith("encoder."))]
    runs.train(DRAWN, [*others, *encoder, "run.epochs=1", f"data.root={broken}"], report)
    assert report.splits == ["train"]
    listed = (tmp_path / "run" / "unreadable_train.txt").read_text(encoding="utf-8").splitlines()
    assert len(listed) == 1
    assert f"{photo.name} is not a picture" in listed[0]
    assert report.num_photos == 47


def test_the_log_has_json_lines_with_losses_scores_and_map_change(settings, tmp_path):
    runs.train(DRAWN, settings)
    lines = losses(tmp_path / "run")
    kinds = [line["kind"] for line in lines]
    assert kinds.count("validation") == 3
    assert {"loss", "coverage", "learning_rate", "gradient_norm"} <= lines[0].keys()
    assert {"CIDEr-D", "BLEU-4", "distinct_captions", "map_change", "map_entropy"} <= lines[-1].keys()


def test_in_half_precision_the_norm_of_the_gradient_is_logged(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("captioner.training.step.number_type", lambda precision, device: torch.float16)
    runs.train(DRAWN, [*settings, "run.epochs=1"])
    norms = [line["gradient_norm"] for line in losses(tmp_path / "run") if line["kind"] == "train"]
    assert any(norm is not None and norm > 0 for norm in norms)


def test_a_value_that_is_not_a_number_is_null_in_the_log(tmp_path):
    RunLog(tmp_path).write("train", 1, loss=0.5, gradient_norm=float("inf"))
    written = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    line = json.loads(written[-1], parse_constant=pytest.fail)
    assert (line["loss"], line["gradient_norm"]) == (0.5, None)


def test_the_time_of_a_run_leaves_out_that_between_an_interruption_and_the_next_start(tmp_path):
    lines = [
        ("start", 0, 10.0),
        ("train", 1, 12.0),
        ("train", 10, 30.0),
        ("start", 8, 9000.0),
        ("validation", 20, 9001.5),
    ]
    text = "".join(json.dumps({"kind": kind, "step": step, "time": time}) + "\n" for kind, step, time in lines)
    (tmp_path / "log.jsonl").write_text(text, encoding="utf-8")
    assert run_seconds(tmp_path) == 21.5
    (tmp_path / "log.jsonl").write_text(text.partition("\n")[2], encoding="utf-8")
    assert run_seconds(tmp_path) is None  # as logs once were


def test_weights_and_biases_gets_numbers_and_pictures_offline(settings, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("WANDB_DIR", raising=False)
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)
    runs.train(DRAWN, [*settings, "run.epochs=1", "log.wandb=true", "log.samples=2"])
    pictures = list((tmp_path / "run" / "wandb").glob("offline-run-*/files/media/images/**/*.png"))
    assert len(pictures) == 2
    assert not (tmp_path / "home" / ".local").exists()


def test_training_on_the_score_goes_on_from_a_run_and_resumes(settings, tmp_path, monkeypatch):
    runs.train(DRAWN, settings)
    first = tmp_path / "run"
    others = [one for one in settings if not one.startswith("run.folder")]
    critical = ["objective.kind=self_critical", "objective.samples=3", "objective.bleu=0.5", f"run.from_run={first}"]
    runs.train(DRAWN, [*others, *critical, f"run.folder={tmp_path / 'whole'}"])
    assert (tmp_path / "whole" / "document_frequencies.npz").exists()
    found = losses(tmp_path / "whole")
    trained = [line for line in found if line["kind"] == "train"]
    assert trained[0].keys() >= {"reward", "baseline", "bad_endings", "length"}
    assert all(line["reward"] >= 0 and line["length"] >= 1 for line in trained)
    stopped = [*others, *critical, f"run.folder={tmp_path / 'stopped'}"]
    monkeypatch.setattr(loop.Trainer, "_validate", _go_out_at_epoch(2))
    with pytest.raises(RuntimeError, match="the power went"):
        runs.train(DRAWN, stopped)
    monkeypatch.undo()
    runs.train(DRAWN, stopped)
    assert losses(tmp_path / "stopped") == found


def _go_out_at_epoch(epoch: int):
    validate = loop.Trainer._validate

    def go_out(trainer):
        if trainer.progress.epoch == epoch:
            raise RuntimeError("the power went")
        validate(trainer)

    return go_out


def test_another_models_weights_are_not_taken_over(settings, tmp_path):
    runs.train(DRAWN, [*settings, "run.epochs=1"])
    others = [one for one in settings if not one.startswith(("run.folder", "decoder.hidden_size"))]
    with pytest.raises(UserError, match=r"has decoder\.hidden_size=16, got 20; use the same"):
        runs.train(
            DRAWN,
            [*others, "decoder.hidden_size=20", f"run.from_run={tmp_path / 'run'}", f"run.folder={tmp_path / 'next'}"],
        )
    assert not (tmp_path / "next").exists()


def test_weights_are_taken_over_with_regions_that_are_aligned_now(settings, tmp_path):
    own = [one for one in settings if not one.startswith(("encoder.", "run.folder"))]
    own += ["encoder.kind=resnet18", "encoder.weights=none", "encoder.input_size=64", "run.epochs=1"]
    runs.train(DRAWN, [*own, f"run.folder={tmp_path / 'run'}"])
    runs.train(DRAWN, [*own, "encoder.align=true", f"run.from_run={tmp_path / 'run'}", f"run.folder={tmp_path / 'b'}"])
    assert (tmp_path / "b" / "best.safetensors").is_file()


def test_weights_are_taken_over_by_attention_that_is_sparse_now(settings, tmp_path):
    own = [one for one in settings if not one.startswith("run.folder")]
    runs.train(DRAWN, [*own, "run.epochs=1", f"run.folder={tmp_path / 'run'}"])
    more = ["run.epochs=1", "attention.weigh=sparsemax", f"run.from_run={tmp_path / 'run'}"]
    runs.train(DRAWN, [*own, *more, f"run.folder={tmp_path / 'sparse'}"])
    assert builder.read_run_settings(tmp_path / "sparse").attention.options["weigh"] == "sparsemax"


def test_hard_attention_is_not_trained_on_the_score(settings, tmp_path):
    with pytest.raises(UserError, match="hard attention would not learn where to attend"):
        runs.train(DRAWN, [*settings, "attention.kind=hard", "objective.kind=self_critical"])


def test_a_callable_as_report_works_for_one_more_release(settings, tmp_path):
    events = []
    with pytest.warns(DeprecationWarning, match="a callable as report works for one release") as heard:
        runs.train(DRAWN, [*settings, "run.epochs=1"], report=lambda event, **values: events.append((event, values)))
    assert heard[0].filename == __file__
    assert {"training_started", "step", "validation", "training_finished"} <= {event for event, _ in events}
    assert events[-1] == ("training_finished", {"folder": tmp_path / "run"})
    assert dict(events)["training_started"]["num_photos"] == 48


def test_training_says_that_its_captions_are_not_cut_into_words(tmp_path, settings):
    for number in range(4):
        Image.new("RGB", (40, 40), (60 * number, 0, 0)).save(tmp_path / f"{number}.png")
    rows = "".join(f"{number}.png,一个男人骑着马在海滩上奔跑{number % 2}\n" for number in range(4))
    (tmp_path / "captions.csv").write_text(f"image,caption\n{rows}", encoding="utf-8")
    own = [setting for setting in settings if not setting.startswith("data.")]
    own += ["data.kind=table", f"data.root={tmp_path}", "data.val_share=0.5", "data.test_share=0", "data.min_count=1"]
    for tokens, number in (("simple", 1), ("characters", 0)):
        report = Notes()
        runs.train(DRAWN, [*own, f"data.tokens={tokens}", "run.epochs=1", f"run.folder={tmp_path / tokens}"], report)
        assert len([note for note in report.notes if "set data.tokens=characters" in note]) == number


class Notes(Report):
    """Keeps what was said."""

    def __init__(self):
        self.notes: list[str] = []

    def note(self, text):
        self.notes.append(text)
