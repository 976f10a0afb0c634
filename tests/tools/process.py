"""Runs the zenwire command for the tests: argv[1] of a test program is the binary.

Nothing here sleeps. A test waits for what a process prints, or looks at a shared page until it says
what is waited for; WATCHDOG_S only turns a hang into a failure.
"""

import base64
import json
import mmap
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

WATCHDOG_S = 120
BINARY = None
SANITIZED = bool(os.environ.get("ZENWIRE_SANITIZE"))  # everything takes ten times as long
SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def run(*arguments, stdin=b"", expect=0, **keywords):
    """The finished process; fails when it ends with another code."""
    done = subprocess.run([BINARY, *map(str, arguments)], input=stdin, capture_output=True,
                          timeout=WATCHDOG_S, check=False, **keywords)
    if expect is not None and done.returncode != expect:
        raise AssertionError(f"zenwire {' '.join(map(str, arguments))}: exit code {done.returncode}, "
                             f"not {expect}\nstdout: {done.stdout[-2000:]!r}\n"
                             f"stderr: {done.stderr.decode(errors='replace')}")
    return done


class Running:
    """A zenwire process in the background; the with-block ends it."""

    def __init__(self, *arguments, expect=0, signal_at_end=signal.SIGTERM, **keywords):
        self.expect = expect
        self.signal_at_end = signal_at_end
        self.errors = tempfile.TemporaryFile()
        keywords.setdefault("stdin", subprocess.DEVNULL)
        self.process = subprocess.Popen([BINARY, *map(str, arguments)], stdout=subprocess.PIPE,
                                        stderr=self.errors, **keywords)

    def line(self):
        return self.process.stdout.readline().decode().rstrip("\n")

    def stop(self, how):
        self.process.send_signal(how)
        return self.wait()

    def wait(self):
        self.output = self.process.stdout.read()
        return self.process.wait(timeout=WATCHDOG_S)

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.stop(self.signal_at_end)
        code = self.process.returncode
        self.process.stdout.close()
        errors = self.stderr()
        self.errors.close()
        if kind is None and self.expect is not None and code != self.expect:
            raise AssertionError(f"{self.process.args}: exit code {code}, not {self.expect}\n{errors}")


class Server(Running):
    """serve or echo-server: url is its first line."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.url = self.line()
        if not self.url.startswith("ws"):
            self.process.wait(timeout=WATCHDOG_S)
            raise AssertionError(f"no URL from {self.process.args}: {self.stderr()}")


class Status:
    """The shared page of `record --status`: magic, records, events, bytes, dropped, dropped bytes."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.page = mmap.mmap(file.fileno(), 48, access=mmap.ACCESS_READ)

    def records(self):
        magic, records = struct.unpack_from("<QQ", self.page)
        assert magic in (0, 0x3174617473777A7F), hex(magic)  # 0: the recorder is just starting
        return records


def wait_for_file(path, process):
    """Until a file has 48 bytes, or the process has ended."""
    while not (os.path.exists(path) and os.path.getsize(path) >= 48):
        if process.poll() is not None:
            return False
        os.sched_yield()
    return True


def messages(path, direction="in"):
    """(type, payload bytes) of a recording's text and binary lines, read by Python's own parser."""
    found = []
    with open(path, "rb") as file:
        for line in file:
            if not line.endswith(b"\n") or line.startswith(b"\0"):
                break
            record = json.loads(line)
            if record.get("dir") != direction or record["type"] not in ("text", "binary"):
                continue
            data = record["data"]
            payload = base64.b64decode(data) if record.get("binary") else data.encode()
            found.append((record["type"], payload))
    return found


def captures():
    """The capture files. Missing ones skip the test, and fail it under CI=true."""
    source = pathlib.Path(os.environ["ZENWIRE_SOURCE_DIR"])
    folder = pathlib.Path(os.environ.get("ZENWIRE_CAPTURES") or
                          source.parent / "shared" / "data" / "captures")
    files = sorted(folder.glob("*.jsonl"))
    if files:
        return files
    if os.environ.get("CI") in ("true", "1"):
        raise AssertionError(f"CI=true, and there are no captures in {folder} (set ZENWIRE_CAPTURES)")
    raise unittest.SkipTest(f"no captures in {folder} (set ZENWIRE_CAPTURES)")


def write_recording(path, rows):
    """A recording of zen_websocket's kind: rows are (direction, type, payload bytes)."""
    with open(path, "w", encoding="utf-8") as file:
        for number, (direction, kind, payload) in enumerate(rows):
            seconds, micros = divmod(number * 250, 1_000_000)
            row = {"ts": f"2026-01-20T15:30:{seconds:02}.{micros:06}Z", "dir": direction,
                   "type": kind}
            if kind == "binary":
                row.update(data=base64.b64encode(payload).decode(), binary=True)
            else:
                row["data"] = payload.decode()
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


class CommandTest(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory(prefix="zenwire-")
        self.addCleanup(self._folder.cleanup)

    def path(self, name):
        return os.path.join(self._folder.name, name)


def main():
    global BINARY
    BINARY = sys.argv.pop(1)
    program = unittest.main(module="__main__", exit=False)
    if not program.result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if program.result.skipped else 0)
