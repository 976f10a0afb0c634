"""bench: what it measures is whole, a budget that is broken is told, and its files are good. No time is judged."""

import json
import os
import re
import signal
import unittest

import process
from process import CommandTest, Running, run

# Every ratio is below this one, and none below the other.
GENEROUS, IMPOSSIBLE = 1_000_000, 0

STAGES = """
[echo]
scenario = "echo"
messages = 2000
p50_over_floor = {limit}
p99_over_floor = {limit}

[paced]
scenario = "echo"
messages = 1000
open_loop = true
rate_per_s = 20_000
p999_over_floor = {limit}

[tick]
scenario = "tick-to-callback"
message_bytes = 256
messages = 1000
rate_per_s = 20_000
connections = 3
p50_over_floor = {limit}
allocations = {limit}
page_faults = {limit}

[strategy]
scenario = "tick-to-strategy"
messages = 1000
rate_per_s = 20_000

[order]
scenario = "tick-to-order"
messages = 1000
rate_per_s = 20_000
connections = 2
p99_over_floor = {limit}

[drain]
scenario = "drain"
message_bytes = 200
messages = 100_000
connections = 7
cpu_over_floor = {limit}
"""


@unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "two cores are needed")
class Bench(CommandTest):
    def budget(self, text):
        path = self.path("budget.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def bench(self, text, *arguments, expect=0):
        self.json, self.page = self.path("bench.json"), self.path("bench.html")
        done = run("bench", "--budget", self.budget(text), "--rounds", "2", "--json", self.json,
                   "--report", self.page, *arguments, expect=expect)
        self.output = done.stdout.decode()
        with open(self.json, encoding="utf-8") as file:
            return json.load(file)

    def check_latency(self, stage, end, count):
        times = stage[end]["latency"]
        self.assertEqual(times["count"], count, (stage["stage"], end))
        order = [times[key] for key in ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")]
        self.assertEqual(order, sorted(order))
        self.assertGreater(order[0], 0)

    def test_a_generous_budget_is_kept_at_every_stage(self):
        result = self.bench(STAGES.format(limit=GENEROUS))
        self.assertEqual(result["broken"], [])
        self.assertEqual([stage["stage"] for stage in result["stages"]],
                         ["echo", "paced", "tick", "strategy", "order", "drain"])
        counts = {"echo": 4000, "paced": 2000, "tick": 2004, "strategy": 2000, "order": 2000}
        for stage in result["stages"]:
            name = stage["stage"]
            self.assertEqual(stage["rounds"], 2)
            for end in ("floor", "zenwire"):
                with self.subTest(stage=name, end=end):
                    if name == "drain":
                        self.assertEqual(stage[end]["messages"], 200_004)
                        self.assertNotIn("latency", stage[end])
                        continue
                    self.check_latency(stage, end, counts[name])
                    self.assertEqual(stage[end]["messages"], counts[name])
                    self.assertEqual("corrected" in stage[end], name != "echo")
            for limit in stage["limits"]:
                self.assertEqual(limit["verdict"], "kept", (name, limit))
                measured = limit["measured"]
                self.assertLessEqual(measured["low"], measured["median"])
                self.assertLessEqual(measured["median"], measured["high"])
            self.assertIn(f"{name}: ", self.output)
        allocations = result["stages"][2]["limits"][1]
        self.assertEqual((allocations["measure"], allocations["measured"]["median"]), ("allocations", 0))
        order = result["stages"][4]
        self.assertEqual(order["engine_stages"]["sent"]["count"], 1100)  # with its warm-up
        shares = len(os.sched_getaffinity(0)) == 2
        self.assertEqual("note" in result["stages"][3], shares)
        self.assertIn("8 kept, 0 broken, 0 skipped", self.output)

    def test_the_page_shows_both_ends_of_each_stage(self):
        self.bench(STAGES.format(limit=GENEROUS), "--stage", "echo", "--stage", "paced")
        with open(self.page, encoding="utf-8") as file:
            page = file.read()
        self.assertNotRegex(page, r'(?:src|href)\s*=|url\(|@import|<script')
        # Two curves of the echo, and four of the paced one: its latency, and that from when it was due.
        self.assertEqual(len(re.findall(r'<polyline class="curve c0"', page)), 2)
        self.assertEqual(len(re.findall(r'<polyline class="curve c1"', page)), 2)
        self.assertEqual(len(re.findall(r'<polyline class="curve dashed c[01]"', page)), 2)
        for words in ("Budget against measured", "p50_over_floor", "echo, 128 B, plain", "open loop"):
            self.assertIn(words, page)

    def test_an_impossible_budget_is_broken_and_names_the_stage(self):
        result = self.bench(STAGES.format(limit=IMPOSSIBLE), "--stage", "drain", "--stage", "echo",
                            "--quick", expect=1)
        broken = ["drain cpu_over_floor", "echo p50_over_floor", "echo p99_over_floor"]
        self.assertEqual(result["broken"], broken)
        for limit in broken:
            self.assertIn(f"BROKEN: {limit}\n", self.output)
        self.assertTrue(result["quick"])

    def test_over_tls_or_why_not(self):
        result = self.bench('[secure]\nscenario = "echo"\ntls = true\nmessages = 500\n'
                            f"p50_over_floor = {GENEROUS}\n")
        stage = result["stages"][0]
        if "skipped" in stage:
            self.assertIn("OpenSSL", stage["skipped"])
            self.assertEqual(stage["limits"][0]["verdict"], "skipped")
            self.assertIn("skipped: built without OpenSSL", self.output)
        else:
            self.check_latency(stage, "zenwire", 1000)
            self.assertEqual(stage["limits"][0]["verdict"], "kept")

    def test_instructions_are_counted_or_why_not(self):
        text = '[count]\nscenario = "drain"\nmessages = 2000\ninstructions = {}\n'
        result = self.bench(text.format(1_000_000), "--quick")
        limit = result["stages"][0]["limits"][0]
        if limit["verdict"] == "skipped":
            self.assertRegex(limit["why"], "valgrind|release preset")
            return
        self.assertGreater(limit["measured"]["median"], 10)
        self.assertEqual(self.bench(text.format(1), "--quick", expect=1)["broken"], ["count instructions"])

    def test_without_valgrind_counts_are_skipped(self):
        path = self.budget('[count]\nscenario = "drain"\nmessages = 2000\ninstructions = 1\n')
        done = run("bench", "--budget", path, "--rounds", "1", env={"PATH": "/nowhere"})
        self.assertRegex(done.stdout.decode(), "skipped: (valgrind is not installed|this build is not)")
        self.assertIn("0 kept, 0 broken, 1 skipped", done.stdout.decode())

    def test_an_interruption_leaves_good_files(self):
        page, result = self.path("bench.html"), self.path("bench.json")
        text = ('[first]\nscenario = "echo"\nmessages = 200\n'
                '[endless]\nscenario = "echo"\nmessages = 1_000_000_000\np50_over_floor = 1\n')
        with Running("bench", "--budget", self.budget(text), "--rounds", "1", "--json", result,
                     "--report", page, expect=130) as running:
            self.assertTrue(running.line().startswith("first: "))
            running.stop(signal.SIGINT)
        with open(result, encoding="utf-8") as file:
            told = json.load(file)
        self.assertTrue(told["interrupted"])
        self.assertEqual(told["stages"][0]["rounds"], 1)
        self.assertEqual(told["broken"], [])
        with open(page, encoding="utf-8") as file:
            self.assertTrue(file.read().rstrip().endswith("</html>"))

    def test_what_cannot_be_written_is_told_before_anything_is_measured(self):
        for option in ("--json", "--report"):
            done = run("bench", "--stage", "echo", option, self.path("none/file"), expect=1)
            self.assertIn("none/file", done.stderr.decode())
            self.assertEqual(done.stdout, b"")


class Budget(CommandTest):
    """What is wrong with a budget file or a command line is told, and nothing is measured."""

    def refused(self, text, words, *arguments):
        path = self.path("budget.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        errors = run("bench", "--budget", path, *arguments, expect=2).stderr.decode()
        for word in words:
            self.assertIn(word, errors)

    def test_the_built_in_budget_is_printed_listed_and_taken_again(self):
        printed = run("bench", "--print-budget").stdout.decode()
        path = self.path("budget.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(printed)
        listed = run("bench", "--list").stdout.decode()
        self.assertEqual(run("bench", "--list", "--budget", path).stdout.decode(), listed)
        self.assertRegex(listed, r"(?m)^echo-tls +echo, 128 B, TLS, 1 connection; p50_over_floor 0.95")
        self.assertEqual(printed.count("\n["), listed.count("\n"))

    def test_an_unknown_stage_is_named(self):
        self.refused('[echo]\nscenario = "echo"\n', ['no stage "frobnicate"'], "--stage", "frobnicate")

    def test_a_file_that_is_none(self):
        self.assertIn("none.toml", run("bench", "--budget", self.path("none.toml"), expect=2).stderr.decode())

    def test_what_is_wrong_is_told_with_its_line(self):
        good = '[a]\nscenario = "echo"\n'
        for text, words in (
                ("[a\n", [":1: "]),
                ("", ["names no stage"]),
                ("a = 1\n", [":1: ", "not within a stage"]),
                ("[a]\n", [":1: ", "needs a scenario"]),
                ('[a]\nscenario = "dance"\n', [":2: ", "tick-to-order"]),
                (good + "colour = 1\n", [":3: ", '"colour"']),
                (good + 'tls = "yes"\n', [":3: ", "true or false"]),
                (good + "messages = 0\n", [":3: ", "whole number"]),
                (good + "message_bytes = 10\n", [":3: ", "from 64"]),
                (good + 'p50_over_floor = "much"\n', [":3: ", "is a number"]),
                (good + "p50_over_floor = nan\n", [":3: ", "is a number"]),
                (good + "connections = 2\n", ["[a]", "one connection"]),
                ('[a]\nscenario = "tick-to-strategy"\nallocations = 0\n', ["allocations cannot be"]),
                (good + "cpu_over_floor = 1\n", ["cpu_over_floor cannot be"]),
                (good + "instructions_over_one = 1.2\n", ["cannot be measured"]),
                ('[a]\nscenario = "drain"\nopen_loop = true\n', ["open_loop"]),
                ('[a]\nscenario = "drain"\np99_over_floor = 1\n', ["p99_over_floor cannot be measured"]),
                ('[a]\nscenario = "tick-to-order"\ninstructions = 1\n', ["instructions cannot be measured"])):
            with self.subTest(text):
                self.refused(text, words)

    def test_cores_that_make_no_sense(self):
        for cores in ("1", "1,1", "0,", "a,b", "0,1,2,3", "-1,0"):
            with self.subTest(cores):
                errors = run("bench", "--stage", "echo", f"--cores={cores}", expect=2).stderr.decode()
                self.assertIn("--cores", errors)


if __name__ == "__main__":
    process.main()
