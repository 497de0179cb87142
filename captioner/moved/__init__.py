"""Modules under their earlier paths, which keep working for one release.

`from captioner.vocabulary import PAD` gives a DeprecationWarning that names the new path.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "aligned": "layers.aligned_linear",
    "allocation": "layers.allocation",
    "loops": "layers.loop_linear",
    "training.cross_entropy": "layers.cross_entropy",
    "search.largest": "layers.topk",
    "sublayers": "layers.transformer_blocks",
    "vocabulary": "text.vocabulary",
    "tokens.ptb": "text.ptb",
    "tokens.rules": "text.ptb_rules",
    "tokens.alphabet": "text.ptb_alphabet",
    "endings": "text.endings",
    "objects.words": "text.objects",
    "objects.synonyms": "text.object_synonyms",
    "encoders.store": "features.store",
    "encoders.sources": "features.sources",
    "encoders.views": "features.views",
    "encoders.region_files": "features.region_files",
    "search.captioner": "captioner",
    "search.caption": "search.result",
    "search.tape": "search.hypotheses",
    "search.rules": "search.length_rules",
    "data.photos": "data.folder",
    "data.doctor": "data.checks",
    "data.presence": "data.contract",
    "data.figures": "data.shapes",
    "bootstrap": "metrics.bootstrap",
    "units": "metrics.units",
    "metrics.scores": "metrics.coco_scores",
    "metrics.worth": "metrics.scoring",
    "metrics.report": "metrics.protocol",
    "explain.baselines": "explain.baseline_maps",
    "explain.looks": "explain.grounding",
    "explain.reading": "explain.forced_decoding",
    "explain.replacing": "explain.replaced_maps",
    "attention.replaced": "attention.replaced_weights",
    "training.scheduled": "training.scheduled_sampling",
    "visualize.report": "commands.evaluate.report",
    "visualize.card": "commands.inspect.inspection_figure",
    "visualize.comparison": "commands.compare.comparison_figure",
    "evaluation.evaluating": "commands.evaluate.evaluation",
    "evaluation.baselines": "commands.evaluate.baseline_captions",
    "evaluation.protocol": "commands.evaluate.run_protocol",
    "evaluation.printing": "commands.evaluate.score_tables",
    "evaluation.judged": "commands.evaluate.system",
    "evaluation.page": "commands.evaluate.pages",
    "evaluation.files": "commands.score.score_files",
    "evaluation": "commands.evaluate",
    "inspection.card": "commands.inspect.findings",
    "inspection.judging": "commands.inspect.measures",
    "inspection.opening": "commands.inspect.inputs",
    "inspection.watching": "commands.inspect.observations",
    "inspection.printing": "commands.inspect.inspection_tables",
    "inspection": "commands.inspect",
    "comparison.lines": "commands.compare.measurements",
    "comparison.running": "commands.compare.comparison",
    "comparison.table": "commands.compare.comparison_table",
    "comparison.times": "commands.compare.timing",
    "comparison.variants": "commands.compare.variants",
    "comparison": "commands.compare",
    "serve.answers": "commands.serve.requests",
    "serve.decoding": "commands.serve.choices",
    "serve.page": "commands.serve.web_page",
    "serve": "commands.serve",
    "build.opening": "builder.loading",
    "build.parts": "builder.parts",
    "build.schema": "builder.schema",
    "build.run_files": "builder.run_folder",
    "build": "builder",
    "config": "builder.config",
    "sections": "builder.sections",
    "run_folder": "builder.run_folder",
    "photos": "commands.photo_sources",
    "runs": "commands.train.training_run",
    "captioning": "commands.caption.photos",
    "pictures": "commands.caption.pictures",
    "describe": "commands.describe.description",
    "demo": "commands.demo.demonstration",
    "extras": "errors",
    "map_shape": "explain.shape",
    "tokens": "text.ptb",
    "objects": "text.objects",
}
"""New paths by earlier path, both below `captioner`."""
ELSEWHERE = {
    ("photos", "diagnose"): "commands.doctor.diagnosis",
    ("encoders.sources", "StoredRegions"): "features.stored_regions",
    ("encoders.sources", "store_regions"): "features.stored_regions",
    ("encoders.sources", "read_ahead"): "data.batches",
}
"""Names of a module that went to another module than the rest."""


class _Forwarded(ModuleType):
    """A module under its earlier path: its names are those of the new module."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        old = self.__name__.removeprefix("captioner.")
        return getattr(import_module(f"captioner.{ELSEWHERE.get((old, name), MOVED[old])}"), name)


class ForwardingLoader(Loader):
    """Makes modules whose names are those of the new modules."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = f"captioner.{MOVED[spec.name.removeprefix('captioner.')]}"
        text = f"{spec.name} is now {new}; the earlier path works for one release"
        warnings.warn(text, DeprecationWarning, stacklevel=2)  # the import statement, since Python skips its own
        return _Forwarded(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        import_module(f"captioner.{MOVED[module.__name__.removeprefix('captioner.')]}")


def spec_of(name: str) -> ModuleSpec | None:
    """How to import a module under its earlier path; None for any other name."""
    return ModuleSpec(name, ForwardingLoader(), is_package=True) if name.removeprefix("captioner.") in MOVED else None
