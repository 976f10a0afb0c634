"""What the tests of benchmark clients share: our server, a client's command line, and the line that it prints."""

import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/lib"))
import client_counts  # noqa: E402

TIMEOUT_S = 120

COMMON = ["client", "mode", "tls", "wait", "size", "count", "warmup", "conns", "received", "verified", "errors", "wall_ns",
          "wall_ns_per_msg", "msgs_per_s", "cpu_ns_per_msg", "user_ns_per_msg", "sys_ns_per_msg", "nvcsw", "nivcsw",
          "cpus_seen", "cpus_allowed", "tcp_sockets", "nodelay", "run_delay_ns"]
LATENCY = ["min_ns", "mean_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns"]
MODES = (("echo", []), ("sink", ["--batch", "7"]), ("oneway", ["--rate", "20000"]))


class BenchServer(client_counts.ServerProcess):
    """Our server, for as long as the block lasts; it must end well."""

    def __init__(self, server, *options):
        super().__init__([server, "--wait", "block", *options])

    def __exit__(self, *error):
        super().__exit__(*error)
        assert self.process.returncode == 0, self.process.returncode


def run_client(program, port, *options, size=128, count=500, warmup=50, **more):
    command = [program, "--host", "127.0.0.1", "--port", str(port), "--size", str(size), "--count", str(count),
               "--warmup", str(warmup), "--cpu", "0", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **more)


def check_line(test, ran, name, mode, **wanted):
    """The client ended well, and its line is what the contract says."""
    test.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
    test.assertEqual(ran.stdout.count("\n"), 1)
    line = json.loads(ran.stdout)
    test.assertEqual(list(line), COMMON + ([] if mode == "sink" else LATENCY))
    wanted = {"client": name, "mode": mode, "errors": 0, "count": 500, "warmup": 50, "received": 500, "verified": 500,
              "cpus_seen": "0", "cpus_allowed": "0", **wanted}
    test.assertEqual({key: line[key] for key in wanted}, wanted)
    test.assertEqual(line["tcp_sockets"], line["conns"])
    test.assertEqual(line["nodelay"], line["conns"])
    test.assertGreater(line["wall_ns"], 0)
    if mode != "sink":
        order = [line[key] for key in ("min_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")]
        test.assertEqual(order, sorted(order))
        test.assertGreater(order[0], 0)
    return line
