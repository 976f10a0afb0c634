"""Help, version, and command lines that are wrong."""

import process
from process import CommandTest, run

COMMANDS = ["connect", "record", "replay", "serve", "echo-server", "autobahn", "doctor", "demo",
            "stats", "config"]


class Help(CommandTest):
    def test_names_every_command(self):
        text = run("--help").stdout.decode()
        for command in COMMANDS:
            self.assertIn(f"  {command} ", text)
        self.assertIn("Exit codes: 0 done; 1 failed", text)

    def test_of_every_command_has_examples_and_exit_codes(self):
        for command in COMMANDS:
            with self.subTest(command):
                text = run(command, "--help").stdout.decode()
                self.assertIn(f"zenwire {command}", text)
                self.assertIn("Examples:", text)
                self.assertIn("Exit codes:", text)

    def test_version(self):
        self.assertRegex(run("--version").stdout.decode(), r"^zenwire \d+\.\d+\.\d+\n$")


class WrongLines(CommandTest):
    def test_are_refused_with_2_and_a_hint(self):
        for line in ([], ["frobnicate"], ["connect"], ["connect", "ws://x/", "--frobnicate"],
                     ["record", "ws://x/"], ["replay"], ["serve"], ["serve", "--replay"],
                     ["replay", "x", "--dir", "up"], ["replay", "x", "--speed", "fast"],
                     ["serve", "--replay", "x", "--ca-out", "y"],
                     ["record", "ws://x/", "--to", "y", "--count", "0"],
                     ["connect", "ws://x/", "--max-message", "12Q"],
                     ["autobahn", "ws://x/", "--cases", "9-3"],
                     ["connect", "ws://x/", "--raw", "--json"]):
            with self.subTest(line):
                done = run(*line, expect=2)
                self.assertEqual(done.stdout, b"")
                self.assertIn(b"zenwire", done.stderr)
                self.assertTrue(b"--help" in done.stderr, done.stderr)

    def test_a_mistyped_command_is_guessed(self):
        for typed, meant in (("recrod", b"'record'"), ("echo-sever", b"'echo-server'")):
            self.assertIn(b"did you mean " + meant, run(typed, expect=2).stderr)
        self.assertNotIn(b"did you mean", run("frobnicate", expect=2).stderr)

    def test_options_that_the_engine_refuses(self):
        for line, words in ((["connect", "http://x/"], "url_scheme_unknown"),
                            (["connect", "nonsense"], "url_"),
                            (["connect", "ws://x/", "-H", "novalue"], "header_invalid"),
                            (["connect", "ws://x/", "-H", "Host: y"], "header_invalid"),
                            (["connect", "ws://x/", "-s", "a b"], "subprotocol_invalid"),
                            (["connect", "ws://x/", "--option", "frobnicate=1"], "invalid_option"),
                            (["connect", "ws://x/", "--option", "nodelay"], "invalid_option"),
                            (["connect", "ws://x/", "--core", "9999"], "no core 9999"),
                            (["record", "ws://x/", "--to", self.path("r"), "--core", "9999"], "no core"),
                            (["echo-server", "--core", "9999"], "no core 9999"),
                            (["record", "ws://user:secret@x/", "--to", self.path("r")],
                             "url_userinfo_refused")):
            with self.subTest(line):
                errors = run(*line, expect=2).stderr.decode()
                self.assertIn(words, errors)
                self.assertNotIn("secret", errors)


if __name__ == "__main__":
    process.main()
