"""autobahn against a little fuzzing server."""

import json
import struct
import threading

import peer
import process
from process import CommandTest, run


class Fuzzer:
    """Four cases: a text, a binary message in fragments, a stream that is cut, a protocol error."""

    CASES = 4

    def __init__(self):
        self.targets = []
        self.echoes = {}

    def __call__(self, client):
        head = peer.upgrade(client)
        target = head.split(" ")[1]
        self.targets.append(target)
        if target.startswith("/getCaseCount"):
            peer.send_frame(client, 1, str(self.CASES).encode())
            peer.close(client)
        elif target.startswith("/runCase"):
            self.run_case(client, int(target.split("case=")[1].split("&")[0]))
        else:
            peer.close(client)

    def run_case(self, client, case):
        if case == 1:
            peer.send_frame(client, 1, b"text")
        elif case == 2:
            peer.send_frame(client, 2, b"\x00" * 100_000, fin=False)
            peer.send_frame(client, 9, b"ping")
            peer.send_frame(client, 0, b"\x01" * 100_000)
            assert peer.read_frame(client) == (10, b"ping")
        elif case == 3:
            client.sendall(b"\x81")
            return
        else:
            peer.send_frame(client, 3, b"reserved opcode")
            opcode, payload = peer.read_frame(client)
            assert (opcode, payload[:2]) == (8, struct.pack("!H", 1002))
            self.echoes[case] = "closed"
            return
        self.echoes[case] = peer.read_frame(client)
        peer.close(client)


class Autobahn(CommandTest):
    def test_runs_every_case_and_asks_for_the_report(self):
        fuzzer = Fuzzer()
        with peer.Peer(fuzzer) as server:
            done = run("autobahn", server.url(), "--agent", "zen wire", "--json", "--deflate")
        self.assertEqual(server.failures, [])
        agent = "agent=zen%20wire"
        self.assertEqual(fuzzer.targets,
                         ["/getCaseCount"] + [f"/runCase?case={i}&{agent}" for i in range(1, 5)] +
                         [f"/updateReports?{agent}"])
        self.assertEqual(fuzzer.echoes[1], (1, b"text"))
        self.assertEqual(fuzzer.echoes[2], (2, b"\x00" * 100_000 + b"\x01" * 100_000))
        self.assertEqual(fuzzer.echoes[4], "closed")
        self.assertEqual(json.loads(done.stdout), {"cases": 4, "run": 4, "not_opened": 0, "echoed": 2})

    def test_only_some_cases(self):
        fuzzer = Fuzzer()
        with peer.Peer(fuzzer) as server:
            run("autobahn", server.url(), "--cases", "2-3")
        self.assertEqual([target.split("&")[0] for target in fuzzer.targets],
                         ["/getCaseCount", "/runCase?case=2", "/runCase?case=3",
                          "/updateReports?agent=zenwire"])

    def test_a_deadline_of_the_user_wins(self):
        answered = threading.Event()
        with peer.Peer(lambda client: answered.wait(60)) as server:
            done = run("autobahn", server.url(), "--option", "upgrade_timeout_ms=1", expect=1)
            answered.set()
        self.assertIn(b"upgrade_timeout", done.stderr)

    def test_no_server(self):
        with peer.Peer(lambda client: None) as server:
            url = server.url()
        self.assertIn(b"connect_refused", run("autobahn", url, expect=1).stderr)


if __name__ == "__main__":
    process.main()
