"""Training on two processes (gloo, CPU) through the launcher: ESPnet's spawn, or started by hand.

ESPnet itself spawns only where it has several GPUs; `spawn_ranks.py` does on CPUs what
`AbsTask.main` does there: the same start method, target and arguments.
"""

import subprocess

import pytest
import torch
from launching import (
    LAUNCHER,
    SMALL,
    entropy_frontend,
    environment,
    execute,
    prepare_speech,
    write_config,
)

# Every rank keeps its parameters, of which ESPnet saves the first one's.
KEEP = """
import torch
from espnet2.tasks.asr import ASRTask
from espnet2.train.trainer import Trainer

class Keeping(Trainer):
    @classmethod
    def run(cls, model, distributed_option, **others):
        torch.save(model.state_dict(), f"start{distributed_option.dist_rank}.pth")
        super().run(model=model, distributed_option=distributed_option, **others)
        torch.save(model.state_dict(), f"rank{distributed_option.dist_rank}.pth")

class Task(ASRTask):
    trainer = Keeping
"""
TRAIN_RANK = """
from keep import Task

def main():
    Task.main()
"""
SPAWN_RANKS = """
import argparse
import torch
from espnet2.train.distributed_utils import resolve_distributed_mode
from keep import Task

def main():
    args = Task.get_parser().parse_args()
    args.version = "any"
    args.dist_rank = 0
    resolve_distributed_mode(args)
    assert args.distributed and not args.multiprocessing_distributed
    spawn = torch.multiprocessing.get_context("spawn")
    children = []
    for rank in range(args.dist_world_size):
        local = argparse.Namespace(**vars(args))
        local.dist_rank = rank
        children.append(spawn.Process(target=Task.main_worker, args=(local,)))
        children[-1].start()
    for child in children:
        child.join()
    raise SystemExit(max(abs(child.exitcode) for child in children))
"""
PROGRAMS = {"keep.py": KEEP, "train_rank.py": TRAIN_RANK, "spawn_ranks.py": SPAWN_RANKS}


def command(parts, folder, module):
    for name, text in PROGRAMS.items():
        (folder / name).write_text(text)
    words = prepare_speech(parts, folder)
    write_config(
        folder / "asr.yaml",
        **SMALL,
        # A mask of zero leaves a parameter without a gradient, which DDP does not forgive.
        **entropy_frontend(parts, unit_mask=0.0),
        normalize=None,
        specaug=None,
        model_conf=dict(ctc_weight=0.5, extract_feats_in_collect_stats=False),
    )
    return [
        *(*LAUNCHER, "-m", module, "--config", "asr.yaml", *words, "--max_epoch", "3"),
        *("--dist_world_size", "2", "--dist_backend", "gloo", "--output_dir", "asr"),
        *("--dist_init_method", f"file://{folder}/meeting", "--multiprocessing_distributed"),
        "false",
    ]


def by_hand(parts, folder):
    words = command(parts, folder, "train_rank")
    logs = [open(folder / f"log{rank}", "w+") for rank in (0, 1)]
    ranks = [
        subprocess.Popen(
            [*words, "--dist_rank", str(rank)], cwd=folder, env=environment(), stderr=logs[rank]
        )
        for rank in (0, 1)
    ]
    codes = [rank.wait() for rank in ranks]
    return codes, "".join((folder / f"log{rank}").read_text() for rank in (0, 1))


def spawned(parts, folder):
    done = execute(*command(parts, folder, "spawn_ranks"), cwd=folder)
    return [done.returncode], done.stderr


@pytest.mark.long
@pytest.mark.parametrize("start", [by_hand, spawned], ids=["by-hand", "spawned"])
def test_parameters_stay_equal(parts, tmp_path, start):
    codes, log = start(parts, tmp_path)
    assert not any(codes), log[-3000:]
    states = [torch.load(tmp_path / f"rank{rank}.pth", weights_only=True) for rank in (0, 1)]
    starts = [torch.load(tmp_path / f"start{rank}.pth", weights_only=True) for rank in (0, 1)]
    assert states[0].keys() == states[1].keys()
    for name in states[0]:
        assert torch.equal(starts[0][name], starts[1][name]), name
        assert torch.equal(states[0][name], states[1][name]), name
    moved = [name for name in states[0] if not torch.equal(states[0][name], starts[0][name])]
    assert "frontend.encoder.embedding.weight" in moved and "ctc.ctc_lo.weight" in moved
    saved = torch.load(tmp_path / "asr/3epoch.pth", weights_only=True)
    assert all(torch.equal(saved[name], states[0][name]) for name in saved)


SPAWN = """
import multiprocessing

def child():
    import espnet2.tasks.lm
    print("llama" in espnet2.tasks.lm.lm_choices.classes)

def main():
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    process.join()
    raise SystemExit(process.exitcode)
"""


def test_a_spawned_child_is_registered(tmp_path):
    """The quick part of the above: the child runs no line of the launcher's `main()`."""
    (tmp_path / "spawning.py").write_text(SPAWN)
    done = execute(*LAUNCHER, "-m", "spawning", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # ESPnet itself prints a line about Flash Attention, depending on its version.
    assert done.stdout.splitlines()[-1] == "True"
