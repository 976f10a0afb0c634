"""Debian's python3-websockets as the other end; what it does and how it is called is as in peer_ws.mjs."""

import asyncio
import json
import ssl
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

SIZES = [0, 1, 125, 126, 127, 1000, 65535, 65536, 70000, 1000000, 4 << 20]


def text_of(size, index):
    period = "".join(chr(97 + (i * 7 + index) % 26) for i in range(26))
    return (period * (size // 26 + 1))[:size]


def messages():
    for index, size in enumerate(SIZES):
        yield text_of(size, index)
        yield text_of(size, index + 3).encode()
    yield "\u00e9\u4e16\U0001f680" * 1000


def parts_of(message):
    parts = min(len(message), 500)
    return [message[at * len(message) // parts:(at + 1) * len(message) // parts] for at in range(parts)]


async def exchange(socket, options):
    assert bool(socket.extensions) == (options["deflate"] != "none"), socket.extensions
    pong = await socket.ping(b"beat")
    for index, message in enumerate(messages()):
        if index % 3 == 0 and len(message) > 1:
            await socket.send(parts_of(message))  # fragments
        else:
            await socket.send(message)
        echoed = await socket.recv()
        assert echoed == message, f"message {index} differs"
    await asyncio.wait_for(pong, 20)
    await socket.close(options["code"], "all came back")
    assert socket.close_code == options["code"], socket.close_code


def compression(options, factory):
    if options["deflate"] == "narrow":
        return {"extensions": [factory(True, True, 9, 10)], "compression": None}
    return {"compression": "deflate" if options["deflate"] == "full" else None}


async def client(options):
    context = ssl.create_default_context(cafile=options["ca"]) if options["ca"] else None
    async with websockets.connect(options["url"], ssl=context, max_size=None,
                                  **compression(options, ClientPerMessageDeflateFactory)) as socket:
        await exchange(socket, options)


async def server(options):
    context = None
    if options["cert"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options["cert"], options["key"])
    outcome = asyncio.get_running_loop().create_future()
    done = []

    async def handle(socket):
        try:
            if socket.path == "/getCaseCount":
                await socket.send("2")
            elif socket.path.startswith("/runCase"):
                assert socket.subprotocol == "two", socket.subprotocol
                await exchange(socket, options)
                done.append(1)
            else:
                await socket.close(1000)
                outcome.set_result(len(done) == 2)
        except BaseException as error:  # whatever it is, the test wants to hear of it
            if not outcome.done():
                outcome.set_exception(error)
            raise

    async with websockets.serve(handle, "127.0.0.1", 0, ssl=context, max_size=None, subprotocols=["two"],
                                **compression(options, ServerPerMessageDeflateFactory)) as serving:
        print(serving.sockets[0].getsockname()[1], flush=True)
        assert await outcome


asyncio.run({"client": client, "server": server}[sys.argv[1]](json.loads(sys.argv[2])))
