"""What a benchmark client spends on a message, counted rather than timed: user-space instructions (callgrind) and system calls.

A count is the slope between a shorter and a longer run, so that what a run costs once drops out. Used by tools/instructions and
tools/peers.
"""

import pathlib
import re
import shutil
import subprocess
import tempfile

TIMEOUT_S = 120


class CountError(Exception):
    """A client, or what counts it, ended with an error."""


class ServerProcess:
    """The benchmark server, by its command line, for as long as the block lasts."""

    def __init__(self, command):
        self.command = command

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=TIMEOUT_S)


class Server(ServerProcess):
    """The same with a certificate of its own, and what a client of it is told."""

    def __init__(self, programs, tls, *options):
        self.folder = tempfile.TemporaryDirectory()
        self.ca = str(pathlib.Path(self.folder.name, "ca.pem"))
        self.tls = ["--tls", "--ca", self.ca] if tls else []
        command = [str(programs / "server"), *(options or ("--wait", "block"))]
        super().__init__(command + (["--tls", "--ca-out", self.ca] if tls else []))

    def __exit__(self, *error):
        super().__exit__(*error)
        self.folder.cleanup()

    def client_options(self, mode, *options):
        """The command line of a client that talks to this server."""
        return ["--host", "127.0.0.1", "--port", str(self.port), "--mode", mode, "--cpu", "0", *options, *self.tls]


def run(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise CountError(f"{' '.join(map(str, command))}: not done after {TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise CountError(f"{' '.join(map(str, command))}: exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stderr


def instructions(command):
    """All that a program spends in user space."""
    told = run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command])
    return int(re.search(r"Collected : (\d+)", told).group(1))


def has_perf():
    """Whether perf may count system calls here: it needs root, or a kernel.perf_event_paranoid that lets one."""
    if shutil.which("perf") is None:
        return False
    return subprocess.run(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "true"], capture_output=True, check=False).returncode == 0


def system_calls_by_perf(command):
    """At the program's own speed."""
    told = run(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", *command])
    return int(re.search(r"^(\d+),,raw_syscalls:sys_enter", told, re.MULTILINE).group(1))


def system_calls_by_strace(command):
    """Each call is slower, so the server gets further ahead and a read brings more: somewhat fewer than at full speed."""
    with tempfile.NamedTemporaryFile("r") as table:
        run(["strace", "-c", "-f", "-o", table.name, *command])
        return int(re.search(r"^\s*100.00\s+\S+\s+\S+\s+(\d+).* total$", table.read(), re.MULTILINE).group(1))


def per_message(count, command, lengths, runs=1):
    """The median slope of `count` over `runs` pairs. `command` is all but the number of messages; `lengths` are the two."""
    short, long = lengths

    def slope():
        few, many = (count([*command, "--count", str(length), "--warmup", "100"]) for length in (short, long))
        return (many - few) / (long - short)

    return sorted(slope() for _ in range(runs))[runs // 2]


def stripped(program, folder):
    """A copy without symbols: callgrind then reads none, and the count does not depend on them."""
    copy = pathlib.Path(folder, pathlib.Path(program).name)
    subprocess.run(["strip", "-o", copy, program], check=True)
    return copy
