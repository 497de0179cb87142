"""Bad input on the command line: one clear line, exit status 2, nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

import captioner
from captioner import cli
from captioner.commands.train import training_run as runs
from captioner.errors import Interrupted
from captioner.readers import parsing
from captioner.training.checkpoints import BEST, NEWEST
from tests.helpers import CONFIGS, DRAWN, tiny_settings


def run(capsys, command, *arguments) -> tuple[int, str, str]:
    """Exit status, output and errors of a command."""
    app = typer.Typer()
    app.command()(command)
    with pytest.raises(SystemExit) as ended:
        cli.main(lambda: app([str(argument) for argument in arguments], standalone_mode=False))
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "trained"
    runs.train(DRAWN, [*tiny_settings(pictures, folder), "run.epochs=1"])
    return folder


def photo_of(pictures: Path) -> Path:
    return next((pictures / "images").glob("val_*.png"))


def test_serving_without_gradio_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    status, output, errors = run(capsys, cli.serve, "--model", "runs/demo")
    assert (status, output) == (2, "")
    assert errors.strip() == ("error: the web page needs gradio, which is not installed; run pip install -e '.[serve]'")


BAD_SETTINGS = {
    "decoder.hiden_size=3": "unknown key in decoder: 'hiden_size'; did you mean 'hidden_size'?",
    "dekoder.hidden_size=3": "unknown section 'dekoder'; did you mean 'decoder'?",
    "decoder.hidden_size=large": "decoder.hidden_size should be a valid integer, got 'large'",
    "decoder.hidden_size=true": "decoder.hidden_size should be a valid integer, got True",
    "decoder.hidden_size=0": "decoder.hidden_size should be greater than 0, got 0",
    "decoder.dropout=1.5": "decoder.dropout should be less than 1, got 1.5",
    "decoder.gate=vektor": "decoder.gate should be 'none', 'scalar' or 'vector', got 'vektor'",
    "attention.kind=sfot": "got 'sfot'; did you mean 'soft'?",
    "attention.kind=[soft]": "attention.kind should be one of none, soft",
    "attention.score=aditive": "got 'aditive'; did you mean 'additive'?",
    "encoder.kind=resnet_101": "or any torchvision network, got 'resnet_101'; did you mean 'resnet101'?",
    "decoder.vocabulary_size=100": "decoder.vocabulary_size is not a setting: it follows from the other parts",
    "attention.region_size=100": "attention.region_size is not a setting: it follows from the other parts",
    "attention.knd=soft": "unknown key in attention: 'knd'; did you mean 'kind'?; known: kind, score, weigh, on_attention, size",
    "search.beamz=3": "'beamz'; did you mean 'beams'?; search.kind=beam, diverse_beam or consensus takes it; known: kind, max_length",
    "search.beams=5": "unknown key in search: 'beams'; search.kind=beam, diverse_beam or consensus takes it; known:",
    "attention.heads=4": "unknown key in attention: 'heads'; attention.kind=multi_head takes it; known:",
    "objective.kind=self_critical objective.sampling=linear": "'sampling'; objective.kind=teacher_forcing takes it; known:",
    "decoder.kind=lstm decoder.feedforward_size=64": "'feedforward_size'; decoder.kind=transformer takes it; known:",
    "data.kind=drawn data.val=x": "'val'; data.kind=flickr takes it; known:",
    "data.size=20": "data.size should be greater than or equal to 64, got 20",
    "optimiser.learning_rate=fast": "optimiser.learning_rate should be a valid number, got 'fast'",
    "run.batch_size=8.5": "run.batch_size should be a valid integer",
    "run.epochs=ten": "run.epochs should be a valid integer, got 'ten'; for example run.epochs=20",
    "optimiser.encoder_learning_rate=0": "got 0; for example optimiser.encoder_learning_rate=0.001",
    "run.folder=3": "run.folder should be a valid string, got 3; for example run.folder=name",
    "run.accumulate=9": "the smallest batch has 8; make run.batch_size larger",
    "decoder.output=state": "choose output: deep, or attend: before",
    "run.device=abacus": "no device 'abacus' here",
    "encoder.size=81": "size must be a multiple of 8",
    "nonsense": "an override has the form section.key=value, such as run.epochs=4, got 'nonsense'",
    "run.seed=[1": "run.seed should be a valid integer, got '[1'",
}


@pytest.mark.parametrize("override", BAD_SETTINGS)
def test_a_bad_setting_is_named(capsys, settings, tmp_path, override):
    status, _, errors = run(capsys, cli.train, DRAWN, *settings, *override.split())
    assert status == 2
    assert BAD_SETTINGS[override] in errors
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_score_for_a_kind_that_takes_none_is_named(capsys, settings):
    others = [setting for setting in settings if not setting.startswith("attention.")]
    status, _, errors = run(capsys, cli.train, DRAWN, *others, "attention.kind=multi_head", "attention.score=dot")
    assert status == 2
    assert "attention.kind=multi_head takes no score, got attention.score=dot" in errors
    assert "soft" in errors


def test_an_error_for_data_drawn_with_other_arguments_names_the_difference(capsys, settings):
    status, _, errors = run(capsys, cli.train, DRAWN, *settings, "data.num_train=47")
    assert status == 2
    assert "should have been drawn with num_train=47, got num_train=48" in errors


def test_an_error_for_a_missing_config_lists_similar_ones(capsys):
    status, _, errors = run(capsys, cli.train, CONFIGS / "drawm.yaml")
    assert status == 2
    assert "no config at" in errors
    assert "drawn.yaml" in errors


def test_a_folder_given_as_a_config_is_named_with_its_content(capsys, trained, tmp_path):
    status, _, errors = run(capsys, cli.train, trained)
    assert status == 2
    assert f"a config is a file such as configs/drawn.yaml, got the folder {trained}" in errors
    assert f"the settings of this run are in {trained / 'settings.yaml'}" in errors
    assert "drawn.yaml" in run(capsys, cli.train, CONFIGS)[2].partition("; ")[2]
    assert run(capsys, cli.train, tmp_path)[2].strip().endswith(f"got the folder {tmp_path}")


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", "base: none.yaml\n"])
def test_a_file_that_is_not_a_config_is_named(capsys, tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    status, _, errors = run(capsys, cli.train, tmp_path / "bad.yaml")
    assert status == 2
    assert len(errors.splitlines()) == 1


def test_a_number_in_scientific_notation_is_a_number(settings, tmp_path):
    runs.train(DRAWN, [*settings, "run.epochs=1", "optimiser.learning_rate=4e-4"])
    assert (tmp_path / "run" / "best.safetensors").exists()


@pytest.mark.parametrize("place", ["/proc/captioner", "{file}/run"])
def test_a_folder_that_cannot_be_written_is_named_before_anything_is_computed(capsys, settings, tmp_path, place):
    (tmp_path / "file").write_text("", encoding="utf-8")
    folder = place.format(file=tmp_path / "file")
    if place.startswith("/proc") and not Path("/proc").is_dir():
        pytest.skip("no /proc here")
    status, output, errors = run(capsys, cli.train, DRAWN, *settings, f"run.folder={folder}")
    assert status == 2
    assert f"cannot write into {folder}" in errors
    assert "training" not in output


def test_a_folder_with_other_files_is_left_alone(capsys, settings, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine", encoding="utf-8")
    status, _, errors = run(capsys, cli.train, DRAWN, *settings)
    assert status == 2
    assert "holds other files and no run" in errors
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_a_finished_run_started_again_says_so(capsys, trained, pictures):
    status, _, errors = run(capsys, cli.train, DRAWN, *tiny_settings(pictures, trained), "run.epochs=1")
    assert status == 2
    assert "is a finished run" in errors


def damaged(trained: Path, tmp_path: Path, name: str, content: bytes) -> Path:
    folder = tmp_path / "damaged"
    folder.mkdir()
    for path in trained.glob("*.*"):
        (folder / path.name).write_bytes(content if path.name == name else path.read_bytes())
    return folder


def test_a_checkpoint_that_is_a_pickle_is_refused(capsys, trained, pictures, tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "pickle")
    folder = damaged(trained, tmp_path, BEST, (tmp_path / "pickle").read_bytes())
    status, _, errors = run(capsys, cli.caption, photo_of(pictures), "--model", folder)
    assert status == 2
    assert "is a pickle" in errors


def test_a_truncated_checkpoint_is_named(capsys, trained, pictures, tmp_path):
    folder = damaged(trained, tmp_path, NEWEST, (trained / NEWEST).read_bytes()[:1000])
    status, _, errors = run(capsys, cli.train, DRAWN, *tiny_settings(pictures, folder), "run.epochs=1")
    assert status == 2
    assert "was cut off" in errors


def test_a_checkpoint_from_another_config_is_named(capsys, trained, pictures, tmp_path):
    settings = (trained / "settings.yaml").read_text(encoding="utf-8").replace("hidden_size: 16", "hidden_size: 24")
    folder = damaged(trained, tmp_path, "settings.yaml", settings.encode())
    status, _, errors = run(capsys, cli.caption, photo_of(pictures), "--model", folder)
    assert status == 2
    assert "is from another config" in errors


@pytest.mark.parametrize(
    ("name", "why"), [("", "it has no settings.yaml"), ("file", "it is not a folder"), ("none", "nothing is there")]
)
def test_an_error_for_a_folder_that_is_no_run_lists_its_content(capsys, pictures, tmp_path, name, why):
    (tmp_path / "file").write_text("")
    status, _, errors = run(capsys, cli.caption, photo_of(pictures), "--model", tmp_path / name)
    assert status == 2
    assert f"is not a run: {why}; give the folder that training wrote" in " ".join(errors.split())


def test_samples_are_the_seeds(capsys, trained, pictures):
    sampled = ("--model", trained, "--set", "search.kind=sample", "--set", "search.temperature=3")
    first, again, other = (
        run(capsys, cli.caption, photo_of(pictures), *sampled, *seed)[1] for seed in ((), ("--seed", 0), ("--seed", 1))
    )
    assert first == again != other


def test_another_kind_in_a_run_folder_is_named_first(capsys, trained, settings):
    others = [setting for setting in settings if not setting.startswith(("attention.", "run.folder="))]
    status, _, errors = run(capsys, cli.train, DRAWN, *others, "attention.kind=multi_head", f"run.folder={trained}")
    assert status == 2
    assert "was started with attention.kind=soft, now it is multi_head" in " ".join(errors.split())


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "no photo at"), (b"", "not a picture"), (b"a text", "not a picture")], ids=str
)
def test_a_photo_that_cannot_be_read_is_named_and_nothing_is_written(capsys, trained, tmp_path, content, complaint):
    if content is not None:
        (tmp_path / "photo.jpg").write_bytes(content)
    status, _, errors = run(
        capsys, cli.caption, tmp_path / "photo.jpg", "--model", trained, "--sheet", tmp_path / "sheet.png"
    )
    assert status == 2
    assert complaint in errors
    assert not (tmp_path / "sheet.png").exists()


def test_a_split_that_is_not_there_is_named(capsys, trained):
    status, _, errors = run(capsys, cli.evaluate, trained, "--split", "tset")
    assert status == 2
    assert "no split 'tset' with photos; it has train, val, unseen" in errors


def test_captioning_writes_words_maps_and_a_sheet(capsys, trained, pictures, tmp_path):
    photo, sheet, found = photo_of(pictures), tmp_path / "sheet.png", tmp_path / "captions.json"
    status, output, _ = run(capsys, cli.caption, photo, "--model", trained, "--sheet", sheet, "--json", found)
    assert status == 0
    caption = json.loads(found.read_text(encoding="utf-8"))[0]
    assert caption["caption"] in output
    assert len(caption["weights"]) == len(caption["words"]) == len(caption["word_log_probs"])
    assert len(caption["weights"][0]) == 100
    with Image.open(sheet) as picture:
        assert picture.text["caption"] == caption["caption"]


def test_scoring_writes_results_and_scores_with_their_protocol(capsys, trained):
    status, output, _ = run(capsys, cli.evaluate, trained)
    assert status == 0
    assert "CIDEr-D" in output
    scores = json.loads((trained / "val" / "scores.json").read_text(encoding="utf-8"))
    assert scores["protocol"]["decoding"] == "greedy max_length 25"
    assert scores["protocol"]["tokens"] == "ptb"
    assert set(scores["scores"]) == set(scores["intervals"]) == {"this model", "20 nearest photos", "most frequent"}
    assert "left out: METEOR and SPICE (install Java)" in output
    assert "<h1" in (trained / "val" / "report.html").read_text(encoding="utf-8")
    assert len(json.loads((trained / "val" / "results.json").read_text(encoding="utf-8"))) == 12


def test_any_result_file_is_scored_with_its_protocol(capsys, trained, pictures, tmp_path):
    run(capsys, cli.evaluate, trained)
    results, references, scores = (
        trained / "val" / "results.json",
        pictures / "captions_val.json",
        tmp_path / "scores.json",
    )
    train = pictures / "captions_train.json"
    status, output, _ = run(capsys, cli.score, results, references, "--train", train, "--json", scores)
    assert status == 0
    assert "tokens: ptb" in " ".join(output.split())
    stored = json.loads(scores.read_text(encoding="utf-8"))
    ours = json.loads((trained / "val" / "scores.json").read_text(encoding="utf-8"))
    for what in ("scores", "intervals"):
        assert stored[what]["results.json"] == ours[what]["this model"]
        assert stored[what]["most frequent"] == ours[what]["most frequent"]
    (tmp_path / "short.json").write_text(json.dumps(json.loads(results.read_text(encoding="utf-8"))[1:]))
    status, _, errors = run(capsys, cli.score, tmp_path / "short.json", references)
    assert status == 2
    assert "every photo with references needs a caption, 1 of 12" in errors


def test_photos_without_references_are_captioned_and_not_scored(capsys, trained, pictures):
    folder = [f"data.root={pictures / 'images'}", "data.kind=folder"]
    status, output, _ = run(capsys, cli.evaluate, trained, *folder, "--split", "test")
    assert status == 0
    assert "no references" in output
    assert len(json.loads((trained / "test-images" / "results.json").read_text(encoding="utf-8"))) == 64
    assert not (trained / "test").exists()


def test_training_on_photos_without_captions_is_refused(capsys, settings, pictures, tmp_path):
    (tmp_path / "config.yaml").write_text(
        DRAWN.read_text(encoding="utf-8").replace("base: base.yaml", f"base: {CONFIGS / 'base.yaml'}"), encoding="utf-8"
    )
    others = [override for override in settings if not override.startswith("data.")]
    folder = ["data.kind=folder", f"data.root={pictures / 'images'}"]
    status, _, errors = run(capsys, cli.train, tmp_path / "config.yaml", *folder, *others)
    assert status == 2
    assert "training needs captions for every photo of train, got photos in test" in errors
    assert not (tmp_path / "run").exists()


def test_the_program_itself_ends_with_status_2():
    done = subprocess.run(
        [sys.executable, str(CONFIGS.parent / "train.py"), "none.yaml"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "no config at none.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_names_what_is_bad_and_ends_with_status_1(capsys, settings, pictures, tmp_path):
    status, output, _ = run(capsys, cli.doctor, DRAWN, *settings)
    assert status == 0
    assert "photos: train 48, val 12, unseen 4" in output
    assert "\nready to train" in output
    (tmp_path / "images").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "images" / "there.png")
    (tmp_path / "captions.csv").write_text(
        "image,caption\n" + "".join(f"{name}.png,a dog\n" for name in ("there", "gone"))
    )
    table = ["data.kind=table", f"data.root={tmp_path}", "data.val_share=0.5", "data.test_share=0.0"]
    others = [override for override in settings if not override.startswith("data.")]
    status, output, _ = run(capsys, cli.doctor, DRAWN, *others, *table, "data.min_count=1")
    assert status == 1
    assert "photos without a file: 1 of 2 (50.0%)" in output
    assert "not ready to train: " in output


@pytest.mark.parametrize("again", [("--beside", "."), ("--beside", "other", "--beside", "other/.")])
def test_a_model_beside_itself_is_an_error(capsys, monkeypatch, pictures, trained, again):
    monkeypatch.chdir(trained)
    photo, sheet = photo_of(pictures), trained / "twice.png"
    status, _, errors = run(capsys, cli.caption, photo, "--model", trained, *again, "--sheet", sheet)
    assert status == 2
    assert "shows other models beside the first, got" in errors
    assert "twice; give another run" in errors
    assert not sheet.exists()


@pytest.mark.parametrize(
    "option",
    [
        ("--smooth",),
        ("--scale", "word"),
        ("--scale", "word", "--page", "a.html"),
        ("--style", "ratio"),
        ("--words", "all"),
        ("--dark",),
    ],
)
def test_options_for_pictures_without_a_picture_are_an_error(capsys, pictures, trained, option):
    status, _, errors = run(capsys, cli.caption, photo_of(pictures), "--model", trained, *option)
    assert status == 2
    assert "got none to draw; give --sheet out.png too" in errors


def test_a_scale_for_each_word_needs_the_style_that_has_one(capsys, pictures, trained, tmp_path):
    sheet = tmp_path / "a.png"
    status, _, errors = run(
        capsys, cli.caption, photo_of(pictures), "--model", trained, "--scale", "word", "--sheet", sheet
    )
    assert status == 2
    assert "--scale word needs --style cells, got reveal" in errors
    assert not sheet.exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ((), "--explain both needs a picture to draw; add --sheet out.png or --page out.html"),
        (("--sheet", "a.png", "--beside", "runs/other"), "a sheet shows several models or several accounts of one"),
    ],
)
def test_accounts_are_drawn_on_one_models_sheet(capsys, pictures, trained, option, message):
    status, _, errors = run(capsys, cli.caption, photo_of(pictures), "--model", trained, "--explain", "both", *option)
    assert status == 2
    assert message in errors


def test_a_model_that_writes_with_itself_is_an_error(capsys, trained):
    status, _, errors = run(capsys, cli.evaluate, trained, "--with", trained / ".")
    assert status == 2
    assert "should be different runs, got" in errors
    assert "twice; give each once" in errors


def test_the_commands_are_listed_with_their_groups():
    ended = CliRunner().invoke(cli.app, ["--help"])
    assert ended.exit_code == 0
    for panel, commands in cli.COMMANDS.items():
        assert panel in ended.output
        assert all(f" {command} " in ended.output for command in commands)


def test_the_version_is_printed():
    ended = CliRunner().invoke(cli.app, ["--version"])
    assert (ended.exit_code, ended.output) == (0, f"captioner {captioner.__version__}\n")


@pytest.mark.parametrize("name", ["eval", "evaluate"])
def test_eval_is_short_for_evaluate(name):
    ended = CliRunner().invoke(cli.app, [name, "--help"])
    assert ended.exit_code == 0
    assert "Caption a split, score the captions" in ended.output


def test_the_console_command_and_the_extras_are_declared():
    lines = (CONFIGS.parent / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    assert 'captioner = "captioner.cli:main"' in lines
    assert any(line.startswith('serve = ["gradio') for line in lines)
    assert any(line.startswith('demo = ["captioner[serve]"]') for line in lines)


def test_the_module_runs_the_same_program():
    done = subprocess.run([sys.executable, "-m", "captioner", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "Usage: captioner [OPTIONS] COMMAND" in done.stdout


@pytest.mark.parametrize("port", ["0", "99999", "-1"])
def test_a_port_that_there_is_not_is_refused(port):
    result = CliRunner().invoke(cli.app, ["serve", "--port", port])
    assert result.exit_code == 2
    assert "than or equal to" in result.output


@pytest.mark.parametrize(
    ("override", "why"), [("run.device=banana", "no device 'banana'"), ("data.root=x", "leave it out")]
)
def test_settings_that_captioning_does_not_read_are_refused(capsys, trained, pictures, override, why):
    photo = next((pictures / "images").iterdir())
    status, _, errors = run(capsys, cli.caption, photo, "--model", trained, "--set", override)
    assert status == 2
    assert why in errors


def test_a_setting_in_the_home_folder_is_found(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    found = captioner.builder.read(DRAWN, ["run.folder=~/runs/x", "data.root=~/d"])
    assert (found.run.folder, found.data.options["root"]) == (f"{tmp_path}/runs/x", f"{tmp_path}/d")


def test_a_signal_is_no_fault_of_a_file_or_a_library():
    with pytest.raises(Interrupted), parsing("file.json", "json", "check it"):
        raise Interrupted


def test_ctrl_c_is_said(capsys, monkeypatch):
    def stop() -> None:
        raise KeyboardInterrupt

    app = typer.Typer()
    app.command()(stop)
    monkeypatch.setattr(sys, "argv", ["captioner"])
    with pytest.raises(SystemExit) as ended:
        cli.main(app)
    assert (ended.value.code, capsys.readouterr().err) == (130, "stopped\n")
