// A venue on Node's ws for nginx_test.py: login, subscriptions, numbered data. Usage: node peer_venue.mjs '{"modules":..}'
// The first line of standard output is the port; then a JSON object for each subscription and each end.
import { createRequire } from 'node:module';

const options = JSON.parse(process.argv[2]);
const { WebSocketServer } = createRequire(options.modules + '/')('ws');
const published = new Map();
const clients = new Map();

const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
server.on('listening', () => console.log(server.address().port));
server.on('connection', (socket) => {
  const channels = new Set();
  clients.set(socket, channels);
  socket.on('error', () => {});
  socket.on('close', () => {
    clients.delete(socket);
    console.log(JSON.stringify({ event: 'close', clients: clients.size }));
  });
  socket.on('message', (data) => {
    const request = JSON.parse(data);
    const answer = (result) => socket.send(JSON.stringify({ id: request.id, result }));
    if (request.method === 'login') return answer(true);
    if (request.method !== 'subscribe') return answer(null);
    request.channels.forEach((channel) => channels.add(channel));
    console.log(JSON.stringify({ event: 'subscribe', channels: [...channels].sort(), clients: clients.size }));
    return answer(request.channels);
  });
});
setInterval(() => {
  const wanted = new Set([...clients.values()].flatMap((channels) => [...channels]));
  for (const channel of wanted) {
    const seq = (published.get(channel) ?? 0) + 1;
    published.set(channel, seq);
    const text = JSON.stringify({ method: 'data', channel, seq });
    for (const [socket, channels] of clients) if (channels.has(channel)) socket.send(text);
  }
}, 2);
