"""demo: nothing is lost or changed on the whole way, and its files are good."""

import json
import os
import re

import process
from process import CommandTest, Server, messages, run


class Demo(CommandTest):
    def demo(self, *arguments, expect=0):
        self.report, self.recording = self.path("report.html"), self.path("demo.jsonl")
        done = run("demo", "--json", "--report", self.report, "--record", self.recording,
                   *arguments, expect=expect)
        return json.loads(done.stdout)

    def check_whole(self, result, count):
        for name in ("messages", "served", "strategy_messages", "recorded_messages"):
            self.assertEqual(result[name], count, name)
        self.assertEqual((result["gaps"], result["different"]), (0, 0))
        self.assertEqual(len(messages(self.recording)), count)
        self.assertEqual(len(result["lines"]), 4)
        self.assertEqual(result["lines_killed"], 1)
        self.assertEqual(sum(line["wins"] for line in result["lines"]), count)
        copies = sorted(line["copies"] for line in result["lines"])
        self.assertLess(copies[0], count)  # the killed one
        self.assertEqual(copies[3], count)  # the order line, which is closed behind the last
        self.assertEqual(result["allocations"], 0)

    def test_a_made_stream_arrives_whole_and_allocates_nothing(self):
        result = self.demo("--messages", "20000", "--rate", "0")
        self.check_whole(result, 20_000)
        self.assertIn("verified", result["transport"])
        self.assertEqual(result["orders_sent"], 200)
        self.assertEqual(result["orders_received"], 200)
        self.assertGreater(result["change_ids"], 0)
        self.assertEqual(result["change_id_gaps"], 0)
        for stage in ("decrypted", "framed", "callback", "queued", "strategy"):
            times = result["stages"][stage]
            self.assertGreaterEqual(times["count"], 18_000, stage)
            self.assertLessEqual(times["p50_ns"], times["p99_ns"])
            self.assertLessEqual(times["p999_ns"], times["max_ns"])
        self.assertGreater(result["stages"]["sent"]["count"], 150)

    def test_at_a_steady_rate(self):
        self.check_whole(self.demo("--messages", "5000", "--rate", "20000"), 5000)

    def test_the_same_seed_is_the_same_stream(self):
        streams = []
        for seed in ("5", "5", "6"):
            self.demo("--messages", "500", "--rate", "0", "--seed", seed)
            streams.append(messages(self.recording))
        self.assertEqual(streams[0], streams[1])
        self.assertNotEqual(streams[0], streams[2])

    def test_a_capture(self):
        source = self.path("source.jsonl")
        rows = [("in", "text", b'{"tick":%d}' % i) for i in range(300)]
        rows[7] = ("in", "binary", b"\x00\xff" * 1000)
        rows[8] = ("in", "text", b"L" * 709_000)
        process.write_recording(source, rows)
        result = self.demo("--capture", source, "--messages", "900", "--rate", "0")
        self.check_whole(result, 900)
        self.assertEqual(messages(self.recording), messages(source) * 3)

    def test_a_venue(self):
        source = self.path("source.jsonl")
        process.write_recording(source, [("in", "text", b"tick")] * 1000)
        ca = self.path("ca.pem")
        with Server("serve", "--replay", source, "--loop", "--tls", "--ca-out", ca) as server:
            result = self.demo("--url", server.url, "--ca", ca, "--messages", "3000")
        self.assertEqual(result["gaps"] + result["different"], 0)
        self.assertGreaterEqual(result["strategy_messages"], 3000)
        self.assertEqual(result["orders_sent"], 0)

    def test_report_needs_nothing_from_elsewhere(self):
        self.demo("--messages", "3000", "--rate", "0")
        with open(self.report, encoding="utf-8") as file:
            page = file.read()
        self.assertIn("<svg", page)
        self.assertIn("strategy", page)
        self.assertIsNone(re.search(r"(src|href)\s*=\s*[\"']?(https?:|//)", page))

    def test_text_says_where_the_files_are(self):
        done = run("demo", "--messages", "2000", "--rate", "0", cwd=self.path(""))
        text = done.stdout.decode()
        for words in ("gaps          0\n", "different     0 ", "recording     zenwire-demo.jsonl\n",
                      "report        zenwire-demo.html\n", "p99.9"):
            self.assertIn(words, text)
        self.assertTrue(os.path.exists(self.path("zenwire-demo.html")))

    def test_on_one_core(self):
        core = min(os.sched_getaffinity(0))
        report = self.path("report.html")
        done = run("demo", "--json", "--messages", "5000", "--rate", "0", "--report", report,
                   "--record", self.path("demo.jsonl"),
                   preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        result = json.loads(done.stdout)
        self.assertEqual((result["messages"], result["gaps"], result["different"]), (5000, 0, 0))

    def test_what_cannot_be_written_or_read(self):
        for line, word in ((["--record", "/proc/none/r"], "recording_unwritable"),
                           (["--capture", "/proc/none/c"], "recording_not_found"),
                           (["--report", "/proc/none/r.html", "--record", self.path("r")],
                            "/proc/none/r.html")):
            errors = run("demo", "--messages", "100", *line, expect=1,
                         cwd=self.path("")).stderr.decode()
            self.assertIn(word, errors)


if __name__ == "__main__":
    process.main()
