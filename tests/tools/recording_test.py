"""record, replay and serve: what was sent is what was recorded, byte for byte and in order."""

import json
import random
import signal
import subprocess
import sys

import process
from process import CommandTest, Running, Server, Status, messages, run, wait_for_file

SEED = random.SystemRandom().randrange(1 << 32)


def sample(count=1000, seed=7):
    """Rows in both directions: texts with everything that JSON escapes, binary, one large."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        direction = "out" if number % 17 == 0 else "in"
        if number % 5 == 0:
            rows.append((direction, "binary", chance.randbytes(chance.randrange(300))))
        else:
            text = f"{number} " + "".join(chance.choices('ab"\\\n\t\x01é世😀', k=chance.randrange(200)))
            rows.append((direction, "text", text.encode()))
    rows.append(("in", "text", b"L" * 709_000))
    return rows


class Replay(CommandTest):
    def setUp(self):
        super().setUp()
        self.file = self.path("session.jsonl")
        self.rows = [("out", "text", b"subscribe"), ("in", "text", b"tick 1"),
                     ("in", "binary", b"\x00\xff"), ("in", "text", "é\n".encode())]
        process.write_recording(self.file, self.rows)

    def test_prints_payloads(self):
        self.assertEqual(run("replay", self.file).stdout, "subscribe\ntick 1\nAP8=\né\n\n".encode())
        self.assertEqual(run("replay", self.file, "--dir", "out").stdout, b"subscribe\n")
        self.assertEqual(run("replay", self.file, "--raw", "--dir", "in").stdout,
                         b"tick 1\x00\xff" + "é\n".encode())

    def test_time_range(self):
        self.assertEqual(run("replay", self.file, "--from", "+0.0002", "--to", "+0.0005").stdout,
                         b"tick 1\n")
        self.assertEqual(
            run("replay", self.file, "--from", "2026-01-20T15:30:00.0005Z", "--raw").stdout,
            b"\x00\xff" + "é\n".encode())
        self.assertIn(b"no time", run("replay", self.file, "--to", "noon", expect=2).stderr)

    def test_original_timing_prints_the_same(self):
        self.assertEqual(run("replay", self.file, "--speed", "1").stdout,
                         run("replay", self.file).stdout)

    def test_metadata(self):
        data = json.loads(run("replay", self.file, "--metadata", "--json").stdout)
        self.assertEqual((data["messages"], data["in"], data["out"]), (4, 3, 1))
        self.assertEqual(data["duration_ns"], 750_000)
        self.assertEqual(data["types"]["binary"], 1)
        self.assertIn(b"messages  4: 3 in", run("replay", self.file, "--metadata").stdout)

    def test_json_prints_the_lines(self):
        with open(self.file, "rb") as file:
            self.assertEqual(run("replay", self.file, "--json").stdout, file.read())

    def test_a_torn_tail_is_noted_and_a_bad_line_is_data_lost(self):
        with open(self.file, "ab") as file:
            file.write(b'{"ts":"2026-01-20T15:30:01.000000Z","dir":"in","ty')
        done = run("replay", self.file)
        self.assertIn(b"unfinished", done.stderr)
        with open(self.file, "ab") as file:
            file.write(b"\nnot json\n")
        done = run("replay", self.file, expect=3)
        self.assertIn(b"lines are no records", done.stderr)

    def test_a_reader_that_has_gone(self):
        process.write_recording(self.file, [("in", "text", b"x" * 1000)] * 5000)
        done = subprocess.run(f"'{process.BINARY}' replay '{self.file}' | head -n 1", shell=True,
                              capture_output=True, check=False, timeout=process.WATCHDOG_S)
        self.assertEqual(done.stdout, b"x" * 1000 + b"\n")
        self.assertEqual(done.stderr, b"")


class ServeProblems(CommandTest):
    def test_says_which_lines_it_could_not_play(self):
        file = self.path("session.jsonl")
        process.write_recording(file, [("in", "text", b"one")])
        with open(file, "ab") as more:
            more.write(b'{"ts":"noon","dir":"in","type":"text","data":"two"}\n'
                       b'{"ts":1768923045.5,"dir":"in","type":"text","data":"three"}\n')
        with Server("serve", "--replay", file, "--clients", "1", expect=3) as server:
            run("record", server.url, "--to", self.path("out.jsonl"))
            server.process.wait(timeout=process.WATCHDOG_S)
            self.assertIn("1 lines are no records; the first is line 2", server.stderr())
        self.assertEqual(messages(self.path("out.jsonl")), [("text", b"one"), ("text", b"three")])


    def test_a_file_that_is_no_recording_is_refused_before_there_is_a_url(self):
        file = self.path("passwd")
        with open(file, "wb") as other:
            other.write(b"root:x:0:0:root:/root:/bin/bash\n" * 3)
        done = run("serve", "--replay", file, expect=run("replay", file, expect=None).returncode)
        self.assertEqual(done.stdout, b"")
        self.assertIn(b"3 lines are no records", done.stderr)
        self.assertIn(b"recording_malformed", done.stderr)

    def test_an_empty_recording_is_one_of_nothing(self):
        file = self.path("empty.jsonl")
        process.write_recording(file, [])
        with Server("serve", "--replay", file) as server:
            run("record", server.url, "--to", self.path("out.jsonl"))
        self.assertEqual(messages(self.path("out.jsonl")), [])


class Record(CommandTest):
    def record(self, source, *, serve=(), record=(), expect=0):
        target = self.path("recorded.jsonl")
        with Server("serve", "--replay", source, *serve) as server:
            done = run("record", server.url, "--to", target, *record, expect=expect)
        return target, done

    def test_everything_served_is_recorded(self):
        source = self.path("source.jsonl")
        rows = sample()
        process.write_recording(source, rows)
        expected = [(kind, payload) for direction, kind, payload in rows if direction == "in"]
        for serve in ([], ["--deflate"], ["--speed", "100"]):
            with self.subTest(serve):
                target, _ = self.record(source, serve=serve,
                                        record=["--deflate"] if "--deflate" in serve else [])
                self.assertEqual(messages(target), expected)
                process.os.remove(target)

    def test_count_is_exact(self):
        source = self.path("source.jsonl")
        process.write_recording(source, sample())
        target, done = self.record(source, record=["--count", "123", "--json"])
        self.assertEqual(len(messages(target)), 123)
        self.assertEqual(json.loads(done.stdout)["messages"], 123)
        self.assertEqual(run("replay", target, "--dir", "in").stderr, b"")

    def test_it_appends(self):
        source = self.path("source.jsonl")
        process.write_recording(source, sample(50))
        self.record(source)
        target, _ = self.record(source)
        self.assertEqual(messages(target), messages(source) * 2)

    def test_fewer_than_the_count_is_a_failure(self):
        source = self.path("source.jsonl")
        process.write_recording(source, sample(50))
        target, done = self.record(source, record=["--count", "100000"], expect=1)
        self.assertIn(b"of 100,000 messages", done.stderr)
        self.assertEqual(messages(target), messages(source))

    def test_what_is_sent_is_recorded(self):
        with Server("echo-server") as server:
            target = self.path("r.jsonl")
            run("record", server.url, "--to", target, "--send", "a", "--send", "b", "--count", "2")
        self.assertEqual(messages(target, "out"), [("text", b"a"), ("text", b"b")])
        self.assertEqual(messages(target), [("text", b"a"), ("text", b"b")])

    def test_the_url_may_stand_behind_what_is_sent(self):
        with Server("echo-server") as server:
            target = self.path("r.jsonl")
            run("record", "--to", target, "--count", "2", "--send", "a", "--send", "b", server.url)
        self.assertEqual(messages(target), [("text", b"a"), ("text", b"b")])

    def test_one_message_is_told_as_one_that_took_no_time(self):
        with Server("echo-server") as server:
            target = self.path("r.jsonl")
            one = run("record", server.url, "--to", target, "--send", "a", "--count", "1").stdout
            two = run("record", server.url, "--to", target, "--send", "a", "--send", "b",
                      "--count", "2").stdout
        self.assertEqual(one.decode(), f"1 message, 1 B, recorded into {target}\n")
        self.assertRegex(two.decode(), r"^2 messages, 2 B in \d")

    def test_duration_ends_it(self):
        with Server("echo-server") as server:
            target = self.path("r.jsonl")
            run("record", server.url, "--to", target, "--send", "a", "--duration", "0.05")
        self.assertEqual(messages(target, "out"), [("text", b"a")])

    def test_many_clients_each_get_all_of_it(self):
        source = self.path("source.jsonl")
        process.write_recording(source, sample(300))
        with Server("serve", "--replay", source) as server:
            targets = [self.path(f"r{number}.jsonl") for number in range(8)]
            clients = [Running("record", server.url, "--to", target) for target in targets]
            for client, target in zip(clients, targets):
                with client:
                    self.assertEqual(client.wait(), 0, client.stderr())
                self.assertEqual(messages(target), messages(source))


class Captures(CommandTest):
    def test_every_capture_over_tls_at_full_and_a_hundred_times_original_speed(self):
        ca = self.path("ca.pem")
        for capture in process.captures():
            expected = messages(capture)
            for speed in ("0", "100"):
                with self.subTest(capture=capture.name, speed=speed):
                    target = self.path(f"{capture.name}-{speed}")
                    with Server("serve", "--replay", capture, "--tls", "--ca-out", ca,
                                "--speed", speed) as server:
                        run("record", server.url, "--ca", ca, "--to", target)
                    self.assertEqual(messages(target), expected)
                    # And as the command itself reads them.
                    self.assertEqual(run("replay", target, "--dir", "in").stdout,
                                     run("replay", capture, "--dir", "in").stdout)


class Endings(CommandTest):
    def setUp(self):
        super().setUp()
        self.source = self.path("source.jsonl")
        process.write_recording(self.source, [("in", "text", f"message {number}".encode())
                                              for number in range(2000)])

    def start(self, server, target, *more):
        status = self.path("status")
        recording = Running("record", server.url, "--to", target, "--status", status, *more,
                            expect=None)
        self.assertTrue(wait_for_file(status, recording.process), recording.stderr())
        return recording, Status(status)

    def wait_for_records(self, recording, status, count):
        while status.records() < count and recording.process.poll() is None:
            process.os.sched_yield()

    def test_interrupted_the_recording_is_whole(self):
        for how, limit, code in ((signal.SIGINT, [], 0), (signal.SIGTERM, [], 0),
                                 (signal.SIGINT, ["--count", "100000000"], 130),
                                 (signal.SIGTERM, ["--duration", "100000"], 143)):
            with self.subTest(how=how, limit=limit):
                target = self.path("r.jsonl")
                with Server("serve", "--replay", self.source, "--loop") as server:
                    recording, status = self.start(server, target, *limit)
                    with recording:
                        self.wait_for_records(recording, status, 500)
                        self.assertEqual(recording.stop(how), code, recording.stderr())
                        counted = status.records()
                found = messages(target)
                self.assertGreaterEqual(counted, 500)
                expected = messages(self.source)
                self.assertEqual(found, (expected * (len(found) // 2000 + 1))[:len(found)])
                done = run("replay", target, "--dir", "in")
                self.assertEqual(done.stderr, b"")
                with open(target, "rb") as file:
                    self.assertIn(b'"event":"disconnect"', file.read().splitlines()[-1])
                process.os.remove(target)
                process.os.remove(self.path("status"))

    def test_killed_at_random_points_every_completed_record_is_there(self):
        chance = random.Random(SEED)
        expected = messages(self.source)
        with Server("serve", "--replay", self.source, "--loop") as server:
            for round_number in range(20 if process.SANITIZED else 100):
                target = self.path("r.jsonl")
                recording, status = self.start(server, target)
                with recording:
                    self.wait_for_records(recording, status, chance.randrange(3000))
                    recording.stop(signal.SIGKILL)
                    completed = status.records()
                done = run("replay", target, "--dir", "in")
                lines = done.stdout.splitlines()
                self.assertGreaterEqual(len(lines), completed, f"seed {SEED}, {round_number}")
                wanted = [payload for _, payload in expected] * (len(lines) // 2000 + 1)
                self.assertEqual(lines, wanted[:len(lines)], f"seed {SEED}, {round_number}")
                process.os.remove(target)
                process.os.remove(self.path("status"))

    def test_after_a_kill_it_appends_behind_what_is_whole(self):
        target = self.path("r.jsonl")
        with Server("serve", "--replay", self.source, "--loop") as server:
            recording, status = self.start(server, target)
            with recording:
                self.wait_for_records(recording, status, 100)
                recording.stop(signal.SIGKILL)
            before = len(run("replay", target, "--dir", "in").stdout.splitlines())
            run("record", server.url, "--to", target, "--count", "50")
        self.assertEqual(len(messages(target)), before + 50)
        self.assertEqual(run("replay", target, "--dir", "in").stderr, b"")


class SlowPeer(CommandTest):
    def test_serve_keeps_what_a_client_has_not_read(self):
        # A client that reads nothing until the kernel's buffers are full, then everything.
        source = self.path("source.jsonl")
        process.write_recording(source, [("in", "text", b"y" * 1000)] * 20_000)
        with Server("serve", "--replay", source) as server:
            with Running("connect", server.url, "--raw") as client:
                line = client.process.stdout.read(20_000 * 1000)
                self.assertEqual(len(line), 20_000 * 1000)
                self.assertEqual(client.wait(), 0)


if __name__ == "__main__":
    print(f"seed {SEED}", file=sys.stderr)
    process.main()
