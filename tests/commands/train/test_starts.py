"""The start of a run: what is refused leaves nothing behind, a kill in the first moments too, and two starts do not mix."""

from __future__ import annotations

import pytest
import torch

from captioner import builder
from captioner.builder import load, run_folder
from captioner.builder.loading import fill_from
from captioner.commands.doctor import diagnose
from captioner.commands.train import training_run as runs
from captioner.errors import Interrupted, UserError
from captioner.training import word_evidence
from captioner.training.checkpoints import BEST, NEWEST, load_checkpoint, save_checkpoint
from tests.commands.train.test_resume import Powerless, StopAfter
from tests.helpers import DRAWN, tiny_settings

REFUSED = {
    "min_length": ["search.min_length=30", "search.max_length=20"],
    "groups": ["search.kind=diverse_beam", "search.beams=4", "search.groups=3"],
    "seed": ["run.seed=10000000000"],
    "samples": ["objective.kind=self_critical", "objective.samples=1"],
    "no reward": ["objective.kind=self_critical", "objective.cider=0"],
    "hard on scores": ["objective.kind=self_critical", "attention.kind=hard"],
    "no teachers": ["objective.kind=distillation", "objective.teachers=[]"],
    "encoder rate": ["encoder.kind=squeezenet1_1", "encoder.weights=none", "optimiser.encoder_learning_rate=0.1"],
    "batch": ["run.batch_size=2", "run.accumulate=4"],
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_start_writes_nothing(settings, tmp_path, name):
    changed = {option.split(".")[0] for option in REFUSED[name] if ".kind=" in option}
    others = [one for one in settings if one.split(".")[0] not in changed]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError):
        runs.train(DRAWN, [*others, *REFUSED[name]])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["min_length", "groups", "no reward", "hard on scores", "batch"])
def test_the_doctor_is_not_ready_to_train_what_training_refuses(settings, name):
    changed = {option.split(".")[0] for option in REFUSED[name] if ".kind=" in option}
    others = [one for one in settings if one.split(".")[0] not in changed]
    assert [finding.what for finding in diagnose(DRAWN, settings)[0] if finding.bad] == []
    findings, _ = diagnose(DRAWN, [*others, *REFUSED[name]])
    with pytest.raises(UserError) as refused:
        runs.train(DRAWN, [*others, *REFUSED[name]])
    assert str(refused.value) in [finding.what for finding in findings if finding.bad]


LEFT = [".settings.yaml.0123abcd.tmp", ".writable", "..writable.0123abcd.tmp", ".lock", ".vocabulary.json.0123abcd.tmp"]


def test_a_start_that_was_killed_in_its_first_moments_is_started_again(settings, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in LEFT:
        (folder / name).write_text("", encoding="utf-8")
    (folder / ".encoder.safetensors.0123abcd.tmp").mkdir()
    runs.train(DRAWN, [*settings, "run.epochs=1"])
    assert {path.name for path in folder.iterdir() if path.name.startswith(".")} == {".lock"}
    (folder / ".newest.safetensors.0123abcd.tmp").mkdir()  # killed after the last checkpoint was in its place
    with pytest.raises(UserError, match="is a finished run"):
        runs.train(DRAWN, [*settings, "run.epochs=1"])
    assert {path.name for path in folder.iterdir() if path.name.startswith(".")} == {".lock"}


def test_a_start_without_a_checkpoint_is_corrected_by_the_next(settings, tmp_path):
    """For example one that ended because no photo could be read, or because its loss was no number at once."""
    folder = tmp_path / "run"
    with pytest.raises(RuntimeError, match="the power went"):
        runs.train(DRAWN, [*settings, "data.min_count=1"], Powerless())
    assert (folder / "settings.yaml").exists()
    runs.train(DRAWN, [*settings, "run.epochs=1", "data.min_count=3", "decoder.hidden_size=20"])
    assert run_folder.read_run_settings(folder).decoder.options["hidden_size"] == 20
    assert (folder / BEST).exists()


def test_what_a_start_without_a_checkpoint_learned_of_the_words_is_not_used_with_others(settings, tmp_path):
    assert run_folder.EVIDENCE == word_evidence.FILE
    with pytest.raises(RuntimeError, match="the power went"):
        runs.train(DRAWN, settings, Powerless())
    (tmp_path / "run" / word_evidence.FILE).write_bytes(b"of other words")
    runs.train(DRAWN, [*settings, "run.epochs=1", "data.min_count=3"])
    assert not (tmp_path / "run" / word_evidence.FILE).exists()


def test_a_folder_that_cannot_be_written_to_is_named_without_a_temporary_file(settings, tmp_path):
    (tmp_path / "run").write_text("", encoding="utf-8")
    with pytest.raises(
        UserError, match=r"cannot write into \S*run \(a part of this path is a file and no folder; check the path\)"
    ):
        runs.train(DRAWN, settings)


def test_a_folder_with_files_of_others_is_still_refused(settings, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="holds other files and no run"):
        runs.train(DRAWN, settings)


def test_a_start_that_was_faster_is_seen_under_the_lock(pictures, tmp_path, monkeypatch):
    """Two starts with other settings find an empty folder; the second has read its data when the first has ended."""
    one = tiny_settings(pictures, tmp_path / "run")
    monkeypatch.setattr(runs, "read_splits", first_starts(one, runs.read_splits))
    with pytest.raises(UserError, match=r"was started with decoder\.dropout=0\.1, now it is 0\.3"):
        runs.train(DRAWN, [*one, "decoder.dropout=0.3"])
    assert run_folder.read_run_settings(tmp_path / "run").decoder.options["dropout"] == 0.1
    runs.train(DRAWN, one)
    assert load_checkpoint(tmp_path / "run" / NEWEST)[1]["progress"]["finished"]


def first_starts(settings, read):
    """Reading the data, which takes so long that another start trains up to a checkpoint."""
    started = []

    def read_slowly(*arguments):
        if not started:
            started.append(True)
            with pytest.raises(Interrupted):
                runs.train(DRAWN, settings, StopAfter(2))
        return read(*arguments)

    return read_slowly


def test_a_run_goes_on_with_the_frozen_encoder_that_it_began_with(settings, tmp_path):
    first, second = tmp_path / "first", tmp_path / "run"
    others = [one for one in settings if not one.startswith("run.folder")]
    runs.train(DRAWN, [*others, f"run.folder={first}", "run.epochs=1"])
    taken = [*settings, "encoder.frozen=true", f"encoder.from_run={first}"]
    with pytest.raises(Interrupted):
        runs.train(DRAWN, taken, StopAfter(8))
    tensors, state = load_checkpoint(first / BEST)
    save_checkpoint(first / BEST, {name: tensor * 1.5 for name, tensor in tensors.items()}, state)
    trained = []
    make_start = builder.make_start

    def kept(*arguments):
        trained.append(make_start(*arguments))
        return trained[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "make_start", kept)
        runs.train(DRAWN, taken)
    of_file, _ = load_checkpoint(second / builder.ENCODER)
    used = trained[0][1].encoder.state_dict()
    assert all(torch.equal(tensor, used[name]) for name, tensor in of_file.items())


def test_a_run_goes_on_without_the_run_that_it_began_from(settings, tmp_path):
    others = [one for one in settings if not one.startswith("run.folder")]
    runs.train(DRAWN, [*others, f"run.folder={tmp_path / 'first'}", "run.epochs=1"])
    begun = [*settings, f"run.from_run={tmp_path / 'first'}"]
    with pytest.raises(Interrupted):
        runs.train(DRAWN, begun, StopAfter(8))
    (tmp_path / "first").rename(tmp_path / "elsewhere")
    runs.train(DRAWN, begun)
    assert load_checkpoint(tmp_path / "run" / NEWEST)[1]["progress"]["finished"]


def test_an_encoder_that_was_trained_can_be_frozen_in_the_next_run(settings, tmp_path):
    runs.train(DRAWN, [*settings, "run.epochs=1"])
    more = [
        f"run.from_run={tmp_path / 'run'}",
        f"run.folder={tmp_path / 'next'}",
        "encoder.frozen=true",
        "run.epochs=1",
    ]
    with pytest.raises(UserError, match=r"has encoder\.frozen=False, got True"):
        runs.train(DRAWN, [*settings, *more])
    model = builder.make_model(
        builder.read(DRAWN, [*settings, "encoder.frozen=true"]), load(tmp_path / "run").vocabulary
    )
    fill_from(model, tmp_path / "run", "best")
    tensors, _ = load_checkpoint(tmp_path / "run" / BEST)
    own = {name.removeprefix("encoder."): tensor for name, tensor in tensors.items() if name.startswith("encoder.")}
    assert own
    assert all(torch.equal(tensor, own[name]) for name, tensor in model.encoder.state_dict().items())
