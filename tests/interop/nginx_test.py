"""A session against nginx as a TLS-terminating proxy in front of Node's ws: it must survive nginx's reload and restart
with its subscriptions restored, and rotate without a gap. Run by ctest; or by hand:

    SESSION_CLIENT=build/dev/tests/interop/session_client NODE_MODULES=build/deps/node python3 tests/interop/nginx_test.py
"""

import json
import os
import pathlib
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
CLIENT = os.environ["SESSION_CLIENT"]
NODE_MODULES = os.environ.get("NODE_MODULES", "")
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
LIMIT_S = 60  # a hang is a failure
CHANNELS = ["book.a", "trades.b", "ticker.c"]

CONFIGURATION = """
worker_processes 1;
daemon off;
error_log stderr warn;
pid {folder}/nginx.pid;
worker_shutdown_timeout 200ms;  # or a reload would leave open connections with the old worker
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
    }}
  }}
}}
"""


class Lines:
    """What a process prints, as JSON objects, read on a thread so that waiting for one has a limit."""

    def __init__(self, stream):
        self.lines = queue.Queue()
        self.seen = []
        threading.Thread(target=self.read, args=(stream,), daemon=True).start()

    def read(self, stream):
        for line in stream:
            self.lines.put(line)
        self.lines.put(None)

    def first(self):
        return self.lines.get(timeout=LIMIT_S)

    def wait_for(self, wanted):
        """Reads on until a line for which wanted() holds, and returns it."""
        while True:
            line = self.lines.get(timeout=LIMIT_S)
            if line is None:
                raise AssertionError(f"the process ended; its last lines: {self.seen[-10:]}")
            entry = json.loads(line)
            self.seen.append(entry)
            if wanted(entry):
                return entry


def lacks():
    missing = [] if os.access(NGINX, os.X_OK) else ["nginx"]
    node = shutil.which("node") and pathlib.Path(NODE_MODULES, "node_modules", "ws").exists()
    return missing + ([] if node else ["Node's ws"])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nginx(unittest.TestCase):
    def setUp(self):
        missing = lacks()
        if missing:
            if os.environ.get("CI") == "true":
                self.fail(f"CI=true, and {missing} are not installed (tools/setup installs them)")
            self.skipTest(f"not installed: {missing}")
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = pathlib.Path(directory.name)
        os.chmod(self.folder, 0o755)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", str(self.folder / "key.pem"), "-out", str(self.folder / "cert.pem")],
            check=True, capture_output=True)
        self.venue = self.start(["node", str(HERE / "peer_venue.mjs"), json.dumps({"modules": NODE_MODULES})])
        self.venue_lines = Lines(self.venue.stdout)
        upstream = int(self.venue_lines.first())
        self.port = free_port()
        (self.folder / "nginx.conf").write_text(
            CONFIGURATION.format(folder=self.folder, port=self.port, upstream=upstream))
        self.start_nginx()
        self.client = self.start([CLIENT, f"wss://localhost:{self.port}/", str(self.folder / "cert.pem")] + CHANNELS,
                                 stdin=subprocess.PIPE)
        self.lines = Lines(self.client.stdout)

    def start(self, command, **more):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more)

        def end():
            process.kill()
            process.wait()
            process.stdout.close()
            if process.stdin:
                process.stdin.close()

        self.addCleanup(end)
        return process

    def start_nginx(self):
        self.nginx = self.start([NGINX, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")],
                                stderr=subprocess.DEVNULL)

    def nginx_signal(self, name):
        # The pid file is there once nginx serves; the client's being open says that it does.
        subprocess.run([NGINX, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-s", name], check=True,
                       capture_output=True, timeout=LIMIT_S)

    def expect_open_with_all_channels(self):
        self.lines.wait_for(lambda entry: entry.get("state") == "open" and not entry["second_line"])
        self.venue_lines.wait_for(lambda entry: entry.get("channels") == sorted(CHANNELS))
        for channel in CHANNELS:
            self.lines.wait_for(lambda entry, channel=channel: entry.get("data") == channel)

    def expect_end_in_order(self):
        self.client.stdin.close()
        self.client.stdin = None
        last = self.lines.wait_for(lambda entry: "out_of_order" in entry)
        self.assertEqual(last["out_of_order"], 0, "every message once and in order, or in a gap")
        self.assertEqual(self.client.wait(timeout=LIMIT_S), 0)

    def test_reload_and_restart(self):
        self.expect_open_with_all_channels()
        self.nginx_signal("reload")
        self.lines.wait_for(lambda entry: entry.get("state") == "backoff")
        self.expect_open_with_all_channels()
        self.nginx_signal("stop")
        self.assertEqual(self.nginx.wait(timeout=LIMIT_S), 0)
        self.lines.wait_for(lambda entry: entry.get("reason") == "connect_refused")
        self.start_nginx()
        self.expect_open_with_all_channels()
        self.expect_end_in_order()

    def test_the_venue_behind_it_restarting_is_survived(self):
        self.expect_open_with_all_channels()
        self.venue.kill()
        self.venue.wait()
        # nginx answers 502 to the upgrade as long as nobody is behind it: it may pass.
        self.lines.wait_for(lambda entry: entry.get("reason") == "http_status")

    def test_rotation(self):
        self.expect_open_with_all_channels()
        for rotation in range(1, 6):
            self.client.stdin.write("rotate\n")
            self.client.stdin.flush()
            self.lines.wait_for(lambda entry: entry.get("state") == "stopped" and entry["second_line"]
                                and entry["reason"] == "rotated" and entry["rotations"] == rotation)
        gone = [entry for entry in self.lines.seen if entry.get("state") == "backoff"]
        self.assertEqual(gone, [], "a rotation is no outage")
        self.expect_end_in_order()


if __name__ == "__main__":
    program = unittest.main(exit=False)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.skipped else 0)  # 77: ctest lists it as skipped
