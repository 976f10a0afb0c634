// Node's ws. Run it as `ws_client`, which pins it first: a JavaScript program cannot pin itself.
//
// Chosen: no compression, bufferutil to mask, AES-128-GCM as the others, TCP_NODELAY (which ws sets), and a seeded generator of
// masking keys, which no other client here asks the system for either. UTF-8 is checked, by Node itself. `block` lets Node wait
// in the kernel; `spin` keeps a setImmediate() standing, so that its loop asks the kernel without waiting.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const { WebSocket } = createRequire(process.env.NODE_MODULES + '/')('ws');

const timeAt = [6, 25];
const numberAt = [32, 42];

function die(text, code = 1) {
  console.error(`error: ${text}`);
  process.exit(code);
}

function parse() {
  const text = (value) => ({ type: 'string', default: value });
  const flag = { type: 'boolean', default: false };
  const options = {
    host: text('127.0.0.1'), port: text(''), tls: flag, ca: text(''), mode: text('echo'), size: text('128'), count: text(''),
    warmup: text('0'), cpu: text('-1'), conns: text('1'), batch: text('64'), rate: text('10000'), wait: text('spin'),
  };
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    die(error.message, 2);
  }
  for (const name of ['port', 'size', 'count', 'warmup', 'cpu', 'conns', 'batch', 'rate']) {
    if (values[name] === '' || !Number.isFinite(Number(values[name]))) die(`--${name}: a number is needed`, 2);
    values[name] = Number(values[name]);
  }
  if (!['echo', 'sink', 'oneway'].includes(values.mode)) die('--mode: echo, sink or oneway', 2);
  if (!['spin', 'block'].includes(values.wait)) die('--wait: spin or block', 2);
  if (values.size < 64) die('--size: 64 at least', 2);
  if (values.mode === 'echo' && values.conns !== 1) die('echo has one connection', 2);
  if (values.tls && !values.ca) console.error('warning: --tls without --ca: any certificate is accepted');
  return values;
}

const options = parse();
const total = options.count + options.warmup;

function pathOf() {
  if (options.mode === 'echo') return '/echo';
  const each = Math.ceil(total / options.conns);
  const last = options.mode === 'sink' ? `b=${options.batch}` : `r=${options.rate / options.conns}`;
  return `/${options.mode}?n=${each}&s=${options.size}&${last}`;
}

function makeMessage(number) {
  const head = `{"t":"${'0'.repeat(19)}","n":"${String(number).padStart(10, '0')}","p":"`;
  const padding = 'abcdefghijklmnopqrstuvwxyz'.repeat(Math.ceil(options.size / 26));
  return Buffer.from(head + padding.slice(0, options.size - head.length - 2) + '"}');
}

// The decimal number in a message one further, in place.
function increment(message) {
  for (let at = numberAt[1] - 1; at >= numberAt[0]; --at) {
    if (message[at] !== 0x39) {
      ++message[at];
      return;
    }
    message[at] = 0x30;
  }
}

// What one connection is to receive: every byte of every message is compared. A server counts from zero or from one: its first
// message says which.
class Expected {
  constructor() {
    this.begun = false;
    this.startAt(0);
  }

  startAt(first) {
    const block = options.mode === 'sink' ? options.batch : 1;
    this.messages = Array.from({ length: block }, (_, i) => makeMessage(first + i));
    this.next = 0;
  }

  // `from`: where the bytes begin that are to be the same. The time of a oneway message is not.
  take(data, from) {
    if (data.length !== options.size) return false;
    let right = this.same(data, from);
    if (!right && !this.begun) {
      this.startAt(1);
      right = this.same(data, from);
    }
    this.begun = true;
    if (options.mode === 'oneway') increment(this.messages[0]);
    if (++this.next === this.messages.length) this.next = 0;
    return right;
  }

  same(data, from) {
    const wanted = this.messages[this.next];
    if (from === 0) return data.equals(wanted);
    return data.compare(wanted, from, undefined, from) === 0 && data.compare(wanted, 0, timeAt[0], 0, timeAt[0]) === 0;
  }
}

class Run {
  received = 0;
  errors = 0;
  latencies = new Float64Array(options.mode === 'sink' ? 0 : options.count);
  cores = new Set();

  begin() {
    if (options.warmup === 0) this.began = this.look();
  }

  get complete() { return this.received === total; }

  take(right, latency) {
    if (!right) ++this.errors;
    if (latency !== undefined && this.received >= options.warmup) this.latencies[this.received - options.warmup] = latency;
    ++this.received;
    if (this.received === options.warmup) this.began = this.look();
    if (this.received === total) this.ended = this.look();
  }

  look() {
    const behindName = readFileSync('/proc/self/stat', 'latin1').split(') ')[1].split(' ');
    this.cores.add(behindName[36]);
    return {
      runDelay: Number(readFileSync('/proc/self/schedstat', 'latin1').split(' ')[1]),
      usage: process.resourceUsage(),
      wall: process.hrtime.bigint(),
    };
  }

  percentiles() {
    const sorted = this.latencies.sort();
    const at = (percent) => sorted[Math.min(Math.ceil((sorted.length * percent) / 100), sorted.length) - 1];
    const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
    return { min_ns: sorted[0], mean_ns: Math.round(mean * 100) / 100, p50_ns: at(50), p90_ns: at(90), p99_ns: at(99), p999_ns: at(99.9),
      max_ns: sorted[sorted.length - 1] };
  }

  finish(sockets) {
    const of = (name) => this.ended.usage[name] - this.began.usage[name];
    const perMessage = (ns) => Math.round((ns / options.count) * 100) / 100;
    const wall = Number(this.ended.wall - this.began.wall);
    const [user, system] = [of('userCPUTime') * 1000, of('systemCPUTime') * 1000];
    const allowed = /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1];
    const open = sockets.filter((socket) => socket.readyState === 'open').length;
    console.log(JSON.stringify({
      client: 'ws', mode: options.mode, tls: options.tls, wait: options.wait, size: options.size, count: options.count,
      warmup: options.warmup, conns: options.conns, received: options.count, verified: options.count - Math.min(options.count, this.errors),
      errors: this.errors, wall_ns: wall, wall_ns_per_msg: perMessage(wall), msgs_per_s: Math.round((options.count * 1e11) / wall) / 100,
      cpu_ns_per_msg: perMessage(user + system), user_ns_per_msg: perMessage(user), sys_ns_per_msg: perMessage(system),
      nvcsw: of('voluntaryContextSwitches'), nivcsw: of('involuntaryContextSwitches'), cpus_seen: [...this.cores].join(','),
      cpus_allowed: allowed, tcp_sockets: open, nodelay: open, run_delay_ns: this.ended.runDelay - this.began.runDelay,
      ...(options.mode === 'sink' ? {} : this.percentiles()),
    }));
    process.exit(this.errors === 0 ? 0 : 1);
  }
}

const run = new Run();
const clients = [];
const sockets = [];
const echo = makeMessage(0);
let echoSent = 0n;
let opened = 0;

function sendEcho(client) {
  echoSent = process.hrtime.bigint();
  client.send(echo, { binary: false });
}

const handlers = {
  echo: (client) => (data) => {
    const now = process.hrtime.bigint();
    run.take(data.equals(echo), Number(now - echoSent));
    if (run.complete) return run.finish(sockets);
    increment(echo);
    sendEcho(client);
  },
  sink: () => {
    const expected = new Expected();
    return (data) => {
      if (run.complete) return;
      run.take(expected.take(data, 0));
      if (run.complete) run.finish(sockets);
    };
  },
  oneway: () => {
    const expected = new Expected();
    return (data) => {
      if (run.complete) return;
      const now = process.hrtime.bigint();
      const right = expected.take(data, timeAt[1]);
      run.take(right, Number(now - BigInt(data.latin1Slice(...timeAt))));
      if (run.complete) run.finish(sockets);
    };
  },
};

function begin() {
  run.begin();
  if (options.mode === 'echo') sendEcho(clients[0]);
  else for (const client of clients) client.send('go');
}

// As for the floor: the chain is checked, if an authority is given, and the name is not.
function trustOf(authority) {
  if (!authority) return { rejectUnauthorized: false };
  return { ca: readFileSync(authority), checkServerIdentity: () => undefined };
}

const tls = options.tls
  ? { ciphers: 'TLS_AES_128_GCM_SHA256', ...trustOf(options.ca) }
  : {};
let key = 0x9e3779b9;
const generateMask = (to) => {
  key = (Math.imul(key, 1664525) + 1013904223) >>> 0;
  to.writeUInt32LE(key);
};

function connect() {
  const url = `${options.tls ? 'wss' : 'ws'}://${options.host}:${options.port}${pathOf()}`;
  const client = new WebSocket(url, { perMessageDeflate: false, generateMask, ...tls });
  client.on('upgrade', (response) => sockets.push(response.socket));
  client.on('open', () => {
    if (++opened === options.conns) begin();
  });
  client.on('message', handlers[options.mode](client));
  client.on('error', (error) => die(error.message));
  client.on('close', () => {
    if (!run.complete) die('the server ended the connection');
  });
  clients.push(client);
}

for (let i = 0; i < options.conns; ++i) connect();
if (options.wait === 'spin') {
  const turn = () => setImmediate(turn);
  turn();
}
