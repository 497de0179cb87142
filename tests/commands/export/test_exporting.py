"""Exported models caption without this package: the same words, and the same maps."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

import captioner
from captioner import attention, builder, cli
from captioner.builder.run_folder import write_start
from captioner.commands.export import export, exporting
from captioner.commands.export.exporting import SUFFIXES, check_exportable, of_another_model
from captioner.commands.export.graphs import state_tensors
from captioner.commands.train import training_run as runs
from captioner.data.drawn import drawn
from captioner.encoders.preprocess import Preprocess
from captioner.errors import UserError
from captioner.text.vocabulary import Vocabulary
from captioner.training.checkpoints import BEST, model_tensors, save_checkpoint
from tests.cli.test_cli import run
from tests.helpers import DRAWN, TINY, takes_score

EXAMPLE = Path(__file__).parents[3] / "examples" / "caption_with_onnx.py"
WORDS = [f"word{number}" for number in range(20)]
SMALL_CNN = ["encoder.size=32", "encoder.width=4", "encoder.region_size=16"]
LSTM = ["decoder.hidden_size=16", "decoder.word_size=8"]
TRANSFORMER = ["decoder.kind=transformer", "decoder.hidden_size=16", "decoder.layers=2", "decoder.heads=2"]
TRANSFORMER += ["decoder.feedforward_size=24"]
HEADS = ["attention.kind=multi_head", "attention.heads=2", "attention.size=8"]
SCORES = {
    f"lstm soft {score}": [*LSTM, "attention.kind=soft", f"attention.score={score}"] for score in attention.SCORES
}
CASES = {
    "lstm before": [*LSTM, "decoder.attend=before", "attention.kind=soft"],
    "lstm multi_head": [*LSTM, *HEADS],
    "lstm adaptive": [*LSTM, "attention.kind=adaptive"],
    "lstm local_predictive": [*LSTM, "attention.kind=local_predictive"],
    "lstm sparsemax": [*LSTM, "attention.kind=soft", "attention.weigh=sparsemax"],
    "lstm entmax15": [*LSTM, "attention.kind=soft", "attention.weigh=entmax15"],
    "lstm hard": [*LSTM, "attention.kind=hard"],
    "lstm on attention": [*LSTM, "attention.kind=soft", "attention.on_attention=true"],
    "gru": [*LSTM, "attention.kind=soft", "decoder.cell=gru"],
    "att2in": ["decoder.kind=att2in", *LSTM, "attention.kind=soft"],
    "show_and_tell": ["decoder.kind=show_and_tell", *LSTM, "attention.kind=none"],
    "top_down": ["decoder.kind=top_down", *LSTM, "attention.kind=soft"],
    "transformer": [*TRANSFORMER, *HEADS],
    "transformer soft": [*TRANSFORMER, "attention.kind=soft"],
    "transformer local_monotonic": [*TRANSFORMER, "attention.kind=local_monotonic"],
    "refiner": [*LSTM, "attention.kind=soft", "refiner.layers=1", "refiner.size=16", "refiner.heads=2"],
    **SCORES,
}
HUNDRED = [*SCORES, "lstm multi_head", "lstm adaptive", "lstm local_predictive", "transformer"]
QUICK, DEAR = "lstm soft additive", "transformer"


def write_run(folder: Path, options: list[str]) -> Path:
    """A run folder of a model that was not trained."""
    settings = builder.read(DRAWN, [*SMALL_CNN, "search.max_length=5", *options])
    torch.manual_seed(0)
    vocabulary = Vocabulary(WORDS)
    model = builder.make_model(settings, vocabulary)
    with torch.no_grad():
        model.decoder.to_vocabulary.weight.mul_(20)  # so that words are more than a rounding apart
    folder.mkdir()
    write_start(folder, settings, vocabulary, model)
    save_checkpoint(folder / BEST, model_tensors(model), {})
    return folder


@pytest.fixture(scope="module")
def example():
    """The program that knows nothing of this package."""
    pytest.importorskip("onnxruntime", reason="needs the extra onnx: pip install -e '.[onnx]'")
    spec = importlib.util.spec_from_file_location("caption_with_onnx", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_captions(example, folder: Path, exported: Path, photos: list[Path]) -> None:
    model, graphs = captioner.load(folder, device="cpu"), example.load(exported)
    for photo in photos:
        expected = model.caption(photo)
        words, maps = example.caption(*graphs, photo)
        assert words == expected.words
        if expected.weights is None:
            assert len(maps) == 0
            continue
        numpy.testing.assert_allclose(maps.reshape(len(words), -1), expected.weights, atol=1e-4)


@pytest.mark.parametrize(
    "case", [case if case == QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CASES]
)
def test_onnxruntime_writes_the_same_words_and_maps(example, case, pictures, tmp_path):
    folder = write_run(tmp_path / "run", CASES[case])
    exported, difference = export(folder)
    assert difference < 1e-4
    photos = sorted((pictures / "images").glob("val_*.png"))[:4]
    transparent = Image.open(photos[0]).convert("RGBA")
    transparent.paste((0, 0, 0, 0), (0, 0, transparent.width // 2, transparent.height))
    transparent.save(tmp_path / "transparent.png")
    grey = numpy.asarray(Image.open(photos[1]).convert("L")).astype(numpy.uint16) * 257
    Image.fromarray(grey).save(tmp_path / "16_bit.png")
    check_captions(example, folder, exported, [*photos, tmp_path / "transparent.png", tmp_path / "16_bit.png"])


@pytest.mark.slow
@pytest.mark.parametrize("case", HUNDRED)
def test_onnxruntime_captions_a_hundred_photos_word_for_word(example, case, pictures, tmp_path):
    """The models were trained for 60 steps."""
    data = [f"data.root={pictures}", *(f"data.{name}={count}" for name, count in TINY.items())]
    folder = tmp_path / "run"
    where = [f"run.folder={folder}", f"run.features={tmp_path / 'features'}", "run.device=cpu"]
    steps = ["run.epochs=10", "run.batch_size=8", "run.validate_every=10", "schedule.warm_up=0"]
    runs.train(DRAWN, [*data, *SMALL_CNN, *CASES[case], *where, *steps])
    exported, _ = export(folder)
    photos = [
        example.image for example in drawn(str(tmp_path / "drawn"), num_train=1, num_val=100, num_unseen=1)["val"]
    ]
    assert len(photos) == 100
    check_captions(example, folder, exported, photos)


@pytest.mark.parametrize("resize", [24, (40, 24), "cover", "inside"])
@pytest.mark.parametrize("size", [(50, 37), (37, 50), (20, 61)])
def test_the_example_prepares_photos_as_the_model_does(example, resize, size):
    photo = Image.fromarray(numpy.random.default_rng(0).integers(0, 256, (*reversed(size), 3), dtype=numpy.uint8))
    view = Preprocess(resize, (32, 30), (0.4, 0.5, 0.6), interpolation="bicubic")
    about = {"resize": resize, "crop": [32, 30], "interpolation": "bicubic", "fill": [102, 128, 153]}
    assert (example.prepare(photo, about)[0] == view(photo)[0].numpy()).all()


@pytest.mark.filterwarnings("ignore::UserWarning:torch.*")  # of torch 2.6, which reads the file nevertheless
@pytest.mark.parametrize("case", [QUICK, pytest.param(DEAR, marks=pytest.mark.slow)])
def test_exports_of_torch_equal_the_model_for_any_number_of_photos_captions_and_words(case, tmp_path):
    folder = write_run(tmp_path / "run", CASES[case])
    exported, _ = export(folder, to="torch")
    encoder, step = (torch.export.load(exported / f"{name}.pt2").module() for name in ("encoder", "step"))
    model = captioner.load(folder, device="cpu").model
    about = json.loads((exported / "captioner.json").read_text(encoding="utf-8"))
    pixels = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        memory = model.remember(pixels)
        state = model.decoder.start(memory, 1)
        tensors = encoder(pixels)
        assert len(tensors) == len(about["tensors"]["encoder"]["output_names"])
        for words in torch.randint(4, 24, (3, 3, 1)):
            results = step(words, list(tensors))
            output, attended, state = model.decoder.step(words, state, memory)
            assert torch.allclose(results[0], model.decoder.vocabulary_logits(output).log_softmax(-1), atol=1e-5)
            assert torch.allclose(results[1], attended.weights, atol=1e-5)
            new = list(state_tensors(state).values())
            tensors = [*tensors[: -len(new)], *results[-len(new) :]]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([*LSTM, "attention.kind=local_monotonic"], "moves with the number of the word"),
        ([*LSTM, "attention.kind=hard", "attention.decoding=draw"], "draws regions at random"),
        ([*LSTM, "encoder.kind=detector", "encoder.weights=none"], "depends on the photo"),
    ],
)
def test_a_model_that_cannot_be_exported_is_refused_with_the_reason(options, why):
    model = builder.make_model(builder.read(DRAWN, options), Vocabulary(WORDS), download=False)
    with pytest.raises(UserError, match=rf"cannot be exported: .*{why}"):
        check_exportable(model)


def test_every_kind_is_exported_or_has_a_reason():
    """A new kind has to be added to the cases or to the reasons."""
    named = " ".join(option for options in CASES.values() for option in options)
    assert [kind for kind in attention.KINDS if f"attention.kind={kind}" not in named and kind != "none"] == []
    assert any(takes_score(kind) for kind in attention.KINDS)


def test_the_command_says_what_it_wrote_and_what_is_missing(capsys, tmp_path, monkeypatch):
    folder = write_run(tmp_path / "run", CASES["lstm soft additive"])
    status, output, _ = run(capsys, cli.export, folder, "--to", "torch")
    assert status == 0
    assert f"written: encoder.pt2, step.pt2 and captioner.json in {folder / 'export'}" in output
    assert all(exporting._PROGRAM.encode() in path.read_bytes() for path in (folder / "export").iterdir())
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    status, _, errors = run(capsys, cli.export, folder)
    assert status == 2
    assert "--to onnx needs onnxscript, which is not installed; run pip install -e '.[onnx]'" in errors


@pytest.fixture
def unwritten_graphs(monkeypatch):
    """Graphs are files with the program's mark and nothing else, since tracing them takes seconds."""
    monkeypatch.setattr(exporting, "graphs_of", lambda model: exporting.Exported(None, None, [], [], []))
    monkeypatch.setattr(exporting, "_write", lambda exported, graph, path: path.write_text(exporting._PROGRAM))
    monkeypatch.setattr(exporting, "_largest_difference", lambda *arguments: 0.0)


@pytest.mark.parametrize("to", SUFFIXES)
def test_files_of_other_programs_are_replaced_only_if_asked_for(capsys, tmp_path, to, unwritten_graphs):
    folder, exported = write_run(tmp_path / "run", CASES["lstm soft additive"]), tmp_path / "exported"
    arguments = [folder, "--folder", exported, "--to", to]
    exported.mkdir()
    names = {"captioner.json", *(f"{graph}{SUFFIXES[to]}" for graph in ("encoder", "step"))}
    for name in names:
        (exported / name).write_text("mine")
        status, _, errors = run(capsys, cli.export, *arguments)
        assert status == 2
        assert f"{exported / name} exists, and captioner has not written it" in errors
        assert [(path.name, path.read_text()) for path in exported.iterdir()] == [(name, "mine")]
        (exported / name).unlink()
    (exported / "captioner.json").write_text("mine")
    assert run(capsys, cli.export, *arguments, "--overwrite")[0] == 0
    assert {path.name for path in exported.iterdir()} == names
    assert run(capsys, cli.export, *arguments)[0] == 0  # its own files are replaced


def test_graphs_of_another_model_do_not_stay_beside_the_description(capsys, tmp_path, unwritten_graphs):
    first, second = (write_run(tmp_path / name, CASES["lstm soft additive"]) for name in ("first", "second"))
    model = captioner.load(second, device="cpu").model
    with torch.no_grad():
        model.decoder.to_vocabulary.bias.add_(1)
    save_checkpoint(second / BEST, model_tensors(model), {})
    folder = tmp_path / "exported"
    assert run(capsys, cli.export, first, "--folder", folder, "--to", "torch")[0] == 0
    for name in ("encoder.onnx", "step.onnx"):  # as if exported to ONNX too
        shutil.copy(folder / name.replace("onnx", "pt2"), folder / name)
    weights = json.loads((folder / "captioner.json").read_text(encoding="utf-8"))["weights"]
    assert of_another_model(folder, "torch", weights) == []
    assert run(capsys, cli.export, second, "--folder", folder, "--to", "torch")[0] == 0
    assert {path.name for path in folder.iterdir()} == {"captioner.json", "encoder.pt2", "step.pt2"}
    (folder / "step.onnx").write_text("mine")
    status, _, errors = run(capsys, cli.export, first, "--folder", folder, "--to", "torch")
    assert status == 2
    assert "step.onnx exists, and captioner has not written it" in errors


def test_the_example_without_a_folder_or_a_photo_says_how_it_is_used():
    pytest.importorskip("onnxruntime", reason="needs the extra onnx: pip install -e '.[onnx]'")
    for arguments in ([], ["exported"]):
        ended = subprocess.run([sys.executable, EXAMPLE, *arguments], capture_output=True, text=True)
        assert ended.returncode != 0
        assert ended.stderr == "usage: caption_with_onnx.py FOLDER photo.jpg ...\n"
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 65
