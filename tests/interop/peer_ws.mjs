// Node's ws as the other end. Usage: node peer_ws.mjs server|client '{"cert":..,"key":..,"ca":..,"url":..,"deflate":..}'
//
// server: the shape of an Autobahn fuzzing server: /getCaseCount, /runCase?case=N (sends, wants each message back, closes),
// /updateReports (ends). First line of standard output is the port. client: wants each message back from an echo server.
// deflate: "none", "full", or "narrow": small windows that forget. Both sides close with `code`; a server chooses the
// subprotocol "two".
// Exit code 0 when everything came back equal and every connection closed with that code.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

const [role, text] = process.argv.slice(2);
const options = JSON.parse(text);
const require = createRequire(options.modules + '/');
const { WebSocket, WebSocketServer } = require('ws');

const sizes = [0, 1, 125, 126, 127, 1000, 65535, 65536, 70000, 1000000, 4 << 20];
const textOf = (size, index) => Array.from({ length: size }, (_, i) => String.fromCharCode(97 + ((i * 7 + index) % 26))).join('');
const messages = sizes.flatMap((size, index) => [textOf(size, index), Buffer.from(textOf(size, index + 3))]);
messages.push('\u00e9\u4e16\ud83d\ude80'.repeat(1000));

const fail = (why) => { console.error('ws peer: ' + why); process.exit(1); };

// Sends all, some in fragments, and wants all back in order.
function exchange(socket, then) {
  let next = 0;
  socket.on('message', (data, isBinary) => {
    const wanted = messages[next++];
    if (isBinary !== (typeof wanted !== 'string') || !Buffer.from(wanted).equals(data)) fail(`message ${next - 1} differs`);
    if (next === messages.length) socket.close(options.code, 'all came back');
  });
  let pongs = 0;
  socket.on('pong', () => ++pongs);
  socket.on('close', (code) => {
    if (code !== options.code || next !== messages.length || pongs !== 1) fail(`closed with ${code} after ${next}, ${pongs} pongs`);
    then();
  });
  socket.ping('beat');
  messages.forEach((message, index) => {
    const binary = typeof message !== 'string';
    if (index % 3 === 0 && message.length > 1) {
      const parts = Math.min(message.length, 500);
      for (let part = 0; part < parts; ++part) {
        const [from, to] = [part, part + 1].map((at) => Math.floor((at * message.length) / parts));
        socket.send(message.slice(from, to), { binary, fin: part === parts - 1 });
      }
    } else {
      socket.send(message, { binary });
    }
  });
}

const narrow = { serverMaxWindowBits: 9, clientMaxWindowBits: 10, serverNoContextTakeover: true, clientNoContextTakeover: true };
const perMessageDeflate = { none: false, full: { threshold: 0 }, narrow: { threshold: 0, ...narrow } }[options.deflate];

function checkAgreement(socket) {
  if ((socket.extensions !== '') !== (options.deflate !== 'none')) fail(`extensions: "${socket.extensions}"`);
}

if (role === 'client') {
  const socket = new WebSocket(options.url, { ca: options.ca && readFileSync(options.ca), perMessageDeflate });
  socket.on('error', (error) => fail(error.message));
  socket.on('open', () => {
    checkAgreement(socket);
    exchange(socket, () => process.exit(0));
  });
} else {
  const server = options.cert
    ? https.createServer({ cert: readFileSync(options.cert), key: readFileSync(options.key) })
    : http.createServer();
  let done = 0;
  const handleProtocols = (offered) => (offered.has('two') ? 'two' : false);
  const maxPayload = 16 << 20;
  new WebSocketServer({ server, perMessageDeflate, handleProtocols, maxPayload }).on('connection', (socket, request) => {
    socket.on('error', (error) => fail(error.message));
    if (request.url === '/getCaseCount') {
      socket.send('2');
      socket.close(1000);
    } else if (request.url.startsWith('/runCase')) {
      checkAgreement(socket);
      if (socket.protocol !== 'two') fail(`subprotocol: "${socket.protocol}"`);
      exchange(socket, () => ++done);
    } else {
      socket.on('close', () => process.exit(done === 2 ? 0 : 1));
      socket.close(1000);
    }
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
}
