"""The engine against WebSocket ends that no one here wrote: Node's ws and Debian's python3-websockets, plain and TLS, with
and without permessage-deflate, in both roles. Run by ctest; or by hand:

    ZENWIRE=build/dev/tools/zenwire NODE_MODULES=build/deps/node tests/interop/interop_test.py
"""

import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ZENWIRE = os.environ["ZENWIRE"]
NODE_MODULES = os.environ.get("NODE_MODULES", "")
LIMIT_S = 120  # a hang is a failure

PEERS = {
    "ws": ["node", str(HERE / "peer_ws.mjs")],
    "websockets": ["/usr/bin/python3", str(HERE / "peer_websockets.py")],
}


# By what is agreed of permessage-deflate, so that several codes are tried.
CLOSE_CODES = {"none": 1000, "full": 3999, "narrow": 4001}


def lacks(peer):
    if peer == "ws":
        return not (shutil.which("node") and pathlib.Path(NODE_MODULES, "node_modules", "ws").exists())
    return subprocess.run(["/usr/bin/python3", "-c", "import websockets"], capture_output=True).returncode != 0


class Interop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.directory.name)
        cls.ca, cls.cert, cls.key = (str(folder / name) for name in ("ca.pem", "cert.pem", "key.pem"))
        # OpenSSL's own certificate for the peers' servers: one more part that is not ours.
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", cls.key, "-out", cls.cert], check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def options(self, tls, deflate, **more):
        return json.dumps({"deflate": deflate, "code": CLOSE_CODES[deflate], "modules": NODE_MODULES,
                           "ca": None, "cert": None, "key": None, **more})

    def need(self, peer):
        if lacks(peer):
            if os.environ.get("CI") == "true":
                self.fail(f"CI=true, and {peer} is not installed (tools/setup installs it)")
            self.skipTest(f"{peer} is not installed")

    def peer_is_client(self, peer, tls, deflate):
        self.need(peer)
        ca = str(pathlib.Path(self.directory.name) / f"own-{peer}-{tls}-{deflate}.pem")
        command = [ZENWIRE, "echo-server", "--port", "0"]
        command += ["--tls", "--ca-out", ca] if tls else []
        command += [] if deflate == "none" else ["--deflate"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                url = server.stdout.readline().strip()
                self.assertTrue(url.startswith("wss://" if tls else "ws://"), url)
                options = self.options(tls, deflate, url=url, ca=ca if tls else None)
                subprocess.run(PEERS[peer] + ["client", options], check=True, timeout=LIMIT_S)
            finally:
                server.terminate()

    def peer_is_server(self, peer, tls, deflate):
        self.need(peer)
        certificate = {"cert": self.cert, "key": self.key} if tls else {}
        command = PEERS[peer] + ["server", self.options(tls, deflate, **certificate)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                port = server.stdout.readline().strip()
                client = [ZENWIRE, "autobahn", f"{'wss' if tls else 'ws'}://localhost:{port}"]
                client += ["--ca", self.cert] if tls else []
                client += ["--subprotocol", "one", "--subprotocol", "two"]
                client += [] if deflate == "none" else ["--deflate"]
                subprocess.run(client, check=True, timeout=LIMIT_S)
                self.assertEqual(server.wait(timeout=LIMIT_S), 0)
            finally:
                server.terminate()


for at in itertools.product(PEERS, (False, True), CLOSE_CODES):
    label = f"{at[0]}_{'tls' if at[1] else 'plain'}_deflate_{at[2]}"
    setattr(Interop, f"test_{label}_as_client", lambda self, at=at: self.peer_is_client(*at))
    setattr(Interop, f"test_{label}_as_server", lambda self, at=at: self.peer_is_server(*at))

if __name__ == "__main__":
    program = unittest.main(exit=False)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.skipped else 0)  # 77: ctest lists it as skipped
