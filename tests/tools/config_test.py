"""config: what is refused and how, what is printed and what never is, and the documentation."""

import json
import os
import pathlib

import process
from process import CommandTest, Server, run

SECRET = "s3cr3t-t0k3n"


class Config(CommandTest):
    def file(self, text):
        path = self.path("zenwire.toml")
        pathlib.Path(path).write_text(text)
        return path

    def refused(self, text, *says):
        errors = run("config", "--check", self.file(text), expect=1).stderr.decode()
        for each in says:
            self.assertIn(each, errors)

    def test_the_printed_defaults_are_a_configuration(self):
        defaults = run("config", "--print-defaults").stdout.decode()
        printed = defaults.replace('url = ""', 'url = "wss://venue.example/ws"')
        checked = run("config", "--check", self.file(printed)).stdout.decode()
        self.assertEqual(checked, printed)

    def test_the_printed_defaults_are_good_as_they_are_and_lack_only_the_url(self):
        path = self.file(run("config", "--print-defaults").stdout.decode())
        self.assertIn(b"no [connection] url", run("config", "--check", path).stderr)
        self.assertTrue(json.loads(run("config", "--check", path, "--json").stdout)["valid"])
        with Server("echo-server") as server:
            done = run("connect", "--config", path, server.url, stdin=b"hello\n")
        self.assertEqual(done.stdout, b"hello\n")

    def test_an_unknown_key_is_refused_with_its_line_and_the_nearest(self):
        self.refused('[connection]\nurl = "ws://h/"\n[reconnect]\nbase_mss = 5\n',
                     "zenwire.toml:4:", '"base_mss"', 'did you mean "base_ms"')

    def test_an_unknown_section_is_refused_with_the_nearest(self):
        self.refused("[heartbeats]\nkind = 'ping'\n", ":1:", "did you mean [heartbeat]")

    def test_values_of_a_wrong_type_or_range_are_refused(self):
        for text, says in (('[reconnect]\nbase_ms = "soon"\n', "whole number"),
                           ("[reconnect]\nbase_ms = -1\n", "whole number from 0"),
                           ("[tls]\nverify = 1\n", "true or false"),
                           ("[heartbeat]\nkind = 'pong'\n", "none, ping, text, server"),
                           ("[deflate]\nlevel = 9999999999\n", "whole number"),
                           ("[connection]\nsubprotocols = 'a'\n", "list of texts"),
                           ("[connection]\nurl = 5\n", "is a text"),
                           ("connection = 5\n", "is a section"),
                           ("[connection\n", ":1:")):
            self.refused(text, says)

    def test_values_that_deflate_cannot_have_are_refused_by_name_and_reason(self):
        good = '[connection]\nurl = "ws://h/"\n[deflate]\n'
        for level in (1, 9):
            run("config", "--check", self.file(f"{good}level = {level}\n"))
        for level in (0, 10, -1, 70000):
            self.refused(f"{good}level = {level}\n", "deflate_level", "must be 1 to 9")
        for side in ("client", "server"):
            for bits in (8, 16):
                self.refused(f"{good}{side}_window_bits = {bits}\n", f"deflate_{side}_window_bits", "must be 9 to 15")
            self.refused(f"{good}{side}_window_bits = 70000\n", f":4: {side}_window_bits", "whole number from 0 to 255")

    def test_what_contradicts_itself_is_refused(self):
        self.refused('[connection]\nurl = "ws://h/"\n[reconnect]\nbase_ms = 500\ncap_ms = 5\n', "cap")
        self.refused('[connection]\nurl = "ws://h/"\n[rate_limit]\ntable = "nasdaq"\n', "nasdaq")
        self.refused('[connection]\nurl = "http://h/"\n', "ws")

    def test_secrets_come_from_elsewhere_and_are_never_printed(self):
        secret_file = self.path("token")
        pathlib.Path(secret_file).write_text(SECRET + "-file\n")
        path = self.file('[connection]\n'
                         f'url = "wss://venue.example/ws?token={SECRET}"\n'
                         '[headers]\n'
                         f'X-Plain = "{SECRET}"\n'
                         'X-Env = { env = "ZENWIRE_TEST_TOKEN" }\n'
                         f'X-File = {{ file = "{secret_file}" }}\n')
        done = run("config", "--check", path, env={**os.environ, "ZENWIRE_TEST_TOKEN": SECRET})
        self.assertNotIn(SECRET, (done.stdout + done.stderr).decode())
        self.assertEqual(done.stdout.decode().count("[redacted]"), 3)
        environment = {key: value for key, value in os.environ.items()
                       if key != "ZENWIRE_TEST_TOKEN"}
        done = run("config", "--check", path, env=environment, expect=1)
        self.assertIn(b"ZENWIRE_TEST_TOKEN", done.stderr)
        self.assertNotIn(SECRET.encode(), done.stderr)

    def test_connects_by_it(self):
        with Server("echo-server") as server:
            path = self.file(f'[connection]\nurl = "{server.url}"\n'
                             '[headers]\nX-Token = { env = "ZENWIRE_TEST_TOKEN" }\n')
            done = run("connect", "--config", path, stdin=b"hello\n",
                       env={**os.environ, "ZENWIRE_TEST_TOKEN": SECRET})
            self.assertEqual(done.stdout, b"hello\n")
        done = run("connect", "--config", self.path("absent.toml"), expect=2)
        self.assertIn(b"absent.toml", done.stderr)

    def test_every_key_of_a_connection_is_an_option_of_the_command_line(self):
        section, settings = "", []
        for line in run("config", "--print-defaults").stdout.decode().splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and section in ("connection", "tls", "socket", "deadlines", "limits", "deflate"):
                key, value = line.split("  # ")[0].split(" = ")
                if key not in ("url", "subprotocols"):  # these are given otherwise
                    settings += ["--option", f"{key}={value.strip(chr(34))}"]
        self.assertGreater(len(settings) // 2, 30)
        with Server("echo-server") as server:
            done = run("connect", *settings, server.url, stdin=b"hello\n")
            self.assertEqual(done.stdout, b"hello\n")
            for wrong, says in (("conect_ms=1", 'did you mean "connect_ms"'),
                                ("connect_timeout=1", 'did you mean "connect_timeout_ms"'),
                                ("frobnicate=1", "configuration.md")):
                done = run("connect", "--option", wrong, server.url, expect=2)
                self.assertIn(says, done.stderr.decode())

    def test_json_says_whether_it_is_good(self):
        path = self.file("[connection]\nurl = 'wss://venue.example/'\n")
        self.assertTrue(json.loads(run("config", "--check", path, "--json").stdout)["valid"])
        path = self.file("[connection]\nurll = ''\n")
        verdict = json.loads(run("config", "--check", path, "--json", expect=1).stdout)
        self.assertFalse(verdict["valid"])
        self.assertIn("urll", verdict["detail"])

    def test_every_key_is_documented_as_it_is(self):
        page = pathlib.Path(os.environ["ZENWIRE_SOURCE_DIR"], "docs/configuration.md").read_text()
        reference = run("config", "--reference").stdout.decode()
        self.assertIn(reference, page, "print it anew: zenwire config --reference")


if __name__ == "__main__":
    process.main()
