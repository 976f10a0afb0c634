"""Time travel by the command: --journal writes, replay --engine does it again, or says where not.

argv[2] and later are test programs whose every reactor is replayed as well.
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys

import process
from process import CommandTest, Running, Server, run

PROGRAMS = []
SEED = random.SystemRandom().randrange(1 << 32)
SECRET = "hush-Th1s-1s-s3cret"


def replayed(file):
    return json.loads(run("replay", "--engine", file, "--json").stdout)


class Commands(CommandTest):
    def connect(self, secure=False):
        file = self.path("run.journal")
        authority = self.path("ca.pem")
        flags = ["--tls", "--ca-out", authority] if secure else []
        with Server("echo-server", *flags) as server:
            url = server.url.replace("127.0.0.1", "localhost") + "?token=" + SECRET
            run("connect", url, "--journal", file, "-H", "Authorization: Bearer " + SECRET,
                *(["--ca", authority] if secure else []), stdin=b"one\ntwo\nthree\n")
        return file

    def test_connect_is_done_again_and_no_secret_is_kept(self):
        for secure in (False, True):
            with self.subTest(secure=secure):
                file = self.connect(secure)
                report = replayed(file)
                self.assertTrue(report["identical"])
                self.assertGreater(report["callbacks"], 4)
                self.assertIn(b"identical  yes", run("replay", "--engine", file).stdout)
                data = pathlib.Path(file).read_bytes()
                self.assertIn(b"three", data)
                self.assertNotIn(SECRET.encode(), data)

    def test_a_changed_byte_is_where_it_parts(self):
        file = self.connect()
        data = bytearray(pathlib.Path(file).read_bytes())
        place = data.rindex(b"three")
        data[place] ^= 1
        pathlib.Path(file).write_bytes(data)
        done = run("replay", "--engine", file, "--json", expect=3)
        report = json.loads(done.stdout)
        self.assertFalse(report["identical"])
        self.assertGreaterEqual(report["divergence"]["byte"], place - 64)
        self.assertIn("callback", report["divergence"]["expected"])
        self.assertIn(b"journal_diverged", done.stderr)

    def test_without_engine_a_journal_is_told_by_its_name(self):
        file = self.connect()
        for more in ([], ["--metadata"], ["--json"]):
            done = run("replay", file, *more, expect=2)
            self.assertEqual(done.stdout, b"")
            self.assertIn(f"try: zenwire replay --engine {file}", done.stderr.decode())

    def test_other_files_are_refused(self):
        file = self.path("other.txt")
        pathlib.Path(file).write_text("not a journal\n")
        self.assertIn(b"journal_malformed", run("replay", "--engine", file, expect=1).stderr)
        with Server("echo-server") as server:
            self.assertIn(b"recording_unwritable",
                          run("connect", server.url, "--journal", file, expect=1).stderr)
        self.assertEqual(pathlib.Path(file).read_text(), "not a journal\n")
        run("replay", "--engine", self.path("absent"), expect=1)


class Killed(CommandTest):
    def test_it_is_replayed_up_to_its_last_event(self):
        print(f"seed {SEED}", file=sys.stderr)
        chance = random.Random(SEED)
        for _ in range(5):
            file = self.path("killed.journal")
            with Server("echo-server") as server:
                client = subprocess.Popen(
                    [process.BINARY, "connect", server.url, "--journal", file],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                wanted = chance.randrange(1, 2000)
                client.stdin.write(b"a line\n" * (wanted + chance.randrange(200)))
                client.stdin.flush()
                for _ in range(wanted):
                    client.stdout.readline()
                client.kill()
                client.communicate()
            report = replayed(file)
            self.assertTrue(report["identical"])
            # What was printed had been called back, and what was called back was written before.
            self.assertGreaterEqual(report["callbacks"], wanted)


class Programs(CommandTest):
    def test_every_reactor_of_the_other_tests_is_done_again(self):
        for program in PROGRAMS:
            directory = pathlib.Path(self.path(pathlib.Path(program).name))
            directory.mkdir()
            subprocess.run([program], check=True, capture_output=True,
                           env={**os.environ, "ZENWIRE_TEST_JOURNALS": str(directory)})
            journals = sorted(directory.iterdir())
            self.assertTrue(journals)
            for journal in journals:
                with self.subTest(program=program, journal=journal.name):
                    self.assertTrue(replayed(journal)["identical"])


if __name__ == "__main__":
    PROGRAMS = sys.argv[2:]
    del sys.argv[2:]
    process.main()
