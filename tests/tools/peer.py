"""Servers that are not ours: one that answers anything in HTTP, and a plain RFC 6455 server."""

import base64
import hashlib
import socket
import struct
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Peer:
    """Listens on loopback and runs script(socket) for each client, on a thread."""

    def __init__(self, script):
        self.script = script
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.failures = []
        self.threads = []
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def url(self, path="/"):
        return f"ws://127.0.0.1:{self.port}{path}"

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def _serve(self, client):
        with client:
            client.settimeout(60)
            try:
                self.script(client)
            except Exception as failure:  # pylint: disable=broad-except
                self.failures.append(failure)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join(60)
        for thread in self.threads:
            thread.join(60)


def read_head(client):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        if not byte:
            raise EOFError("the client left within its request")
        head += byte
    return head.decode()


def header(head, name):
    for line in head.split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return None


def upgrade(client, more=""):
    """Answers the request; returns its head."""
    head = read_head(client)
    key = header(head, "Sec-WebSocket-Key").encode()
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
    client.sendall((f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{more}\r\n").encode())
    return head


def send_frame(client, opcode, payload, fin=True):
    first = (0x80 if fin else 0) | opcode
    if len(payload) < 126:
        head = struct.pack("!BB", first, len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", first, 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, 127, len(payload))
    client.sendall(head + payload)


def read_exactly(client, count):
    data = b""
    while len(data) < count:
        part = client.recv(count - len(data))
        if not part:
            raise EOFError("end of stream")
        data += part
    return data


def read_frame(client):
    """(opcode, payload) of a client's masked frame."""
    first, second = read_exactly(client, 2)
    assert second & 0x80, "a client masks"
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", read_exactly(client, 2))
    elif length == 127:
        (length,) = struct.unpack("!Q", read_exactly(client, 8))
    key = read_exactly(client, 4)
    masked = read_exactly(client, length)
    return first & 15, bytes(byte ^ key[i % 4] for i, byte in enumerate(masked))


def close(client, code=1000):
    """Closes first and waits for the answer."""
    send_frame(client, 8, struct.pack("!H", code))
    while read_frame(client)[0] != 8:
        pass


def http(text, body=""):
    """A script that answers with that status line and headers, whatever is asked."""
    def script(client):
        read_head(client)
        client.sendall((text + f"\r\nContent-Length: {len(body)}\r\n\r\n" + body).encode())
    return script
