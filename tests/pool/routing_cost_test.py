"""What a routing decision costs, in instructions: callgrind over two numbers of decisions, and the
difference divided. argv[1] is bench/pool_choose."""

import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BINARY = sys.argv.pop(1)
FEW, MANY = 1_000, 11_000


def instructions(members, decisions):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out",
             BINARY, str(members), str(decisions)],
            capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


class RoutingCost(unittest.TestCase):
    def check(self, members, most):
        each = (instructions(members, MANY) - instructions(members, FEW)) / (MANY - FEW)
        print(f"{members} members: {each:.1f} instructions a decision, {most} at most")
        self.assertLessEqual(each, most)
        self.assertGreater(each, 10)  # it was not optimised away

    def test_sixteen_connections(self):
        self.check(16, 120)

    def test_two_hundred_and_fifty_six_connections(self):
        self.check(256, 600)


if __name__ == "__main__":
    assert shutil.which("valgrind"), "valgrind is needed (tools/setup installs it)"
    unittest.main()
