#!/usr/bin/env python3
"""The benchmark client against the benchmark server, in every mode, plain and over TLS: what it prints, how it ends.

client_test.py CLIENT SERVER
"""

import asyncio
import json
import sys
import tempfile
import unittest
from pathlib import Path

import websockets

import bench_client
from bench_client import MODES, check_line, run_client

CLIENT, SERVER = sys.argv[1:3]


def client(port, *options, **more):
    return run_client(CLIENT, port, *options, **more)


class BenchServer(bench_client.BenchServer):
    def __init__(self, *options):
        super().__init__(SERVER, *options)


class AgainstOurServer(unittest.TestCase):
    def check(self, ran, mode, **wanted):
        return check_line(self, ran, "zenwire", mode, **wanted)

    def every_mode(self, port, *options, **wanted):
        for wait in ("spin", "block"):
            for mode, more in MODES:
                with self.subTest(mode=mode, wait=wait):
                    ran = client(port, "--mode", mode, "--wait", wait, *more, *options)
                    self.check(ran, mode, wait=wait, **wanted)

    def test_every_mode_plain(self):
        with BenchServer() as server:
            self.every_mode(server.port, tls=False, conns=1)

    def test_every_mode_over_tls_with_the_authority_checked(self):
        with tempfile.TemporaryDirectory() as folder:
            ca = str(Path(folder, "ca.pem"))
            with BenchServer("--tls", "--ca-out", ca) as server:
                self.every_mode(server.port, "--tls", "--ca", ca, tls=True, conns=1)

    def test_tls_without_an_authority_says_so(self):
        with BenchServer("--tls") as server:
            ran = client(server.port, "--tls", "--mode", "echo")
            self.check(ran, "echo", tls=True)
            self.assertIn("any certificate is accepted", ran.stderr)

    def test_many_connections(self):
        with BenchServer() as server:
            for mode in ("sink", "oneway"):
                with self.subTest(mode=mode):
                    ran = client(server.port, "--mode", mode, "--conns", "11", "--rate", "20000", "--wait", "block")
                    self.check(ran, mode, conns=11)

    def test_messages_of_the_least_and_of_many_sizes(self):
        with BenchServer() as server:
            for size in (64, 200, 70_000):
                with self.subTest(size=size):
                    self.check(client(server.port, "--mode", "echo", size=size), "echo", size=size)
                    self.check(client(server.port, "--mode", "sink", size=size), "sink", size=size)


class AgainstOthers(unittest.TestCase):
    """What is wrong must be seen: the server is Python's, and lies."""

    def against(self, handler, *options):
        async def run():
            async with websockets.serve(handler, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                return await asyncio.to_thread(client, port, *options)

        return asyncio.run(run())

    def test_a_changed_byte_is_an_error(self):
        async def echo(socket):
            async for text in socket:
                await socket.send(text[:-3] + "!" + text[-2:])

        ran = self.against(echo, "--mode", "echo")
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(json.loads(ran.stdout)["errors"], 550)

    def test_an_early_end_is_an_error(self):
        async def leave(socket):
            await socket.recv()

        ran = self.against(leave, "--mode", "sink")
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(json.loads(ran.stdout)["received"], 0)
        self.assertIn("error:", ran.stderr)

    def test_a_number_out_of_order_is_an_error(self):
        async def sink(socket):
            await socket.recv()
            for i in range(550):
                number = i % 5 + (i == 300)
                head = f'{{"t":"{0:019}","n":"{number:010}","p":"'
                await socket.send(head + ("abcdefghijklmnopqrstuvwxyz" * 3)[: 128 - len(head) - 2] + '"}')
            await socket.wait_closed()

        ran = self.against(sink, "--mode", "sink", "--batch", "5")
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(json.loads(ran.stdout)["errors"], 1)

    def test_nobody_listening_is_an_error(self):
        ran = client(1, "--mode", "echo")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("error:", ran.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
