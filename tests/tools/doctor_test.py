"""doctor, and a kernel that refuses io_uring."""

import ctypes
import json
import struct

import process
from process import CommandTest, run

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
IO_URING_SETUP = 425


def refuse_io_uring():
    """A filter that answers io_uring_setup with EPERM, as container profiles do."""
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
    code = b"".join(struct.pack("<HBBI", *row) for row in (
        (0x20, 0, 0, 0),               # load the system call's number
        (0x15, 0, 1, IO_URING_SETUP),  # if it is this one
        (0x06, 0, 0, 0x00050001),      # fail with EPERM
        (0x06, 0, 0, 0x7FFF0000)))     # otherwise allow
    program = Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0) == 0


class Doctor(CommandTest):
    def test_every_finding_has_a_verdict_and_a_costly_one_a_remedy(self):
        findings = json.loads(run("doctor", "--json").stdout)["findings"]
        subjects = {finding["subject"] for finding in findings}
        self.assertLessEqual({"ring", "crypto", "vector unit", "time-stamp counter", "isolated cores",
                              "governor", "huge pages", "receive buffer limit",
                              "congestion control", "open files"}, subjects)
        for finding in findings:
            self.assertIn(finding["verdict"], ("right", "note", "costs"))
            self.assertTrue(finding["found"], finding)
            if finding["verdict"] == "costs":
                self.assertTrue(finding["mend"], finding)

    def test_text(self):
        text = run("doctor").stdout.decode()
        self.assertRegex(text, r"(?m)^right   ring +io_uring with \d+ operations: single issuer")


class Refused(CommandTest):
    def test_doctor_names_what_refuses(self):
        done = run("doctor", expect=1, preexec_fn=refuse_io_uring)
        self.assertRegex(done.stdout.decode(), r"(?m)^broken  ring .*seccomp")

    def test_commands_say_so(self):
        for line in (["connect", "ws://127.0.0.1:1/"], ["echo-server"],
                     ["record", "ws://127.0.0.1:1/", "--to", self.path("r")]):
            errors = run(*line, expect=1, preexec_fn=refuse_io_uring).stderr.decode()
            self.assertIn("ring_refused_by_seccomp", errors)
            self.assertIn("try: ", errors)


if __name__ == "__main__":
    process.main()
