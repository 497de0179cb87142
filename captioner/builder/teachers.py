"""The trained models that teach another one (`objective.kind=distillation`)."""

from __future__ import annotations

from collections.abc import Sequence

from captioner.builder.loading import model_folder, open_run
from captioner.ensemble import same_options, same_weights
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.text.vocabulary import Vocabulary


def load_teachers(
    names: Sequence[str], student: CaptionModel, vocabulary: Vocabulary, check_weights: bool
) -> list[CaptionModel]:
    """The trained models of `objective.teachers`, on the student's device and in evaluation mode.

    Raises:
        UserError: a teacher has another vocabulary than the student, other regions, or, with `check_weights`, other weights of a frozen
            encoder, whose stored regions all of them read.
    """
    teachers, frozen = [], student.encoder.frozen
    for name in names:
        teacher = open_run(model_folder(name), "best", vocabulary, (), "a model and its teachers").to(student.device)
        ours, theirs = student.encoder, teacher.encoder
        alike = theirs.preprocess == ours.preprocess and theirs.region_size == ours.region_size
        if frozen:  # the teacher reads the student's regions
            alike = alike and same_options(theirs, ours) and (not check_weights or same_weights(theirs, ours))
        if not alike:
            raise UserError(
                f"objective.teachers={name} should have the encoder of the model that is trained, got another network, "
                "other weights, other options (such as align) or another input; "
                f"set encoder as in {name}, with encoder.from_run={name}"
            )
        teacher.requires_grad_(False)
        if frozen:
            teacher.encoder = ours  # one in memory
        teachers.append(teacher.eval())
    return teachers
