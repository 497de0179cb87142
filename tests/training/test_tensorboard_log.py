"""A run in TensorBoard, read back by TensorBoard's own reader."""

from __future__ import annotations

import sys
import warnings

import pytest
from PIL import Image

from captioner import builder
from captioner.errors import UserError
from captioner.training.run_log import RunLog, check_logs
from tests.helpers import DRAWN


def read(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return events


@pytest.mark.filterwarnings("ignore")
def test_scalars_pictures_and_settings_are_in_tensorboard_and_a_resumed_run_goes_on(tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard: pip install -e '.[tensorboard]'")
    settings = builder.read(DRAWN, ["log.tensorboard=true"]).resolved
    picture = Image.new("RGB", (8, 6), "red")
    log = RunLog(tmp_path, samples=lambda: [(picture, "a red square")], tensorboard=settings)
    for step in (1, 2, 3):
        log.write("train", step, loss=float(step))
    log.write("validation", 3, **{"CIDEr-D": 0.5})
    log.close()
    assert [(image.step, image.width, image.height) for image in read(tmp_path).Images("samples/0")] == [(3, 8, 6)]
    log = RunLog(tmp_path, step=2, tensorboard=settings)
    log.write("train", 3, loss=30.0)
    log.close()
    events = read(tmp_path)
    assert {event.step: event.value for event in events.Scalars("train/loss")} == {1: 1, 2: 2, 3: 30}
    assert "settings/text_summary" in events.Tags()["tensors"]


def test_without_tensorboard_training_does_not_start(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UserError, match=r"log\.tensorboard=true needs tensorboard, .*\[tensorboard\]"):
        check_logs(wandb=False, tensorboard=True)


@pytest.mark.filterwarnings("ignore")
def test_a_run_that_starts_again_from_its_beginning_has_one_curve(tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard: pip install -e '.[tensorboard]'")
    settings = builder.read(DRAWN, ["log.tensorboard=true"]).resolved
    for last in (3, 2):
        log = RunLog(tmp_path, tensorboard=settings)
        for step in range(1, last + 1):
            log.write("train", step, loss=float(10 * last + step))
        log.close()
    assert {event.step: event.value for event in read(tmp_path).Scalars("train/loss")} == {1: 21, 2: 22}
