"""From COCO's own files to scores by COCO's own tools, on a small data set with COCO's layout."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from captioner.commands import evaluate as evaluation
from captioner.commands.train import training_run as runs
from tests.helpers import CONFIGS

SIZES = [
    "encoder.kind=squeezenet1_1",
    "encoder.weights=none",
    "encoder.input_size=64",
    "data.min_count=1",
    "attention.size=8",
    "decoder.hidden_size=16",
    "decoder.word_size=8",
    "run.epochs=1",
    "run.batch_size=8",
    "run.device=cpu",
]


@pytest.fixture(scope="module")
def root(pictures, tmp_path_factory) -> Path:
    """train2014/, val2014/, annotations/ and dataset_coco.json, with drawn pictures; val2014 holds val, test and restval."""
    root = tmp_path_factory.mktemp("coco")
    entries = []
    for year, split in (("train2014", "train"), ("val2014", "val")):
        content = json.loads((pictures / f"captions_{split}.json").read_text(encoding="utf-8"))
        captions: dict[int, list[dict]] = {}
        for annotation in content["annotations"]:
            captions.setdefault(annotation["image_id"], []).append(annotation)
        (root / year).mkdir()
        for place, image in enumerate(content["images"]):
            number = image["id"] + (500_000 if split == "val" else 0)
            name = f"COCO_{year}_{number:012}.jpg"
            shutil.copy(pictures / "images" / image["file_name"], root / year / name)
            sentences = [
                {"raw": one["caption"], "tokens": one["caption"].split(), "imgid": number, "sentid": one["id"]}
                for one in captions[image["id"]]
            ]
            its = split if split == "train" else ("val", "test", "restval")[place % 3]
            entries.append(
                {
                    "filepath": year,
                    "filename": name,
                    "imgid": len(entries),
                    "cocoid": number,
                    "split": its,
                    "sentences": sentences,
                    "sentids": [one["sentid"] for one in sentences],
                }
            )
    (root / "dataset_coco.json").write_text(json.dumps({"images": entries, "dataset": "coco"}))
    (root / "annotations").mkdir()
    for split in ("train", "val"):
        mine = [entry for entry in entries if entry["filepath"] == f"{split}2014"]
        content = {
            "images": [{"id": entry["cocoid"], "file_name": entry["filename"]} for entry in mine],
            "annotations": [
                {"id": one["sentid"], "image_id": entry["cocoid"], "caption": one["raw"]}
                for entry in mine
                for one in entry["sentences"]
            ],
        }
        (root / "annotations" / f"captions_{split}2014.json").write_text(json.dumps(content))
    return root


def test_training_and_scores_on_karpathys_split_and_the_result_file_through_cocos_own_reader(root, tmp_path):
    from pycocotools.coco import COCO

    folder = tmp_path / "run"
    places = [f"data.root={root}", f"run.folder={folder}", f"run.features={tmp_path / 'features'}"]
    runs.train(CONFIGS / "coco_soft.yaml", [*places, *SIZES])
    found = evaluation.evaluate(folder, "test")
    assert len(found.examples) == 4
    assert set(found.rows) == {"this model", "20 nearest photos", "most frequent"}
    with redirect_stdout(io.StringIO()):
        annotations = COCO(str(root / "annotations" / "captions_val2014.json"))
        results = annotations.loadRes(str(folder / "test" / "results.json"))
    assert set(results.getImgIds()) == {example.id for example in found.examples}


@pytest.mark.parametrize("year", ["2014"])
def test_training_on_cocos_own_files(root, tmp_path, year):
    layout = [
        "data.kind=coco",
        f"data.root={root}",
        f"data.captions=annotations/captions_{{split}}{year}.json",
        f"data.images={{split}}{year}",
    ]
    places = [f"run.folder={tmp_path / 'run'}", f"run.features={tmp_path / 'features'}"]
    runs.train(CONFIGS / "coco_soft.yaml", [*layout, *places, *SIZES])
    found = evaluation.evaluate(tmp_path / "run", "val")
    assert len(found.examples) == 12


def test_a_fine_tuned_encoder_is_in_the_checkpoint_and_needs_no_store(root, tmp_path):
    fine = ["encoder.train_from=features.10", "optimiser.encoder_learning_rate=1e-5", "run.precision=fp32"]
    places = [f"data.root={root}", f"run.folder={tmp_path / 'run'}", f"run.features={tmp_path / 'features'}"]
    runs.train(CONFIGS / "coco_soft.yaml", [*places, *SIZES, *fine, "data.augment=turns"])
    assert not (tmp_path / "features").exists()
    assert not (tmp_path / "run" / "encoder.safetensors").exists()
    assert evaluation.evaluate(tmp_path / "run", "val", baselines=False).captions
