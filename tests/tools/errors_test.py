"""What goes wrong is said: what, to which connection, why, what to do, and by which exit code."""

import os
import pathlib
import socket

import peer
import process
from process import CommandTest, Server, run


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Opening(CommandTest):
    def fails(self, code, *arguments, words=()):
        for command in (["connect"], ["record", "--to", self.path("r.jsonl")]):
            with self.subTest(command[0]):
                errors = run(*command, *arguments, expect=1).stderr.decode()
                self.assertIn(f"zenwire {command[0]}: error: ", errors)
                self.assertIn(f"code: {code}\n", errors)
                for word in words:
                    self.assertIn(word, errors)
                self.assertNotIn("hidden", errors)

    def test_refused_port(self):
        port = free_port()
        self.fails("connect_refused", f"ws://127.0.0.1:{port}/a?key=hidden",
                   words=[f"ws://127.0.0.1:{port}/a", "try: "])

    def test_unknown_name(self):
        self.fails("name_not_resolved", "ws://no-such-host.invalid/?key=hidden",
                   words=["no-such-host.invalid"])

    def test_untrusted_certificates(self):
        ca, other = self.path("ca.pem"), self.path("other.pem")
        with Server("echo-server", "--tls", "--ca-out", other):
            pass
        with Server("echo-server", "--tls", "--ca-out", ca) as server:
            port = server.url.rsplit(":", 1)[1].rstrip("/")
            dial = ["--dial", f"127.0.0.1:{port}"]
            self.fails("tls_unknown_authority", server.url)
            self.fails("tls_unknown_authority", server.url, "--ca", other)
            self.fails("tls_host_name_mismatch", "wss://example.com/", "--ca", ca, *dial)
            self.fails("tls_address_mismatch", "wss://127.0.0.9/", "--ca", ca, *dial)
            self.fails("file_unreadable", server.url, "--ca", self.path("none.pem"))
            pathlib.Path(self.path("no.pem")).write_text("no certificate\n")
            self.fails("tls_configuration", server.url, "--ca", self.path("no.pem"))
            done = run("connect", server.url, "--insecure", stdin=b"hi\n")
            self.assertEqual(done.stdout, b"hi\n")
            self.assertIn(b"warning: --insecure", done.stderr)

    def test_answers_that_are_no_upgrade(self):
        for status, code, more, words in (
                ("200 OK", "http_status", "", ["no websocket here"]),
                ("301 Moved Permanently", "http_redirect", "\r\nLocation: wss://elsewhere/", []),
                ("401 Unauthorized", "http_unauthorized", "", []),
                ("429 Too Many Requests", "http_too_many_requests", "\r\nRetry-After: 17",
                 ["retry after: 17 s"]),
                ("503 Service Unavailable", "http_service_unavailable", "", [])):
            with self.subTest(status):
                script = peer.http(f"HTTP/1.1 {status}{more}", "no websocket here")
                with peer.Peer(script) as server:
                    self.fails(code, server.url("/?key=hidden"), words=[status, *words])

    def test_the_url_may_stand_behind_an_option_that_may_be_given_again(self):
        url = f"ws://127.0.0.1:{free_port()}/"
        nats = ["--nats", f"nats://127.0.0.1:{free_port()}"]
        for command, options in ((["connect"], ["--option", "-H", "-s"]),
                                 (["record", "--to", self.path("r")], ["--option", "-H", "-s", "--send"]),
                                 (["bridge", *nats], ["--option", "-H", "-s", "--send"]),
                                 (["autobahn"], ["--option", "-H", "-s"])):
            for option in options:
                with self.subTest(command=command[0], option=option):
                    value = {"--option": "nodelay=true", "-H": "X-Key: b"}.get(option, "word")
                    run(*command, option, value, url, expect=1)  # 2: there would be no URL

    def test_json_says_it_too(self):
        with peer.Peer(peer.http("HTTP/1.1 429 Slow\r\nRetry-After: 3")) as server:
            done = run("connect", server.url(), "--json", expect=1)
        self.assertIn(b'"event":"failed"', done.stdout)
        self.assertIn(b'"error":"http_too_many_requests"', done.stdout)
        self.assertIn(b'"retry_after_s":3', done.stdout)


class Files(CommandTest):
    def test_a_recording_that_cannot_be_written(self):
        with Server("echo-server") as server:
            for path in ("/proc/none/r.jsonl", self.path("")):
                errors = run("record", server.url, "--to", path, expect=1).stderr.decode()
                self.assertIn("recording_unwritable", errors)
                self.assertIn(path, errors)

    def test_a_recording_that_is_not_there(self):
        for line in (["replay", self.path("none")], ["serve", "--replay", self.path("none")]):
            errors = run(*line, expect=1).stderr.decode()
            self.assertIn("recording_not_found", errors)
            self.assertIn(self.path("none"), errors)

    def test_an_authority_that_cannot_be_written(self):
        errors = run("echo-server", "--tls", "--ca-out", "/proc/none/ca.pem", expect=1).stderr
        self.assertIn(b"/proc/none/ca.pem", errors)

    def test_a_port_that_is_taken(self):
        with Server("echo-server") as server:
            port = server.url.rsplit(":", 1)[1].rstrip("/")
            errors = run("echo-server", "--port", port, expect=1).stderr.decode()
            self.assertIn("address_in_use", errors)

    def test_full_standard_output(self):
        path = self.path("r.jsonl")
        process.write_recording(path, [("in", "text", b"x" * 100)] * 10)
        with open("/dev/full", "wb") as full:
            done = process.subprocess.run([process.BINARY, "replay", path], stdout=full,
                                          stderr=process.subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left", done.stderr)


if __name__ == "__main__":
    os.environ.pop("SSL_CERT_FILE", None)
    process.main()
