"""The files of a run folder, by name, for the documentation and its tests."""

from __future__ import annotations

FILES = {
    "settings.yaml": "the resolved settings",
    "vocabulary.json": "words and tokeniser",
    "log.jsonl": "one JSON line per start, logged step and validation",
    "newest.safetensors": "all that training continues from: weights, average, objective, optimiser, schedule, scaler, progress",
    "best.safetensors": "the weights with the best validation score; these are loaded",
    "encoder.safetensors": "the frozen encoder, stored once; absent if the encoder is trained",
    "document_frequencies.npz": "document frequencies of the reward; only with `objective.kind=self_critical`",
    "word_evidence.safetensors": "where words could be seen, learned from the captions; only with `objective.evidence` above 0",
    "data_digests.npz": "a digest of each photo and its captions, to see what has changed when the run is resumed",
    "unreadable_SPLIT.txt": "photos that could not be read, with the reason; only if there are any",
    ".lock": "keeps a second training run out of the folder",
    "wandb/": "only with `log.wandb=true`; `WANDB_DIR` puts it elsewhere",
    "wandb_id.txt": "the id of the run at Weights & Biases; only with `log.wandb=true`",
    "tensorboard/": "only with `log.tensorboard=true`",
    "SPLIT/results.json": "`captioner eval`: the captions, in COCO's result format",
    "SPLIT/scores.json": "`captioner eval`: scores, intervals and protocol; only if there are references",
    "SPLIT/report.html": "`captioner eval`: a page with every photo; not with `--no-page`",
    "SPLIT/unfinished.txt": "`captioner eval`: there while the files beside it are being written, and left by a killed command",
    "SPLIT-with-RUN/": "`captioner eval --with`: the same files for an ensemble, and `models.json`, which names its other runs; "
    "`SPLIT-2-with-RUN/` where other runs have the same name",
    "SPLIT-ROOT/": "`captioner eval` with other data than the run's: the same files, in a folder named after the last part of "
    "`data.root`, and `dataset.json`, which says which data it is",
    "inspect-FOLDER-FILE/inspect.json": "`captioner inspect`: every number; the folder is named after the instances file and its "
    "folder, with `-first-N` for `--first N`",
    "inspect-FOLDER-FILE/inspect.FORMAT": "`captioner inspect`: the numbers as a figure: png, pdf and svg",
    "inspect-FOLDER-FILE/unreadable_inspection.txt": "`captioner inspect`: photos that could not be read",
    "measured_SPLIT.json": "`captioner compare`: what was measured of this run",
    "unreadable_timed.txt": "`captioner compare`: photos that could not be read when the kinds were timed",
    "export/": "`captioner export`: the model as two graphs, and `captioner.json`, which describes them",
    "README.md": "`captioner card`: the model card",
    "sheet.png": "`captioner demo --train`, `captioner card --photo`: captions with their maps",
    "demo.json": "`captioner demo --train`: what was measured; in `runs/demo` only",
}
"""Every file that the program writes into a run's folder, and what it holds. Words in capitals stand for a name."""
