"""connect against echo-server, and connect against a server that we did not write."""

import base64
import json
import signal
import struct
import subprocess

import peer
import process
from process import CommandTest, Running, Server, run


class Echo(CommandTest):
    def echo(self, server_arguments, client_arguments, lines):
        with Server("echo-server", *server_arguments) as server:
            done = run("connect", server.url, *client_arguments,
                       stdin="".join(line + "\n" for line in lines).encode())
        self.assertEqual(done.stdout.decode().split("\n")[:-1], lines)
        self.assertEqual(done.stderr, b"")

    def test_lines_come_back(self):
        self.echo([], [], ["hello", "", "Grüße, 世界", "x" * 1_000_000, "last"])

    def test_over_tls_verified(self):
        ca = self.path("ca.pem")
        self.echo(["--tls", "--ca-out", ca], ["--ca", ca], ["hello", "y" * 200_000])

    def test_with_deflate(self):
        self.echo(["--deflate"], ["--deflate"], ["hello " * 1000, "again"])

    def test_a_certificate_of_ones_own_outlives_a_restart(self):
        certificate, key = self.path("cert.pem"), self.path("key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
            check=True, capture_output=True)
        own = ["--tls", "--certificate", certificate, "--key", key]
        for _ in range(2):
            self.echo(own, ["--ca", certificate], ["hello"])
        recording = self.path("session.jsonl")
        process.write_recording(recording, [("in", "text", b"one")])
        with Server("serve", "--replay", recording, *own) as server:
            self.assertEqual(run("connect", server.url, "--ca", certificate).stdout, b"one\n")
        for wrong in ([*own[:3]], own[1:], [*own, "--ca-out", self.path("ca.pem")]):
            run("echo-server", *wrong, expect=2)
        errors = run("echo-server", *own[:4], self.path("none.pem"), expect=1).stderr
        self.assertIn(b"none.pem", errors)

    def test_by_every_name_of_the_certificate(self):
        ca = self.path("ca.pem")
        with Server("echo-server", "--tls", "--ca-out", ca) as server:
            for host in ("localhost", "127.0.0.1"):
                url = server.url.replace("127.0.0.1", host)
                done = run("connect", url, "--ca", ca, "-1", stdin=b"hi\n")
                self.assertEqual(done.stdout, b"hi\n")

    def test_more_than_any_buffer_holds(self):
        line = "z" * 999
        self.echo([], [], [line] * 50_000)

    def test_the_largest_message(self):
        line = "m" * (16 << 20)
        self.echo([], [], [line])

    def test_a_line_beyond_the_limit_is_an_error(self):
        with Server("echo-server") as server:
            done = run("connect", server.url, "--max-message", "1K", "--close-on-eof",
                       stdin=b"x" * 5000 + b"\n", expect=1)
        self.assertIn(b"frame_too_large", done.stderr)

    def test_many_clients_at_once(self):
        with Server("echo-server") as server:
            clients = [subprocess.Popen([process.BINARY, "connect", server.url],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                       for _ in range(20)]
            for number, client in enumerate(clients):
                with client:
                    output, _ = client.communicate(f"client {number}\n".encode() * 100,
                                                   timeout=process.WATCHDOG_S)
                    self.assertEqual(output, f"client {number}\n".encode() * 100)
                    self.assertEqual(client.returncode, 0)


class Connect(CommandTest):
    def test_without_input_it_listens_until_the_server_closes(self):
        def script(client):
            peer.upgrade(client)
            peer.send_frame(client, 1, b"one")
            peer.send_frame(client, 1, b"tw", fin=False)
            peer.send_frame(client, 0, b"o")
            peer.send_frame(client, 2, b"\x00\xff\n")
            peer.close(client)
        with peer.Peer(script) as server:
            self.assertEqual(run("connect", server.url()).stdout, b"one\ntwo\nAP8K\n")
            self.assertEqual(run("connect", server.url(), "--raw").stdout, b"one\ntwo\n\x00\xff\n")
            done = run("connect", server.url(), "--json")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([event["event"] for event in events],
                         ["open", "message", "message", "message", "closed"])
        self.assertEqual(events[1]["data"], "one")
        self.assertEqual(base64.b64decode(events[3]["data"]), b"\x00\xff\n")
        self.assertEqual((events[4]["code"], events[4]["clean"]), (1000, True))

    def test_one_ends_after_the_first_message(self):
        def script(client):
            peer.upgrade(client)
            for text in (b"first", b"second", b"third"):
                peer.send_frame(client, 1, text)
            self.assertEqual(peer.read_frame(client), (8, struct.pack("!H", 1000)))
            peer.send_frame(client, 8, struct.pack("!H", 1000))
        with peer.Peer(script) as server:
            self.assertEqual(run("connect", server.url(), "--one").stdout, b"first\n")
        self.assertEqual(server.failures, [])

    def test_the_request_carries_what_was_asked(self):
        heads = []
        def script(client):
            heads.append(peer.upgrade(client, "Sec-WebSocket-Protocol: two\r\n"))
            peer.close(client)
        with peer.Peer(script) as server:
            done = run("connect", server.url("/path?token=hidden"), "-v", "-H", "X-Key: s3cret",
                       "-H", "X-Other:  value", "-s", "one", "-s", "two", "--deflate")
        head = heads[0]
        self.assertTrue(head.startswith("GET /path?token=hidden HTTP/1.1\r\n"), head)
        self.assertEqual(peer.header(head, "X-Key"), "s3cret")
        self.assertEqual(peer.header(head, "X-Other"), "value")
        self.assertEqual(peer.header(head, "Sec-WebSocket-Protocol"), "one, two")
        self.assertIn("permessage-deflate", peer.header(head, "Sec-WebSocket-Extensions"))
        text = done.stderr.decode()
        self.assertIn("subprotocol two", text)
        self.assertNotIn("hidden", text)
        self.assertNotIn("s3cret", text)

    def test_an_option_that_may_be_given_again_leaves_the_url_behind_it(self):
        with Server("echo-server") as server:
            for option in (["--option", "kernel_stamps=true"], ["-H", "X-Key: b"], ["-s", "foo"],
                           ["-s", "foo", "-s", "bar"]):
                with self.subTest(option):
                    done = run("connect", *option, server.url, stdin=b"hello\n")
                    self.assertEqual(done.stdout, b"hello\n")

    def test_a_close_that_is_an_error_is_one(self):
        def script(client):
            peer.upgrade(client)
            peer.close(client, 1011)
        with peer.Peer(script) as server:
            done = run("connect", server.url(), expect=1)
        self.assertIn(b"1011 (internal_error)", done.stderr)

    def test_a_stream_that_just_ends_is_an_error(self):
        with peer.Peer(lambda client: peer.upgrade(client)) as server:
            done = run("connect", server.url(), expect=1)
        self.assertIn(b"connection_lost", done.stderr)

    def test_the_kernels_stamps_are_told(self):
        with Server("echo-server") as server:
            done = run("connect", server.url, "--json", "--option", "kernel_stamps=true",
                       stdin=b"a line\n" * 1000)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        left = [event for event in events if event["event"] == "transmitted"]
        self.assertGreater(len(left), 0)
        for event in left:
            self.assertGreaterEqual(event["kernel_ns"], event["sent_ns"])
        for event in events:
            if event["event"] == "message" and "kernel_ns" in event:
                self.assertLessEqual(event["kernel_ns"], event["received_ns"])

    def test_pings_are_sent(self):
        def script(client):
            peer.upgrade(client)
            for _ in range(3):
                opcode, payload = peer.read_frame(client)
                self.assertEqual(opcode, 9)
                peer.send_frame(client, 10, payload)
            peer.close(client)
        with peer.Peer(script) as server:
            run("connect", server.url(), "--ping-interval", "0.01")
        self.assertEqual(server.failures, [])

    def test_invalid_utf8_is_not_sent_as_text(self):
        with Server("echo-server") as server:
            done = run("connect", server.url, stdin=b"good\n\xff\xfe\nbetter\n", expect=1)
            self.assertEqual(done.stdout, b"good\nbetter\n")
            self.assertIn(b"line 2", done.stderr)
            done = run("connect", server.url, "--binary", stdin=b"\xff\xfe\n")
            self.assertEqual(done.stdout, b"//4=\n")

    def test_every_signal_that_ends_it_is_a_good_end(self):
        with Server("echo-server") as server:
            for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                with self.subTest(how), Running("connect", server.url, "--json") as client:
                    self.assertIn('"open"', client.line())
                    self.assertEqual(client.stop(how), 0)

    def test_interrupted_it_closes_in_good_order(self):
        closes = []
        def script(client):
            peer.upgrade(client)
            peer.send_frame(client, 1, b"here")
            closes.append(peer.read_frame(client))
            peer.send_frame(client, 8, closes[0][1])
        with peer.Peer(script) as server:
            with Running("connect", server.url()) as client:
                self.assertEqual(client.line(), "here")
                self.assertEqual(client.stop(signal.SIGINT), 0)
        self.assertEqual(closes, [(8, struct.pack("!H", 1001))])

    def test_a_reader_that_has_gone_is_no_error_message(self):
        def script(client):
            peer.upgrade(client)
            try:
                while True:
                    peer.send_frame(client, 1, b"x" * 10_000)
            except OSError:
                pass
        with peer.Peer(script) as server:
            with Running("connect", server.url(), expect=141) as client:
                client.line()
                client.process.stdout.close()
                self.assertEqual(client.process.wait(timeout=process.WATCHDOG_S), 141)
                self.assertEqual(client.stderr(), "")


if __name__ == "__main__":
    process.main()
