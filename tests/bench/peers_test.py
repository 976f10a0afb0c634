#!/usr/bin/env python3
"""The floor and every peer against the benchmark server and against a server that lies: all keep the contract of a client.

peers_test.py FOLDER SERVER NAME...

FOLDER holds the programs NAME_client; those that were not built are skipped by name. Exit code 77 if none was built.
"""

import asyncio
import contextlib
import sys
import tempfile
import unittest
from pathlib import Path

import websockets

from bench_client import MODES, BenchServer, check_line, run_client

FOLDER, SERVER, *NAMES = sys.argv[1:]
SKIPPED = 77
# The floor, which does nothing but move bytes, looks at the length of frames only.
UNCHECKED = ("floor",)


def program(name):
    return Path(FOLDER, f"{name}_client")


def against(name, handler, *options):
    async def run():
        async with websockets.serve(handler, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await asyncio.to_thread(run_client, program(name), port, *options)

    return asyncio.run(run())


class EveryPeer(unittest.TestCase):
    """Made a class for each peer below."""

    name = ""

    def every_mode(self, port, *options, **wanted):
        for wait in ("spin", "block"):
            for mode, more in MODES:
                with self.subTest(mode=mode, wait=wait):
                    ran = run_client(program(self.name), port, "--mode", mode, "--wait", wait, *more, *options)
                    check_line(self, ran, self.name, mode, wait=wait, **wanted)

    def test_every_mode_plain(self):
        with BenchServer(SERVER) as server:
            self.every_mode(server.port, tls=False, conns=1)

    def test_every_mode_over_tls_with_the_authority_checked(self):
        with tempfile.TemporaryDirectory() as folder:
            ca = str(Path(folder, "ca.pem"))
            with BenchServer(SERVER, "--tls", "--ca-out", ca) as server:
                self.every_mode(server.port, "--tls", "--ca", ca, tls=True, conns=1)

    def test_many_connections(self):
        for tls in ([], ["--tls"]):
            with BenchServer(SERVER, *tls) as server:
                for mode in ("sink", "oneway"):
                    with self.subTest(mode=mode, tls=tls):
                        ran = run_client(program(self.name), server.port, "--mode", mode, "--conns", "11", "--rate", "20000",
                                         "--wait", "block", *tls)
                        check_line(self, ran, self.name, mode, conns=11)

    def test_messages_that_no_read_holds_whole(self):
        with BenchServer(SERVER) as server:
            for mode in ("echo", "sink"):
                with self.subTest(mode=mode):
                    ran = run_client(program(self.name), server.port, "--mode", mode, size=70_000)
                    check_line(self, ran, self.name, mode, size=70_000)

    def test_a_certificate_of_another_authority_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            ca = str(Path(folder, "ca.pem"))
            with BenchServer(SERVER, "--tls", "--ca-out", ca), BenchServer(SERVER, "--tls") as other:
                ran = run_client(program(self.name), other.port, "--mode", "echo", "--tls", "--ca", ca)
        self.assertEqual(ran.returncode, 1)
        self.assertIn("error:", ran.stderr)

    def test_a_changed_byte_is_an_error(self):
        async def echo(socket):
            with contextlib.suppress(websockets.ConnectionClosed):
                async for text in socket:
                    await socket.send(text[:-3] + "!" + text[-2:])

        if self.name in UNCHECKED:
            self.skipTest("the floor looks at no more than the length")
        self.assertEqual(against(self.name, echo, "--mode", "echo").returncode, 1)

    def test_an_early_end_is_an_error(self):
        async def leave(socket):
            await socket.recv()

        ran = against(self.name, leave, "--mode", "sink")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("error:", ran.stderr)

    def test_nobody_listening_is_an_error(self):
        ran = run_client(program(self.name), 1, "--mode", "echo")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("error:", ran.stderr)


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite()
    for name in NAMES:
        peer = type(name.capitalize(), (EveryPeer,), {"name": name})
        if not program(name).exists():
            peer = unittest.skip(f"{name}_client is not built")(peer)
        suite.addTests(loader.loadTestsFromTestCase(peer))
    return suite


if __name__ == "__main__":
    if not any(program(name).exists() for name in NAMES):
        print("no peer is built: tools/setup --for bench, then the target bench_peers")
        sys.exit(SKIPPED)
    unittest.main(argv=[sys.argv[0], "-v"])
