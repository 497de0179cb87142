"""Distillation, against explicit sums over the vocabulary."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from captioner.builder import load, read
from captioner.builder import make_model as make_student
from captioner.builder import teachers as trained_teachers
from captioner.commands.doctor import diagnose
from captioner.commands.train import training_run as runs
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.text.vocabulary import PAD
from captioner.training import loop
from captioner.training.checkpoints import NEWEST, load_checkpoint
from captioner.training.distillation import Distillation
from captioner.training.word_evidence import WordEvidence
from tests.helpers import DRAWN, REGION, VOCABULARY, losses, make_decoder, tiny_settings
from tests.training.test_objectives import CAPTIONS, TOTALS, make_batch


def make_objective(teachers: list[CaptionModel] | None = None, **options) -> Distillation:
    made = Distillation(make_model(0), ["not read here"], **options)
    made.teachers = [make_model(1), make_model(2)] if teachers is None else teachers
    return made


def make_model(seed: int) -> CaptionModel:
    torch.manual_seed(seed)
    decoder = make_decoder()
    with torch.no_grad():
        decoder.to_vocabulary.weight.mul_(20)
    return CaptionModel(nn.Identity(), decoder).eval()


@torch.no_grad()
def probabilities(model: CaptionModel, photo: int, caption: list[int], temperature: float) -> list[list[float]]:
    memory = model.decoder.remember(make_batch().photos).select(torch.tensor([photo]))
    output, _ = model.decoder(torch.tensor([[caption[:-1]]]), memory)
    return (model.decoder.vocabulary_logits(output) / temperature).softmax(-1)[0, 0].tolist()


@torch.no_grad()
@pytest.mark.parametrize(("share", "temperature"), [(0.5, 1.0), (0.3, 2.0), (1.0, 1.0)])
def test_it_is_the_cross_entropy_and_the_divergence_from_the_mean_of_the_teachers(share, temperature):
    objective = make_objective(share=share, temperature=temperature)
    references = divergence = 0.0
    for photo, captions in enumerate(CAPTIONS):
        for caption in captions:
            plain = probabilities(objective.model, photo, caption, 1.0)
            ours = probabilities(objective.model, photo, caption, temperature)
            first, second = (probabilities(one, photo, caption, temperature) for one in objective.teachers)
            for place, word in enumerate(caption[1:]):
                references -= math.log(plain[place][word])
                for p, q1, q2 in zip(ours[place], first[place], second[place], strict=True):
                    q = (q1 + q2) / 2
                    divergence += temperature**2 * q * math.log(q / p)
    loss, terms = objective(make_batch(), TOTALS)
    assert terms.tolist() == pytest.approx([references / TOTALS.words, divergence / TOTALS.words], rel=1e-5)
    assert loss.item() == pytest.approx(float((1 - share) * terms[0] + share * terms[1]), rel=1e-6)


def test_a_model_that_equals_its_teacher_learns_nothing_from_it():
    objective = make_objective([make_model(0)], share=1.0)
    objective.eval()(make_batch(), TOTALS)[0].backward()
    gradients = [one.grad for one in objective.model.parameters() if one.grad is not None]
    assert gradients
    assert max(one.abs().max() for one in gradients) < 1e-6


def test_shares_of_parts_add_up_and_padding_does_not_matter():
    objective, batch = make_objective(label_smoothing=0.1), make_batch()
    whole, terms = objective(batch, TOTALS)
    parts = [objective(make_batch(photos=part), TOTALS) for part in (slice(0, 1), slice(1, 3))]
    torch.testing.assert_close(sum(loss for loss, _ in parts), whole)
    torch.testing.assert_close(sum(of_part for _, of_part in parts), terms)
    assert (batch.targets == PAD).any()


def test_maps_are_taught_by_the_evidence():
    objective, batch = make_objective(evidence=0.5), make_batch()
    plain, _ = objective(batch, TOTALS)
    objective.word_evidence = WordEvidence(REGION, [4, 6], VOCABULARY)
    torch.nn.init.normal_(objective.word_evidence.score.weight)
    loss, terms = objective(batch, TOTALS)
    assert terms[2] > 0
    assert loss.item() == pytest.approx(plain.item() + 0.5 * terms[2].item())


def test_evidence_needs_maps():
    with pytest.raises(ValueError, match="evidence needs the weights of attention"):
        Distillation(CaptionModel(nn.Identity(), make_decoder(attention="none")), ["not read here"], evidence=1.0)


def test_teachers_are_neither_trained_nor_saved():
    objective = make_objective()
    objective.train()(make_batch(), TOTALS)[0].backward()
    assert all(one.grad is None for teacher in objective.teachers for one in teacher.parameters())
    assert not any(teacher.training for teacher in objective.teachers)
    assert objective.state_dict().keys() == {f"model.{name}" for name in objective.model.state_dict()}
    assert not set(objective.parameters()) & {one for teacher in objective.teachers for one in teacher.parameters()}


@pytest.fixture
def teachers(pictures, tmp_path):
    """Two short runs."""
    for seed in (0, 1):
        tiny = tiny_settings(pictures, tmp_path / f"teacher-{seed}")
        runs.train(DRAWN, [*tiny, "run.epochs=1", f"run.seed={seed}"])
    return [tmp_path / "teacher-0", tmp_path / "teacher-1"]


def distilled(settings: list[str], folder, teachers) -> list[str]:
    named = ",".join(map(str, teachers))
    others = [one for one in settings if not one.startswith("run.folder")]
    return [*others, "objective.kind=distillation", f"objective.teachers=[{named}]", f"run.folder={folder}"]


def test_an_ensemble_is_distilled_into_one_model_and_the_run_resumes(settings, teachers, tmp_path, monkeypatch):
    runs.train(DRAWN, distilled(settings, tmp_path / "whole", teachers))
    found = losses(tmp_path / "whole")
    trained = [line for line in found if line["kind"] == "train"]
    assert all(line["loss"] > 0 and line["divergence"] > 0 for line in trained)
    tensors, _ = load_checkpoint(tmp_path / "whole" / NEWEST)
    alone, _ = load_checkpoint(teachers[0] / NEWEST)
    assert {name for name in tensors if name.startswith("model/")} == {n for n in alone if n.startswith("model/")}

    def go_out(self, *arguments):
        if self.progress.epoch == 2:
            raise RuntimeError("the power went")
        return validate(self, *arguments)

    validate = loop.Trainer._validate
    monkeypatch.setattr(loop.Trainer, "_validate", go_out)
    stopped = distilled(settings, tmp_path / "stopped", teachers)
    with pytest.raises(RuntimeError, match="the power went"):
        runs.train(DRAWN, stopped)
    monkeypatch.undo()
    runs.train(DRAWN, stopped)
    assert losses(tmp_path / "stopped") == found


def test_a_frozen_encoder_is_shared_with_the_teachers(settings, pictures, tmp_path, teachers):
    frozen = ["encoder.frozen=true", f"encoder.from_run={teachers[0]}", "run.epochs=1"]
    runs.train(DRAWN, [*tiny_settings(pictures, tmp_path / "first"), *frozen])
    second = distilled([*settings, *frozen], tmp_path / "second", [tmp_path / "first"])
    assert [finding.what for finding in diagnose(DRAWN, second)[0] if finding.bad] == []
    runs.train(DRAWN, second)
    with pytest.raises(UserError, match=r"should have the encoder of the model that is trained.*encoder\.from_run="):
        runs.train(DRAWN, distilled([*settings, *frozen], tmp_path / "third", [teachers[1]]))
    assert not (tmp_path / "third").exists()


def test_teachers_that_do_not_fit_are_refused(settings, pictures, tmp_path, teachers):
    tiny = tiny_settings(pictures, tmp_path / "other")
    runs.train(DRAWN, [*tiny, "run.epochs=1", "data.min_count=20"])
    with pytest.raises(UserError, match="a model and its teachers need the same vocabulary"):
        runs.train(DRAWN, distilled(settings, tmp_path / "refused", [teachers[0], tmp_path / "other"]))
    with pytest.raises(UserError, match="nowhere"):
        runs.train(DRAWN, distilled(settings, tmp_path / "refused", [tmp_path / "nowhere"]))
    hard = [one for one in settings if not one.startswith("attention")]
    with pytest.raises(UserError, match="distillation trains the words only"):
        runs.train(DRAWN, [*distilled(hard, tmp_path / "refused", teachers), "attention.kind=hard"])
    with pytest.raises(UserError, match=r"objective: teachers should name trained runs, got none"):
        runs.train(DRAWN, [*distilled(settings, tmp_path / "refused", [])])
    with pytest.raises(UserError, match=r"objective\.teachers is missing"):
        read(DRAWN, ["objective.kind=distillation"])
    with pytest.raises(UserError, match=r"for example objective\.teachers=\[runs/one\]"):
        read(DRAWN, ["objective.kind=distillation", "objective.teachers=runs/one"])
    assert not (tmp_path / "refused").exists()
    assert load(teachers[0]).vocabulary.words


def test_weights_of_an_encoder_are_compared_on_the_students_device(settings, teachers, monkeypatch):
    vocabulary = load(teachers[0]).vocabulary
    student = make_student(read(DRAWN, [*settings, "encoder.frozen=true"]), vocabulary).to("meta")
    devices = []

    def same_weights(theirs, ours):
        devices.extend(tensor.device.type for model in (theirs, ours) for tensor in model.parameters())
        return True

    monkeypatch.setattr(trained_teachers, "same_weights", same_weights)
    trained_teachers.load_teachers([str(teachers[0])], student, vocabulary, check_weights=True)
    assert set(devices) == {"meta"}
