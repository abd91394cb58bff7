"""Trainings on two nodes of a real Slurm, through ESPnet's launcher, srun and gloo."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from launching import (
    LAUNCHER,
    SMALL,
    entropy_frontend,
    environment,
    prepare_speech,
    same_data,
    write_config,
)

SLURM_PL = Path(__file__).parents[2] / "egs2/TEMPLATE/utils/slurm.pl"
pytestmark = pytest.mark.long


def asr(parts, folder):
    write_config(
        folder / "train.yaml",
        **SMALL,
        **entropy_frontend(parts),
        normalize=None,
        specaug=None,
        model_conf=dict(ctc_weight=0.5, extract_feats_in_collect_stats=False),
    )
    return ["-m", "espnet2.bin.asr_train", *prepare_speech(parts, folder)]


def unit_lm(parts, folder):
    conf = dict(hidden_size=16, num_layers=2, num_heads=2, context=8)
    write_config(folder / "train.yaml", lm="llama", lm_conf=conf)
    return [
        *("-m", "espnet2.bin.lm_train", "--use_preprocessor", "false"),
        *("--token_list", str(parts.codebook / "tokens.txt")),
        *same_data(f"{parts.units}/units.scp,text,kaldi_ark", shape=f"{parts.units}/text_shape"),
    ]


def start(cluster, folder, words, *options, nodes=2):
    """`asr.sh --num_nodes 2` starts its trainings so."""
    command = [
        *(sys.executable, "-m", "espnet2.bin.launch", "--cmd", " ".join([str(SLURM_PL), *options])),
        *("--log", "train.log", "--ngpu", "0", "--num_nodes", str(nodes)),
        *("--init_file_prefix", ".dist_init_", "--", *LAUNCHER, *words),
        *("--config", "train.yaml", "--output_dir", "model", "--resume", "true"),
    ]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment() | cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("task", [asr, unit_lm])
def test_two_nodes_train_together(cluster, parts, tmp_path, task):
    words = [*task(parts, tmp_path), "--max_epoch", "2"]
    process = start(cluster, tmp_path, words)
    output = process.communicate(timeout=300)[0]
    log = (tmp_path / "train.log").read_text()
    assert process.returncode == 0, output[-3000:] + log[-3000:]
    # Only the first process writes a log, with its rank and how many have met: [host:rank/size].
    assert set(re.findall(r"\[\S+:(\d/\d)\]", log)) == {"0/2"}
    assert "2epoch results" in log
    state = torch.load(tmp_path / "model/2epoch.pth", weights_only=True)
    assert all(value.isfinite().all() for value in state.values())


def test_a_preempted_training_goes_on_from_its_last_epoch(cluster, parts, tmp_path):
    """`scontrol requeue` is what preemption, the loss of a node and our time limit come down to."""
    words = [*asr(parts, tmp_path), "--max_epoch", "60"]
    process = start(cluster, tmp_path, words, "--requeue", "true")
    limit = time.time() + 120
    while not (tmp_path / "model/3epoch.pth").exists():
        assert time.time() < limit and process.poll() is None
        time.sleep(0.1)
    job = cluster.ask("squeue", "-h", "-o", "%A").split()[0]
    cluster.ask("scontrol", "requeue", job)
    # Slurm keeps a job that was put back waiting for two minutes.
    cluster.ask("scontrol", "update", f"JobId={job}", "StartTime=now")
    while "restart 1" not in (tmp_path / "train.log").read_text():
        cluster.ask("scontrol", "update", f"JobId={job}", "StartTime=now")
        assert time.time() < limit + 200
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.5)
    output = process.communicate(timeout=400)[0]
    log = (tmp_path / "train.log").read_text()
    assert process.returncode == 0, output[-3000:] + log[-3000:]
    before, after = log.split("restart 1")
    first = int(re.findall(r"(\d+)/60epoch started", after)[0])
    assert 3 < first <= int(re.findall(r"(\d+)/60epoch started", before)[-1]) + 1
    assert "60epoch results" in after
    assert os.path.exists(tmp_path / "model/60epoch.pth")
