"""examples/redis_discovery against a real redis-server: members are registered as they connect and
taken out as they disconnect. argv: the example, the zenwire command."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest

EXAMPLE, ZENWIRE = sys.argv.pop(1), sys.argv.pop(1)
WATCHDOG_S = 60


class Process:
    def __init__(self, *line):
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)

    def lines(self, count):
        return sorted(self.process.stdout.readline().rstrip("\n") for _ in range(count))

    def until(self, words):
        for line in self.process.stdout:
            if words in line:
                return line
        raise AssertionError(f"{self.process.args} ended before it said {words!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=WATCHDOG_S)
        self.process.stdout.close()


class RedisDiscovery(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="zenwire-")
        self.addCleanup(folder.cleanup)
        self.socket = os.path.join(folder.name, "redis.sock")
        self.folder = folder.name

    def redis(self):
        server = Process("redis-server", "--port", "0", "--unixsocket", self.socket, "--dir",
                         self.folder, "--save", "")
        server.until("ready to accept connections")
        return server

    def ask(self, *command):
        done = subprocess.run(["redis-cli", "-s", self.socket, *command], capture_output=True,
                              text=True, check=True, timeout=WATCHDOG_S)
        return sorted(done.stdout.split())

    def venue(self):
        server = Process(ZENWIRE, "echo-server")
        return server, server.process.stdout.readline().rstrip("\n")

    def test_members_are_registered_and_taken_out(self):
        with self.redis():
            venue, url = self.venue()
            with venue:
                with Process(EXAMPLE, self.socket, "a", url, "2") as a:
                    a.lines(2)
                    with Process(EXAMPLE, self.socket, "b", url, "1") as b:
                        self.assertEqual(b.lines(1), ["registered b/0, 3 in all"])
                        self.assertEqual(self.ask("HKEYS", "zenwire:members"),
                                         ["a/0", "a/1", "b/0"])
                        self.assertEqual(self.ask("HGET", "zenwire:members", "b/0"), [url])
                    self.assertEqual(self.ask("HKEYS", "zenwire:members"), ["a/0", "a/1"])
                    venue.process.kill()
                    a.until("removed a/")
                    a.until("removed a/")
                    self.assertEqual(self.ask("HKEYS", "zenwire:members"), [])

    def test_connections_go_on_while_redis_is_away(self):
        venue, url = self.venue()
        with venue, Process(EXAMPLE, self.socket, "a", url, "2") as a:
            with self.redis():  # late
                a.lines(2)
                self.assertEqual(self.ask("HLEN", "zenwire:members"), ["2"])


if __name__ == "__main__":
    unittest.main()
