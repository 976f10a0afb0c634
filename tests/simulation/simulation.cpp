#include "simulation.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include <unistd.h>

#include <zenwire/engine/recording.hpp>

#include "side.hpp"

namespace zenwire::simulation {
namespace {

using testing::hash_of;

constexpr std::uint64_t kSteps_max = 400'000;
constexpr std::size_t kQueueReads_max = 8;
constexpr std::size_t kRandomBytes = 256 << 10;
// One, two, three and four bytes of UTF-8, so that every cut falls into a sequence sooner or later.
constexpr std::string_view kCharacters = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
static_assert(kCharacters.size() == 10);

// Without taking hold of it.
template <typename Queue>
bool has_front(const std::unique_ptr<Queue>& queue) {
  bool found = false;
  const auto look = [&found](const auto&) noexcept {
    found = true;
    return ReadVerdict::keep;
  };
  if (queue != nullptr) queue->read_batch(look, 1);
  return found;
}

}  // namespace

Simulation::Simulation(std::uint64_t seed, bool trace)
    : certificates_(certificates()),
      random_(seed),
      setting_(Setting::choose(random_)),
      world_(seed, setting_.faults) {
  world_.trace().show(trace);
}

Simulation::Simulation(std::uint64_t seed, const Setting& setting, bool trace)
    : certificates_(certificates()),
      random_(seed),
      setting_(setting),
      world_(seed, setting_.faults) {
  world_.trace().show(trace);
}

Simulation::~Simulation() {
  tear_down();
  recorder_.reset();
  if (!recording_path_.empty()) ::unlink(recording_path_.c_str());
}

void Simulation::keep_journals(std::string client_path, std::string server_path) {
  client_journal_ = std::move(client_path);
  server_journal_ = std::move(server_path);
}

void Simulation::fail(std::string what) {
  if (failure_.empty()) failure_ = std::move(what);
}

void Simulation::check(bool held, const char* what, const Endpoint& at) {
  if (held) [[likely]]
    return;
  fail(std::string("it does not hold that ") + what + " (" + (at.client ? "client" : "server") +
       " of link " + std::to_string(at.link) + ", " + std::string(name(at.error)) + ")");
}

testing::SimResult Simulation::run() {
  if (set_up()) {
    safety();
    if (!failed()) liveness();
    if (!failed()) stop();
    for (Link& link : links_) {
      if (!failed()) check_link(link);
    }
    if (!failed()) check_counters();
    if (!failed()) check_slots();
  }
  tear_down();
  if (!failed()) check_recording();
  for (const std::string& violation : world_.violations()) fail(violation);
  if (world_.sockets_open() != 0) fail("a descriptor was not closed");
  if (world_.operations_in_flight() != 0) fail("an operation is still in flight");
  return {failure_, world_.trace().hash(), setting_.text(), world_.trace().last_events()};
}

// --- Setting up.

// False: something could not be made. That is a failure, unless it is for want of memory, which
// only a test brings about.
template <typename Value, typename Into>
bool Simulation::made(Result<Value> result, Into& into) {
  if (result) {
    into = std::move(*result);
    return true;
  }
  if (result.error().code() != Errc::memory_exhausted)
    fail("set-up: " + std::string(name(result.error().code())));
  return false;
}

bool Simulation::set_up() {
  random_bytes_.resize(kRandomBytes);
  random_.fill(random_bytes_);
  if (!make_queues() || !make_reactors()) return false;
  if (outbox_ != nullptr) {
    const auto attached = client_->attach(
        *outbox_, Callback<const OutboxRefusal&>::to<&Simulation::on_refused>(*this));
    ZW_ASSERT(attached.has_value());
  }
  const Address here = *Address::from_literal("127.0.0.1", 0);
  const Address nobody = *Address::from_literal("127.0.0.9", 0);
  world_.add_host(kHost,
                  random_.chance_ppm(200'000) ? std::vector{nobody, here} : std::vector{here});
  plan_links();
  return listen();
}

bool Simulation::make_queues() {
  const MappedMemoryOptions lazily{.prefault = false};
  const std::size_t bytes = setting_.queue_bytes;
  if (setting_.queue != QueueKind::none) {
    const FullPolicy policy = setting_.queue == QueueKind::stop_reading ? FullPolicy::stop_reading
                                                                        : FullPolicy::drop_newest;
    const auto make = [&] { return MessageQueue::make({bytes, policy, lazily}); };
    if (!made(in_engine(make), queue_)) return false;
  }
  const auto make_outbox = [&] { return Outbox::make({bytes, lazily}); };
  if (setting_.outbox && !made(in_engine(make_outbox), outbox_)) return false;
  const auto make_latest = [&] {
    return LatestTable::make({setting_.links, setting_.message_bytes_max, lazily});
  };
  if (setting_.latest && !made(in_engine(make_latest), latest_)) return false;
  if (!setting_.records) return true;
  recording_path_ = "/tmp/zenwire-simulation-" + std::to_string(::getpid()) + ".jsonl";
  ::unlink(recording_path_.c_str());
  RecorderOptions options{.path = recording_path_, .segment_bytes = 1 << 20, .sync = false};
  options.stall_ns_max = 10'000'000'000;
  return made(Recorder::open(options), recorder_);
}

bool Simulation::make_reactors() {
  ReactorOptions client_options = setting_.reactor_options(true);
  ReactorOptions server_options = setting_.reactor_options(false);
  client_options.journal = client_journal_;
  server_options.journal = server_journal_;
  if (!make_reactor(client_options, client_) || !make_reactor(server_options, server_))
    return false;
  world_.add(Callback<>::to<&Simulation::step_client>(*this));
  world_.add(Callback<>::to<&Simulation::step_server>(*this));
  world_.add(Callback<>::to<&Simulation::turn>(*this));
  return true;
}

bool Simulation::make_reactor(const ReactorOptions& options, std::unique_ptr<Reactor>& into) {
  ReactorIo ios = at_the_seam(world_.make_reactor_io());
  return made(in_engine([&] { return Reactor::create(options, std::move(ios)); }), into);
}

// As the world steps a reactor, but told from the world.
void Simulation::step(Reactor& reactor) noexcept {
  const Running engine(Side::engine);
  reactor.step_setup(true);
  static_cast<void>(reactor.poll(true));
}

// False: refused, which only a failing operation or want of memory does.
bool Simulation::listen() {
  ListenOptions listen;
  listen.secure = setting_.tls;
  if (setting_.tls) listen.tls = certificates_.server_options();
  listen.deadlines = setting_.deadlines();
  listen.limits.message_bytes_max = setting_.message_bytes_max;
  listen.deflate.enabled = setting_.deflate;
  listen.on_open = Callback<Connection&>::to<&Simulation::on_accepted>(*this);
  const auto address = in_engine([&] { return server_->listen(listen); });
  if (!address) return false;
  url_ = std::string(setting_.tls ? "wss://" : "ws://") + kHost + ":" +
         std::to_string(address->port()) + "/";
  return true;
}

void Simulation::plan_links() {
  for (std::uint32_t number = 0; number < setting_.links; ++number) {
    Link& link = links_.emplace_back();
    link.client = std::make_unique<Endpoint>(*this, number, true, random_.split());
    link.server = std::make_unique<Endpoint>(*this, number, false, random_.split());
    link.client->peer = link.server.get();
    link.server->peer = link.client.get();
    link.client->reactor = client_.get();
    link.server->reactor = server_.get();
    link.ending = static_cast<Ending>(random_.below(kEndings));
    const bool both = link.ending == Ending::both_close;
    link.client->closes_it = both || link.ending == Ending::client_closes;
    link.server->closes_it = both || link.ending == Ending::server_closes;
    link.client->aborts_it = link.ending == Ending::client_aborts;
    link.server->aborts_it = link.ending == Ending::server_aborts;
    const bool large = random_.chance_ppm(200'000);
    for (Endpoint* end : {link.client.get(), link.server.get()}) {
      end->budget = static_cast<std::uint32_t>(random_.below(setting_.messages_max + 1));
      end->bytes_max = large ? setting_.message_bytes_max : 1024;
    }
  }
}

bool Simulation::start_link(Link& link) {
  ConnectOptions options{.url = url_ + std::to_string(link.client->link)};
  if (setting_.tls) options.tls = certificates_.client_options();
  options.deadlines = setting_.deadlines();
  options.limits.message_bytes_max = setting_.message_bytes_max;
  options.limits.send_high_water_bytes = setting_.buffer_bytes / 2;
  options.deflate.enabled = setting_.deflate;
  const auto id = in_engine([&] { return client_->connect(options, link.client->handlers()); });
  if (!id) {
    const Errc code = id.error().code();
    if (code != Errc::connections_exhausted && code != Errc::memory_exhausted)
      fail("connect: " + std::string(name(id.error().code())));
    return false;
  }
  link.started = true;
  link.client->id = *id;
  Connection& connection = *client_->find(*id);
  if (queue_ != nullptr) connection.deliver_to(queue_.get());
  if (recorder_) connection.record_to(&*recorder_);
  return true;
}

void Simulation::on_accepted(Connection& connection) noexcept {
  const Running world(Side::world);
  const auto number = static_cast<std::size_t>(std::atoi(connection.opened().target.c_str() + 1));
  if (number >= links_.size()) return fail("the server was asked for something else");
  Endpoint& endpoint = *links_[number].server;
  const ConnectionHandlers handlers = endpoint.handlers();
  const bool added = connection.on_message.add(handlers.on_message) &&
                     connection.on_control.add(handlers.on_control) &&
                     connection.on_closed.add(handlers.on_closed);
  check(added, "a new connection has room for handlers", endpoint);
  endpoint.on_open(connection);
}

void Simulation::opened(Endpoint& endpoint) noexcept {
  world_.trace().note(world_.now_ns(), endpoint.client ? "client opened" : "server opened",
                      endpoint.link);
}

// --- What the user does.

Bytes Simulation::make_payload(char source, std::size_t number, Opcode opcode, std::size_t bytes,
                               testing::Random& random) {
  std::array<char, 16> head{};
  const int head_bytes = std::snprintf(head.data(), head.size(), "%c%08zu|", source, number);
  payload_.assign(reinterpret_cast<const std::byte*>(head.data()),
                  reinterpret_cast<const std::byte*>(head.data()) + head_bytes);
  if (opcode == Opcode::binary) {
    const std::size_t length = std::min<std::size_t>(bytes, random_bytes_.size() / 2);
    const std::size_t from = random.below(random_bytes_.size() / 2);
    const std::size_t room = setting_.message_bytes_max - payload_.size();
    const auto begin = random_bytes_.begin() + static_cast<std::ptrdiff_t>(from);
    payload_.insert(payload_.end(), begin,
                    begin + static_cast<std::ptrdiff_t>(std::min(length, room)));
    return payload_;
  }
  payload_.insert(payload_.end(), random.below(kCharacters.size()), std::byte{'-'});
  while (payload_.size() + kCharacters.size() <=
         std::min<std::size_t>(bytes, setting_.message_bytes_max)) {
    const Bytes more = as_bytes(kCharacters);
    payload_.insert(payload_.end(), more.begin(), more.end());
  }
  return payload_;
}

void Simulation::turn() noexcept {
  if (!world_.violations().empty()) fail(world_.violations().front());
  if (failed()) return;
  for (Link& link : links_) {
    if (!link.started && (healing_ || random_.chance_ppm(100'000))) start_link(link);
    if (!link.started) continue;
    act(*link.client);
    act(*link.server);
    if (link.ending == Ending::network_resets && !healing_ && random_.chance_ppm(5'000)) {
      // Which descriptor is whose does not matter: any may be reset.
      world_.reset(static_cast<Socket>(3 + random_.below(16)));
      link.ending = Ending::nobody;
      resets_ = true;
    }
  }
  if (outbox_ != nullptr && random_.chance_ppm(200'000)) write_outbox();
  if (queue_ != nullptr && (healing_ || random_.chance_ppm(setting_.queue_reads_ppm))) read_queue();
  if (latest_ != nullptr && random_.chance_ppm(300'000)) read_latest();
}

void Simulation::act(Endpoint& endpoint) noexcept {
  if (!endpoint.id || endpoint.ended() || !random_.chance_ppm(healing_ ? 500'000 : 200'000)) return;
  if (Connection* connection = endpoint.reactor->find(endpoint.id)) endpoint.act(*connection);
}

// --- The strategy's thread.

void Simulation::write_outbox() noexcept {
  Link& link = links_[random_.below(links_.size())];
  Endpoint& end = *link.client;
  if (end.opens == 0 || end.boxed.sent.size() >= setting_.messages_max || healing_) return;
  const Opcode opcode = random_.chance_ppm(500'000) ? Opcode::text : Opcode::binary;
  const Bytes payload =
      make_payload('o', end.boxed.sent.size(), opcode, random_.skewed(1024), random_);
  OutboxHeader header = Outbox::make_header(
      opcode == Opcode::text ? OutboxKind::text : OutboxKind::binary, {end.id.index, end.id.epoch});
  header.tag = (std::uint64_t{end.link} << 32) | end.boxed.sent.size();
  const Errc outcome = outbox_->try_send(header, payload);
  if (outcome == Errc::ok) end.boxed.sent.push_back({opcode, hash_of(payload), payload.size()});
  const bool full = outcome == Errc::outbox_full || payload.size() > outbox_->payload_bytes_max();
  if (outcome != Errc::ok && !full) fail("outbox: " + std::string(name(outcome)));
}

void Simulation::on_refused(const OutboxRefusal& refusal) noexcept {
  const Running world(Side::world);
  Endpoint& end = *links_[refusal.tag >> 32].client;
  const auto number = static_cast<std::size_t>(refusal.tag & 0xffffffffU);
  check(number < end.boxed.sent.size() && !end.boxed.sent[number].refused,
        "an order is refused once", end);
  check(refusal.reason != Errc::ok, "a refusal has a reason", end);
  end.boxed.sent[number].refused = true;
}

void Simulation::read_queue() noexcept {
  queue_->read_batch(
      [this](const MessageView& view) noexcept {
        read_message(view);
        return ReadVerdict::next;
      },
      1 + random_.below(kQueueReads_max));
}

void Simulation::read_message(const MessageView& view) noexcept {
  const MessageHeader& header = view.header();
  const auto link = std::find_if(links_.begin(), links_.end(), [&](const Link& at) {
    return at.client->id == ConnectionId{header.connection, header.epoch};
  });
  if (link == links_.end()) return fail("a queue's record names a connection that never was");
  Endpoint& end = *link->client;
  QueueReading& reading = end.queue;
  queue_dropped_ += header.dropped_before;
  if (header.kind == MessageKind::opened) {
    check(++reading.opened == 1 && reading.closed == 0, "the queue says once that it opened", end);
    return;
  }
  if (header.kind == MessageKind::closed) {
    check(++reading.closed == 1, "the queue says once that it closed", end);
    check(header.reason == end.error, "the queue gives the same reason", end);
    // The message that ends its connection, or waits for room when that is given up, is not
    // delivered; the sequence of the news shows it.
    const std::uint64_t missing = header.sequence - reading.sequence_last;
    count_gap(end, missing > 0 && !end.clean ? missing - 1 : missing);
    return;
  }
  check(reading.opened == 1 && reading.closed == 0, "the queue's messages lie between its events",
        end);
  check(header.sequence > reading.sequence_last, "the queue's messages are in order, once", end);
  count_gap(end, header.sequence - reading.sequence_last - 1);
  reading.sequence_last = header.sequence;
  const bool known = header.sequence <= end.received_hashes.size();
  check(known && end.received_hashes[header.sequence - 1] == hash_of(view.payload()),
        "the queue's message is the handler's", end);
}

// What a queue dropped shows in the next record, whosever it is.
void Simulation::count_gap(const Endpoint& at, std::uint64_t missing) noexcept {
  queue_missing_ += missing;
  check(queue_missing_ <= queue_dropped_, "the queue says what it dropped", at);
}

void Simulation::publish(const Endpoint& at, const Message& message) noexcept {
  if (latest_ == nullptr || at.client) return;
  MessageHeader header;
  header.sequence = message.sequence;
  check(latest_->publish(at.link, header, message.payload), "the table has room", at);
}

void Simulation::read_latest() noexcept {
  const LatestView view = latest_->try_read();
  if (!view) return;
  Endpoint& end = *links_[view.cell].server;
  const std::uint64_t sequence = view.header->sequence;
  check(sequence == end.latest_last + view.conflated + 1, "the table counts what it conflates",
        end);
  check(sequence <= end.received_hashes.size() &&
            end.received_hashes[sequence - 1] == hash_of(view.payload),
        "the table's value is one that was received", end);
  end.latest_last = sequence;
}

// --- The run.

void Simulation::safety() {
  for (std::uint32_t i = 0; i < setting_.safety_steps && !failed() && !all_ended(); ++i)
    world_.step();
}

bool Simulation::all_ended() const noexcept {
  return std::all_of(links_.begin(), links_.end(), [](const Link& link) {
    const bool server_ended = link.server->opens == 0 || link.server->ended();
    return link.started && link.client->ended() && server_ended;
  });
}

void Simulation::liveness() {
  world_.heal();
  world_.trace().note(world_.now_ns(), "heal");
  healing_ = true;
  std::uint64_t steps = 0;
  while (!failed() && !all_ended()) {
    if (++steps == kSteps_max)
      return fail("not everything ended after the faults did:" + unfinished());
    world_.step();
    finish_quiet_links();
  }
}

std::string Simulation::unfinished() const {
  std::string text;
  for (const Link& link : links_) {
    for (const Endpoint* end : {link.client.get(), link.server.get()}) {
      const Connection* connection = end->id ? end->reactor->find(end->id) : nullptr;
      if (connection == nullptr || end->ended()) continue;
      text += "\n  link " + std::to_string(end->link) + (end->client ? " client " : " server ") +
              std::string(name(connection->state())) + (connection->paused() ? " paused" : "") +
              (connection->has_backlog() ? " with backlog" : "") + ", " +
              std::to_string(connection->unsent_bytes()) + " bytes unsent, " +
              std::to_string(end->direct.sent.size()) + " of " + std::to_string(end->budget) +
              " sent, waited " + std::to_string(connection->counters().waits_for_large_buffer) +
              " times for a large buffer, refused " +
              std::to_string(connection->counters().sends_refused);
    }
  }
  return text + world_.unwatched();
}

// Whoever was not to close does so when nothing more is to come.
void Simulation::finish_quiet_links() noexcept {
  for (Link& link : links_) {
    Endpoint& client = *link.client;
    Endpoint& server = *link.server;
    if (!client.sent_all() || (server.opens > 0 && !server.sent_all())) continue;
    if (client.boxed.complete() && client.direct.complete() && server.direct.complete())
      client.closes_it = true;
  }
}

void Simulation::stop() {
  client_->stop();
  server_->stop();
  std::uint64_t steps = 0;
  while (!failed() && (client_->connections_open() > 0 || server_->connections_open() > 0 ||
                       has_front(outbox_) || has_front(queue_))) {
    if (++steps == kSteps_max) return fail("the reactors did not stop");
    world_.step();
  }
}

void Simulation::tear_down() {
  client_.reset();
  server_.reset();
}

// --- What must hold at the end.

void Simulation::check_link(Link& link) {
  Endpoint& client = *link.client;
  Endpoint& server = *link.server;
  check(client.opens + client.fails == 1 && client.closes == client.opens, "it ended once", client);
  check(server.opens <= 1 && server.closes == server.opens, "it ended once", server);
  check(server.opens >= client.opens, "both opened", client);
  check_end(client);
  check_end(server);
  if (queue_ != nullptr) check_queue(client);
  const bool peaceful = !resets_ && !client.aborted && !server.aborted;
  if (!setting_.is_harmless() || !peaceful) return;
  // A decompressed message needs a large buffer at once; without one the connection says so.
  for (const Endpoint* end : {&client, &server}) {
    const bool exhausted = client.error == Errc::large_buffers_exhausted ||
                           server.error == Errc::large_buffers_exhausted;
    check(end->clean || (setting_.deflate && exhausted), "without harm it closed in order", *end);
  }
}

void Simulation::check_end(Endpoint& endpoint) {
  if (!endpoint.clean) return;
  check(endpoint.peer->direct.complete() && endpoint.peer->boxed.complete(),
        "a connection that closed in order lost nothing", endpoint);
}

void Simulation::check_queue(const Endpoint& endpoint) {
  const QueueReading& reading = endpoint.queue;
  check(reading.opened == endpoint.opens, "the queue said that it opened", endpoint);
  check(reading.closed == endpoint.closes, "the queue said that it closed", endpoint);
}

void Simulation::check_counters() {
  for (const bool is_client : {true, false}) {
    const ReactorCounters& counters = (is_client ? client_ : server_)->counters();
    std::uint64_t opened = 0;
    std::uint64_t failed_count = 0;
    for (const Link& link : links_) {
      const Endpoint& end = is_client ? *link.client : *link.server;
      opened += static_cast<std::uint64_t>(end.opens);
      failed_count += static_cast<std::uint64_t>(end.fails);
    }
    const Endpoint& any = is_client ? *links_[0].client : *links_[0].server;
    check(counters.connections_opened == opened, "openings are counted", any);
    check(counters.connections_closed == opened, "closings are counted", any);
    check(counters.connections_failed == failed_count, "failures are counted", any);
  }
}

// Every slot can be had again.
void Simulation::check_slots() {
  check(client_->connections_open() == 0, "no connection is left", *links_[0].client);
}

void Simulation::check_recording() {
  if (!recorder_) return;
  if (!recorder_->close()) return fail("the recorder failed");
  const auto recording = Recording::open(recording_path_);
  if (!recording) return fail("the recording cannot be read");
  RecordingReader reader(*recording);
  std::vector<std::size_t> received(links_.size());
  std::vector<std::size_t> sent(links_.size());
  while (const RecordedMessage* record = reader.next()) {
    if (record->type != RecordType::text && record->type != RecordType::binary) continue;
    const auto link = std::find_if(links_.begin(), links_.end(), [&](const Link& at) {
      return at.client->id == ConnectionId{record->owner.connection, record->owner.epoch};
    });
    if (link == links_.end()) return fail("a record names a connection that never was");
    const auto at = static_cast<std::size_t>(link - links_.begin());
    if (record->direction == RecordDirection::out) {
      ++sent[at];
      continue;
    }
    const auto& hashes = link->client->received_hashes;
    const bool same =
        received[at] < hashes.size() && hashes[received[at]] == hash_of(record->payload);
    check(same, "the recording has what the handler had", *link->client);
    ++received[at];
  }
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const Endpoint& end = *links_[i].client;
    check(received[i] == end.received_hashes.size(), "the recording has everything received", end);
    const auto boxed = std::count_if(end.boxed.sent.begin(), end.boxed.sent.end(),
                                     [](const Sent& at) { return !at.refused; });
    check(sent[i] == end.direct.sent.size() + static_cast<std::size_t>(boxed),
          "the recording has everything sent", end);
  }
}

}  // namespace zenwire::simulation
