"""bridge: a subscriber in another process gets the stream from a real nats-server, whole and in
order; a server that goes away costs counted messages and never holds up the engine."""

import json
import os
import signal
import socket
import subprocess
import sys

import process
from process import CommandTest, Running, Server, run

MESSAGES = 20_000


class NatsServer:
    """Debian's nats-server on a port of its own choosing."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            ["nats-server", "--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir", folder],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "Listening for client connections on" in line:
                self.port = int(line.rsplit(":", 1)[1])
            if "Server is ready" in line:
                break
        self.url = f"nats://127.0.0.1:{self.port}"

    def send_signal(self, number):
        self.process.send_signal(number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def subscriber(port, subject, count):
    """Another process: says READY, then the payloads, JSON lines. NATS speaks lines of text."""
    script = r"""
import json, socket, sys
port, subject, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
link = socket.create_connection(("127.0.0.1", port))
file = link.makefile("rb")
file.readline()
link.sendall(f'CONNECT {{"verbose":false}}\r\nSUB {subject} 1\r\nPING\r\n'.encode())
while file.readline().strip() != b"PONG":
    pass
print("READY", flush=True)
got = 0
while got < count:
    line = file.readline()
    if not line:
        break
    if line.startswith(b"MSG"):
        size = int(line.split()[-1])
        print(json.dumps(file.read(size).decode()))
        file.read(2)
        got += 1
    elif line.startswith(b"PING"):
        link.sendall(b"PONG\r\n")
"""
    started = subprocess.Popen([sys.executable, "-c", script, str(port), subject, str(count)],
                               stdout=subprocess.PIPE, text=True)
    assert started.stdout.readline() == "READY\n"
    return started


class Bridge(CommandTest):
    def feed(self, count=MESSAGES):
        source = self.path("source.jsonl")
        rows = [("in", "text", b'{"tick":%d,"pad":"%s"}' % (i, b"x" * (i % 200)))
                for i in range(count)]
        process.write_recording(source, rows)
        return source, [payload.decode() for _, _, payload in rows]

    def test_a_subscriber_gets_the_stream_whole_and_in_order(self):
        for lines in (1, 3):
            source, wanted = self.feed()
            with NatsServer(self.path("")) as nats, Server("serve", "--replay", source) as server:
                reader = subscriber(nats.port, "book", len(wanted))
                done = run("bridge", server.url, "--nats", nats.url, "--subject", "book",
                           "--lines", lines, "--once", "--json")
                got = [json.loads(line) for line in reader.stdout]
                reader.wait()
                reader.stdout.close()
            self.assertEqual(got, wanted)
            result = json.loads(done.stdout)
            self.assertEqual(result["received"], len(wanted))
            self.assertEqual(result["copies"], (lines - 1) * len(wanted))
            self.assertEqual(result["confirmed"], len(wanted))
            self.assertEqual(result["queue_dropped"] + result["nats_dropped"], 0)

    def stop_in_the_middle(self, how, *arguments):
        """The server is stopped once the subscriber has some; the venue's stream then goes on."""
        source, wanted = self.feed()
        with NatsServer(self.path("")) as nats, Server("serve", "--replay", source) as server:
            reader = subscriber(nats.port, "book", 1000)
            with Running("bridge", server.url, "--nats", nats.url, "--subject", "book", "--once",
                         "--json", *arguments, expect=3) as bridge:
                first = reader.stdout.readline()
                nats.send_signal(how)
                bridge.wait()
                result = json.loads(bridge.output)
            reader.kill()
            reader.wait()
            reader.stdout.close()
        self.assertEqual(json.loads(first), wanted[0])
        return result, len(wanted)

    def check_all_accounted_for(self, result, count):
        self.assertEqual(result["received"], count)  # the engine read on to the end
        self.assertEqual(result["reading_paused"], 0)
        self.assertEqual(result["published"] + result["nats_dropped"] + result["queue_dropped"],
                         count)
        self.assertLess(result["confirmed"], count)

    def test_a_killed_server_neither_stops_nor_slows_the_engine(self):
        result, count = self.stop_in_the_middle(signal.SIGKILL)
        self.check_all_accounted_for(result, count)

    def test_a_server_that_hangs_fills_the_queue_which_drops_and_counts(self):
        result, count = self.stop_in_the_middle(signal.SIGSTOP, "--queue", "64K")
        self.check_all_accounted_for(result, count)

    def test_without_a_nats_server_it_says_so(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            done = run("bridge", "ws://127.0.0.1:1/", "--nats",
                       f"nats://user:secret@127.0.0.1:{unused.getsockname()[1]}", expect=1)
        self.assertIn(b"connect_failed", done.stderr)
        self.assertNotIn(b"secret", done.stderr)

    def test_without_a_venue_it_says_so(self):
        with NatsServer(self.path("")) as nats:
            done = run("bridge", "ws://127.0.0.1:1/", "--nats", nats.url, expect=1)
        self.assertIn(b"connect_refused", done.stderr)


if __name__ == "__main__":
    process.main()
