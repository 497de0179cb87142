"""CLIPScore follows the formula of Hessel et al. on CLIP's embeddings, and is refused without a complete model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

from captioner import cli
from captioner.commands.score import score_files
from captioner.errors import UserError
from captioner.metrics import ClipScorer, SystemScorer, load_clip
from captioner.metrics.clip import CLIP_SCORE, REF_CLIP_SCORE, Clip, clip_scores
from captioner.progress import Report
from tests.cli.test_cli import run

CPU = torch.device("cpu")
CAPTIONS = {1: "a red dog", 2: "", 3: "two trains and a very long caption that goes on beyond the longest text"}
REFERENCES = {1: ["a dog", "dogs"], 2: ["a man waits", "a cat", "a horse"], 3: ["two trains"]}


def vector(*numbers: float) -> numpy.ndarray:
    return numpy.array(numbers) / numpy.linalg.norm(numbers)


@given(st.lists(st.lists(st.integers(-3, 3).filter(bool), min_size=10, max_size=10), min_size=1, max_size=4))
def test_scores_are_the_papers_formulas(rows):
    seen, written, *texts = ([vector(*row[i : i + 2]) for row in rows] for i in range(0, 10, 2))
    wanted = [numpy.stack(each[: 1 + place % 3]) for place, each in enumerate(zip(*texts, strict=True))]
    found = clip_scores(numpy.stack(seen), numpy.stack(written), wanted)
    for place, (photo, caption, references) in enumerate(zip(seen, written, wanted, strict=True)):
        near = 2.5 * max(float(photo @ caption), 0)
        agreed = max(0.0, *(float(caption @ reference) for reference in references))
        mean = 2 / (1 / near + 1 / agreed) if near > 0 and agreed > 0 else 0
        assert found[CLIP_SCORE][place] == pytest.approx(near)
        assert found[REF_CLIP_SCORE][place] == pytest.approx(mean)


def test_without_transformers_it_is_said_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"--clip needs transformers.* pip install -e '\.\[clip\]'"):
        load_clip(str(tmp_path), CPU)


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path, Path]:
    """Results, references, and a folder of photos; wide, high and square ones."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for photo, size in {1: (40, 24), 2: (19, 33), 3: (16, 16)}.items():
        pixels = numpy.random.default_rng(photo).integers(0, 256, (size[1], size[0], 3), dtype=numpy.uint8)
        Image.fromarray(pixels).save(photos / f"{photo}.png")
    results, references = tmp_path / "results.json", tmp_path / "captions.json"
    results.write_text(json.dumps([{"image_id": photo, "caption": text} for photo, text in CAPTIONS.items()]))
    texts = [(photo, text) for photo, texts in REFERENCES.items() for text in texts]
    annotations = [{"id": place, "image_id": photo, "caption": text} for place, (photo, text) in enumerate(texts)]
    images = [{"id": photo, "file_name": f"{photo}.png"} for photo in REFERENCES]
    references.write_text(json.dumps({"images": images, "annotations": annotations}))
    return results, references, photos


class FakeClip:
    """Embeddings by the first colour of a photo, and by the length of a text."""

    source = "a fake"

    def photos(self, paths):
        return numpy.stack([vector(1, Image.open(path).getpixel((0, 0))[0]) for path in paths])

    def texts(self, texts, what):
        return numpy.stack([vector(1, len(text) - 10) for text in texts])


def test_scores_have_intervals_and_a_protocol_that_names_the_model(files, monkeypatch, capsys):
    monkeypatch.setattr("captioner.metrics.load_clip", lambda name, device, report: FakeClip())
    results, references, photos = files
    scorer = ClipScorer(FakeClip(), {photo: photos / f"{photo}.png" for photo in (3, 2, 1)}, REFERENCES)
    mixed = {photo: CAPTIONS[photo] for photo in (2, 3, 1)}
    assert SystemScorer(REFERENCES, "ptb", clip=scorer)(mixed).scores[CLIP_SCORE] == pytest.approx(
        scorer(CAPTIONS).of_all()[CLIP_SCORE]
    )
    status, output, _ = run(capsys, cli.score, results, references, "--clip", "any", "--photos", photos, "--no-java")
    assert status == 0
    said = " ".join(output.split())
    assert "CLIPScore by a fake" in said
    assert "RefCLIPScore" in said
    assert "CLIPScore scores captions without words as 'A photo depicts'" in said
    found = score_files(results, references, clip="any", photos=photos)
    low, high = found.system_scores["results.json"].intervals[REF_CLIP_SCORE]
    assert low <= found.rows["results.json"][REF_CLIP_SCORE] <= high


def test_without_the_option_nothing_is_said(files, capsys):
    results, references, _ = files
    _, output, _ = run(capsys, cli.score, results, references, "--no-java")
    assert "CLIP" not in output
    assert CLIP_SCORE not in score_files(results, references).rows["results.json"]
    with pytest.raises(UserError, match="got no --photos; give --photos FOLDER too"):
        score_files(results, references, clip="any")


# ---- with transformers, on a tiny model of random weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    transformers = pytest.importorskip("transformers", reason="needs transformers: pip install -e '.[clip]'")
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder = tmp_path_factory.mktemp("clip")
    (folder / "vocab.json").write_text(json.dumps({token: place for place, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    transformers.CLIPTokenizer.from_pretrained(folder).save_pretrained(folder)
    side = {"height": 16, "width": 16}
    transformers.CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=side).save_pretrained(folder)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    words = {"vocab_size": 54, "max_position_embeddings": 48, "bos_token_id": 52, "eos_token_id": 53}
    config = transformers.CLIPConfig(
        text_config=sizes | words | {"pad_token_id": 53},
        vision_config=sizes | {"image_size": 16, "patch_size": 8},
        projection_dim=8,
    )
    torch.manual_seed(0)
    model = transformers.CLIPModel(config)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.3 * torch.randn_like(weights))  # so that vectors differ
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def clip(folder) -> Clip:
    return load_clip(str(folder), CPU)


def cosines_by_hand(folder: Path, photo: Path, texts: list[str]) -> list[float]:
    """For one photo and single texts, as compared by the model itself; the photo is preprocessed as in the paper's code."""
    from transformers import CLIPModel, CLIPTokenizer

    model, tokenizer = CLIPModel.from_pretrained(folder), CLIPTokenizer.from_pretrained(folder)
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    prepare = Compose([Resize(16, InterpolationMode.BICUBIC), CenterCrop(16), ToTensor(), Normalize(mean, std)])
    found = []
    for text in texts:
        tokens = tokenizer("A photo depicts " + text).input_ids
        tokens = torch.tensor([tokens if len(tokens) <= 48 else [*tokens[:47], 53]])
        with torch.inference_mode():
            seen = model(input_ids=tokens, pixel_values=prepare(Image.open(photo))[None])
        found.append(float(seen.logits_per_image) / float(model.logit_scale.detach().exp()))
    return found


def test_clip_scores_are_the_cosines_computed_by_hand(folder, clip, files):
    paths = [files[2] / f"{photo}.png" for photo in CAPTIONS]
    texts = list(CAPTIONS.values())
    found = clip.photos(paths) @ clip.texts(texts, "captions").T
    wanted = [cosines_by_hand(folder, path, texts) for path in paths]
    numpy.testing.assert_allclose(found, wanted, atol=1e-5)
    assert numpy.ptp(found) > 0.1  # so that a mixed order would be seen


def test_clip_scores_files_and_reports_progress(folder, files):
    results, references, photos = files
    heard = []

    class Recorder(Report):
        def clip(self, what, done, total):
            heard.append((what, done, total))

    found = score_files(
        results,
        references,
        clip=str(folder),
        photos=photos,
        report=Recorder(),
    )
    near = [cosines_by_hand(folder, photos / f"{photo}.png", [text])[0] for photo, text in CAPTIONS.items()]
    wanted = numpy.mean([2.5 * max(cosine, 0) for cosine in near])
    assert found.rows["results.json"][CLIP_SCORE] == pytest.approx(wanted, abs=1e-5)
    assert f"CLIPScore by {folder.name} (transformers " in found.protocol.scorers
    assert heard == [("photos", 3, 3), ("references", 6, 6), ("captions", 3, 3)]
    (photos / "2.png").unlink()
    with pytest.raises(UserError, match=r"no photo at .*2\.png"):
        score_files(results, references, clip=str(folder), photos=photos)


@pytest.mark.filterwarnings("ignore:.resume_download:FutureWarning")  # transformers 4.40 on a later hub
def test_a_missing_or_incomplete_clip_model_is_an_error(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    with pytest.raises(UserError, match=r"got 'nobody/nothing' .* hf download openai/clip-vit-base-patch32"):
        load_clip("nobody/nothing", CPU)
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="1 weights are missing, and the tokeniser has 54 of 54 tokens"):
        load_clip(str(tmp_path), CPU)
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    for name in ("tokenizer.json", "vocab.json", "merges.txt"):
        (tmp_path / name).unlink(missing_ok=True)
    with pytest.raises(UserError, match="needs a complete CLIP model"):
        load_clip(str(tmp_path), CPU)
