"""Logs of ESPnet's trainer: measures and times of epochs."""

from espnet_entropy.evaluate.training_log import Epoch, read_epochs, training_minutes


def line(number, loss, valid):
    return (
        f"[vm] 2026-11-04 09:00:00,000 (trainer:394) INFO: {number}epoch results: [train] "
        f"iter_time=0.006, loss={loss}, optim0_lr0=4.356e-04, time=1 hour, 2 minutes and 3.5 "
        f"seconds, total_count=120, [valid] loss={valid}, cer=nan, acc=0.5, time=2 seconds, "
        "total_count=6, [att_plot] time=1 second, total_count=0\n"
    )


def started(minute, number=1):
    return f"[vm] 2026-11-04 08:{minute}:00,000 (trainer:161) INFO: {number}/8epoch started\n"


def test_epochs_of_a_resumed_training(tmp_path):
    (tmp_path / "train.2.log").write_text(started(58) + line(1, 9, 9) + line(2, 3, 4))
    (tmp_path / "train.10.log").write_text(started(50, 2) + started(57, 2) + line(2, 2.5, "3.5e-1"))
    (tmp_path / "train.log").write_text("x\n" + line(3, 2, 3) + started(10, 4))
    epochs = read_epochs(tmp_path)
    assert [(e.number, e.train["loss"], e.valid["loss"], e.seconds) for e in epochs] == [
        (1, 9, 9, 120),
        (2, 2.5, 0.35, 180),
        (3, 2, 3, 0),
    ]
    assert epochs[0].valid["cer"] != epochs[0].valid["cer"]
    assert epochs[0].train == dict(iter_time=0.006, loss=9, optim0_lr0=4.356e-04, total_count=120)
    assert training_minutes(tmp_path) == 5
    assert read_epochs(tmp_path / "none") == [] and training_minutes(tmp_path / "none") == 0


def test_an_epoch_done_again_takes_its_time_twice(tmp_path):
    (tmp_path / "train.1.log").write_text(started(58) + line(1, 9, 9))
    (tmp_path / "train.log").write_text(started(59) + line(1, 8, 8))
    assert training_minutes(tmp_path) == 3
    assert [(e.train["loss"], e.seconds) for e in read_epochs(tmp_path)] == [(8, 60)]


def test_an_epoch_without_validation(tmp_path):
    (tmp_path / "train.log").write_text("INFO: 1epoch results: [train] loss=2.000\n")
    assert read_epochs(tmp_path) == [Epoch(1, {"loss": 2.0}, {})]
