"""A real Slurm of two nodes with fake GPUs on this machine, started and stopped by a test.

It needs slurmctld, slurmd and munged (Debian: slurm-wlm, munge), and neither root nor a network.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel")
NODES = ("node1", "node2")

CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ReturnToService=2
SlurmdTimeout=10
MinJobAge=60
KillWait=2
InactiveLimit=0
MaxArraySize=20
MpiDefault=none
SwitchType=switch/none
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{nodes}
PartitionName=all Nodes={names} Default=YES MaxTime=1:00:00 State=UP OverTimeLimit=0
PartitionName=short Nodes={names} MaxTime=0:01:00 State=UP
PartitionName=urgent Nodes={names} MaxTime=1:00:00 State=UP PriorityTier=10
"""


def missing() -> list[str]:
    """What has to be installed."""
    return [name for name in NEEDED if tool(name) is None]


def tool(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Cluster:
    """Daemons in a folder of their own; `environment` is what its users need."""

    def __init__(self, folder: Path):
        self.folder, self.processes = folder, {}
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}

    def start(self):
        for name in ("state", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.folder.chmod(0o755)
        for number in range(4):
            (self.folder / f"gpu{number}").symlink_to("/dev/null")
        self._write_config()
        munge = [f"--{name}={self.folder}/munge.{name}" for name in ("socket", "pid-file")]
        munge += [f"--key-file={key}", f"--seed-file={self.folder}/munge.seed"]
        munge += [f"--log-file={self.folder}/munge.log", "--num-threads=2", "--force"]
        self._launch("munged", *munge, "--foreground")
        self._until("munged", lambda: (self.folder / "munge.socket").exists())
        self._launch("slurmctld", "-D", "-f", self.folder / "slurm.conf")
        for node in NODES:
            self.start_node(node)
        self._until("idle nodes", lambda: self.ask("sinfo", "-h", "-o", "%t %D") == "idle 2")

    def _write_config(self):
        user = os.environ.get("USER") or subprocess.check_output(["id", "-un"], text=True).strip()
        nodes = "\n".join(
            f"NodeName={node} NodeAddr=127.0.0.1 Port={free_port()} CPUs=4 RealMemory=4000 "
            f"Gres=gpu:2 State=UNKNOWN"
            for node in NODES
        )
        text = CONFIG.format(
            host=socket.gethostname(),
            port=free_port(),
            folder=self.folder,
            user=user,
            nodes=nodes,
            names=",".join(NODES),
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(
            f"NodeName=node1 Name=gpu File={self.folder}/gpu[0-1]\n"
            f"NodeName=node2 Name=gpu File={self.folder}/gpu[2-3]\n"
        )

    def start_node(self, node: str):
        self._launch("slurmd", "-D", "-N", node, "-f", self.folder / "slurm.conf", name=node)

    def stop_node(self, node: str):
        """As a machine that fails: the daemon and what it runs are gone at once."""
        self.processes.pop(node).kill()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, UnicodeDecodeError):
                continue
            if command.startswith("slurmstepd") and self._is_ours(process, node):
                os.kill(int(process.name), signal.SIGKILL)

    def _is_ours(self, process: Path, node: str) -> bool:
        try:
            return str(self.folder).encode() in (process / "environ").read_bytes()
        except OSError:
            return False

    def _launch(self, program, *arguments, name=None):
        log = open(self.folder / f"{name or program}.out", "ab")
        self.processes[name or program] = subprocess.Popen(
            [tool(program), *map(str, arguments)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=os.environ | self.environment,
            start_new_session=True,
        )
        log.close()

    def ask(self, *command) -> str:
        ran = subprocess.run(
            [str(word) for word in command],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
        )
        return ran.stdout.strip()

    def _until(self, what, condition, seconds=30.0):
        limit = time.time() + seconds
        while not condition():
            if time.time() > limit:
                logs = "\n".join(
                    f"{path.name}: {path.read_text(errors='replace')[-1500:]}"
                    for path in sorted(self.folder.glob("*.*"))
                    if path.suffix in (".log", ".out")
                )
                raise RuntimeError(f"no {what} after {seconds:g} s\n{logs}")
            time.sleep(0.1)

    def stop(self):
        self.ask("scancel", "--full", "-u", str(os.getuid()))
        limit = time.time() + 15
        while self.ask("squeue", "-h") and time.time() < limit:
            time.sleep(0.2)
        for name in (*NODES, "slurmctld", "munged"):
            process = self.processes.pop(name, None)
            if process is not None:
                process.terminate()
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
