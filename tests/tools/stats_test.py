"""stats: what another process counts, as a table, as JSON, and over HTTP for Prometheus."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.request

import process
from process import CommandTest, Running, Server, run

PAGE = f"test-{os.getpid()}"
SAMPLE = re.compile(r'^[a-zA-Z_:][a-zA-Z0-9_:]*\{([a-z]+="([^"\\]|\\.)*",?)+\} [0-9.e+-]+$')


def blocks(name):
    read = json.loads(run("stats", name, "--json").stdout)
    assert read["alive"] is True
    return read["blocks"]


def numbers(name, group):
    return [block for block in blocks(name) if block["group"] == group]


class Stats(CommandTest):
    def test_counts_what_an_echo_server_does(self):
        name = PAGE + "-echo"
        with Server("echo-server", "--stats", name) as server:
            run("connect", server.url, stdin=b"one\ntwo\nthree\n")
            reactor, = numbers(name, "reactor")
            self.assertEqual(reactor["connections_opened"], 1)
            table = run("stats", name).stdout.decode()
            self.assertIn("connections_opened", table)
            self.assertRegex(table, r"last_close_code +1000  \(normal\)")
        self.assertFalse(os.path.exists(f"/dev/shm/zenwire.{name}"))

    def test_sees_an_open_connection_without_its_query(self):
        name = PAGE + "-connect"
        with Server("echo-server") as server:
            url = server.url.rstrip("/") + "/path?token=secret"
            with Running("connect", url, "--stats", name, stdin=subprocess.PIPE) as client:
                client.process.stdin.write(b"hello\n")
                client.process.stdin.flush()
                self.assertEqual(client.process.stdout.readline(), b"hello\n")
                connection, = numbers(name, "connection")
                self.assertEqual(connection["messages_sent"], 1)
                self.assertEqual(connection["messages_received"], 1)
                self.assertTrue(connection["label"].endswith("/path"), connection)
                self.assertNotIn("secret", run("stats", name).stdout.decode())
                by_pid = json.loads(run("stats", "--pid", client.process.pid, "--json").stdout)
                self.assertEqual(by_pid["name"], name)

    def test_shows_what_is_sampled(self):
        name = PAGE + "-sampled"
        with Running("demo", "--stats", name, "--rate", 2000, "--record", self.path("demo.jsonl"),
                     "--report", "", "--warm-up", 10, expect=None):
            deadline = time.monotonic() + process.WATCHDOG_S
            arbitration = []
            while not (arbitration and arbitration[0]["delivered"]):
                self.assertLess(time.monotonic(), deadline)
                done = run("stats", name, "--json", expect=None)  # the page is not there at once
                if done.returncode == 0:
                    arbitration = [block for block in json.loads(done.stdout)["blocks"] if block["group"] == "arbitration"]
            queue, = numbers(name, "queue")
            self.assertGreater(queue["pushed"], 0)
            self.assertLessEqual(queue["used_bytes"], queue["capacity_bytes"])
            self.assertEqual(len(numbers(name, "arbitration_line")), 4)
            self.assertEqual(numbers(name, "lines")[0]["opened"], 4)
            table = run("stats", name).stdout.decode()
            for title in ("queue of the arbitration", "arbitration_line line 3", "outbox", "used_bytes", "dropped"):
                self.assertIn(title, table)
            with Running("stats", name, "--prometheus", 0) as exporter:
                url = exporter.process.stdout.readline().decode().strip()
                with urllib.request.urlopen(url, timeout=process.WATCHDOG_S) as answer:
                    text = answer.read().decode()
        for metric in ("# TYPE zenwire_queue_used_bytes gauge", "# TYPE zenwire_queue_dropped_total counter",
                       "# TYPE zenwire_arbitration_line_wins_total counter", "# TYPE zenwire_outbox_sent_total counter"):
            self.assertIn(metric, text)

    def test_serves_prometheus(self):
        name = PAGE + "-prometheus"
        with Server("echo-server", "--stats", name) as server:
            run("connect", server.url, stdin=b"one\n")
            with Running("stats", name, "--prometheus", 0) as exporter:
                url = exporter.process.stdout.readline().decode().strip()
                with urllib.request.urlopen(url, timeout=process.WATCHDOG_S) as answer:
                    self.assertIn("version=0.0.4", answer.headers["Content-Type"])
                    text = answer.read().decode()
        for line in text.splitlines():
            self.assertTrue(line.startswith("# TYPE ") or SAMPLE.match(line), line)
        self.assertIn(f'zenwire_reactor_connections_opened_total{{instance="{name}",block="0"}} 1',
                      text)
        self.assertIn(f'zenwire_up{{instance="{name}"}} 1', text)
        self.assertEqual(text.count("# TYPE zenwire_reactor_turns_total counter"), 1)

    def test_what_is_not_there_is_an_error_that_names_what_is(self):
        done = run("stats", PAGE + "-absent", expect=1)
        self.assertIn(b"no process publishes statistics under that name", done.stderr)
        done = run("stats", "--pid", 1, expect=1)
        self.assertIn(b"of process 1", done.stderr)

    def test_a_name_in_use_is_refused(self):
        name = PAGE + "-twice"
        with Server("echo-server", "--stats", name):
            done = run("echo-server", "--stats", name, expect=1)
            self.assertIn(b"publishes its statistics under that name", done.stderr)


class WithoutName(CommandTest):
    """In a /dev/shm of its own: what others publish on this machine would be chosen from as well."""

    def setUp(self):
        super().setUp()
        self.room = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /dev/shm && echo ready && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(self.room.communicate)
        if self.room.stdout.readline() != b"ready\n":
            self.skipTest("no namespace may be made here")
        command = self.path("zenwire")
        pathlib.Path(command).write_text(
            f"#!/bin/sh\nexec nsenter -t {self.room.pid} -U -m --preserve-credentials "
            f"'{os.path.abspath(process.BINARY)}' \"$@\"\n")
        os.chmod(command, 0o755)
        self.addCleanup(setattr, process, "BINARY", process.BINARY)
        process.BINARY = command

    def test_the_live_page_is_meant_and_not_one_of_the_dead(self):
        self.assertIn(b"there is none", run("stats", expect=1).stderr)
        with Server("echo-server", "--stats", "killed", signal_at_end=signal.SIGKILL, expect=-9):
            pass
        self.assertTrue(run("stats").stdout.startswith(b"killed, process "))
        with Server("echo-server", "--stats", "feed"):
            self.assertTrue(run("stats").stdout.startswith(b"feed, process "))

    def test_several_are_listed(self):
        with Server("echo-server", "--stats", "killed", signal_at_end=signal.SIGKILL, expect=-9):
            pass
        with Server("echo-server", "--stats", "one"), Server("echo-server", "--stats", "two"):
            errors = run("stats", expect=2).stderr.decode()
        self.assertIn("there are several pages of statistics", errors)
        self.assertIn("killed (ended), one, two", errors)
        self.assertNotIn("no process publishes", errors)


if __name__ == "__main__":
    process.main()
