#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <zenwire/base/duration.hpp>
#include <zenwire/codec/url.hpp>
#include <zenwire/pool/edges.hpp>

namespace zenwire {
namespace {

// How often a swap looks whether its new line is open.
constexpr Instant_ns kSwapPeriod_ns = 1'000'000;

// "1.2.3.4", "1.2.3.4:443", "::1", "[::1]:443".
std::optional<Address> parse_edge(std::string_view text, std::uint16_t port) noexcept {
  const bool bracketed = text.starts_with('[');
  const std::size_t colon = text.rfind(':');
  const bool has_port = bracketed ? text.find("]:") != std::string_view::npos
                                  : colon != std::string_view::npos && text.find(':') == colon;
  std::string_view host = text;
  if (has_port) {
    const std::string_view digits = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    host = text.substr(0, colon);
  }
  if (bracketed && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return Address::from_literal(host, port);
}

}  // namespace

Edges::Edges(Reactor& reactor, Lines& lines, EdgesOptions options)
    : reactor_(reactor),
      lines_(lines),
      options_(std::move(options)),
      table_(options_.better_by),
      resolving_(&Edges::on_resolved, this),
      timer_(Callback<Timer&>::to<&Edges::on_timer>(*this)) {}

Edges::~Edges() {
  ZW_ASSERT(stopped());
}

Result<void> Edges::start() {
  ZW_ASSERT(!running_);
  if (options_.keep == 0 || options_.keep >= options_.connections_max) {
    return fail(Errc::invalid_option,
                "edges: keep must be from 1 to below connections_max, which a probe needs too");
  }
  const auto url = parse_url(options_.connect.url);
  if (!url) return tl::unexpected<Error>(url.error());
  port_ = url->port;
  for (const std::string& text : options_.addresses) {
    const auto address = parse_edge(text, port_);
    if (!address) return fail(Errc::invalid_option, "edges: \"" + text + "\" is not an IP address");
    table_.add(*address);
  }
  running_ = true;
  if (options_.resolve) {
    request_.host = url->host;
    request_.port = port_;
    reactor_.io().submit_resolve(resolving_, request_);
  } else {
    reactor_.arm(timer_, reactor_.now_ns());
  }
  return {};
}

void Edges::stop() noexcept {
  running_ = false;
  reactor_.cancel(timer_);
  if (resolving_.submitted()) reactor_.io().submit_cancel(resolving_);
  if (Connection* const probe = reactor_.find(probing_)) probe->abort();
}

bool Edges::stopped() const noexcept {
  return !running_ && !resolving_.submitted() && !probing_;
}

void Edges::on_resolved(void* self, Outcome outcome) noexcept {
  static_cast<Edges*>(self)->resolved(outcome);
}

// A name that does not resolve leaves the user's list.
void Edges::resolved(Outcome outcome) noexcept {
  if (!running_) return;
  if (outcome.result < 0) ++counters_.resolve_failures;
  for (const Address& address : request_.addresses) table_.add(address);
  reactor_.arm(timer_, reactor_.now_ns());
}

void Edges::on_timer(Timer&) noexcept {
  if (running_) step();
}

// One thing at a time: a swap, then a missing line, then a probe.
void Edges::step() noexcept {
  if (swapping_) return finish_swap();
  if (probing_) return;
  const Instant_ns now_ns = reactor_.now_ns();
  const auto edge = table_.next_to_measure(now_ns, to_ns(options_.probe_every));
  const bool all_measured_once = !edge || table_.edge(*edge).measured_at_ns != 0;
  if (all_measured_once && used_.size() < options_.keep && fill_up()) return step();
  if (all_measured_once) begin_swap();
  if (swapping_) return;
  if (edge && connections() < options_.connections_max) return probe(*edge);
  reactor_.arm(timer_, now_ns + to_ns(options_.probe_pause));
}

std::uint32_t Edges::connections() const noexcept {
  return static_cast<std::uint32_t>(used_.size()) + (swapping_ ? 1 : 0) + (probing_ ? 1 : 0);
}

ConnectOptions Edges::options_of(EdgeIndex edge) const {
  ConnectOptions options = options_.connect;
  options.dial = table_.edge(edge).address.text();
  return options;
}

// --- Probes.

void Edges::probe(EdgeIndex edge) noexcept {
  ++counters_.probes;
  probed_ = edge;
  probe_answered_ = false;
  const auto id = reactor_.connect(
      options_of(edge),
      {.on_open = Callback<Connection&>::to<&Edges::probe_opened>(*this),
       .on_control = Callback<Connection&, Opcode, Bytes>::to<&Edges::probe_control>(*this),
       .on_closed = Callback<Connection&, const Closed&>::to<&Edges::probe_closed>(*this),
       .on_failed = Callback<Connection&, const OpenFailure&>::to<&Edges::probe_failed>(*this)});
  if (id) {
    probing_ = *id;
    return;
  }
  probe_ended();
}

void Edges::probe_opened(Connection& connection) noexcept {
  probe_connect_ns_ = connection.opened().connect_ns;
  pinged_at_ns_ = reactor_.now_ns();
  if (connection.ping() != Errc::ok) connection.abort();
}

void Edges::probe_control(Connection& connection, Opcode opcode, Bytes) noexcept {
  if (opcode != Opcode::pong || probe_answered_) return;
  const Instant_ns now_ns = reactor_.now_ns();
  probe_answered_ = true;
  table_.measured(probed_, probe_connect_ns_, now_ns - pinged_at_ns_, now_ns);
  static_cast<void>(connection.close());
}

void Edges::probe_closed(Connection&, const Closed&) noexcept {
  probe_ended();
}
void Edges::probe_failed(Connection&, const OpenFailure&) noexcept {
  probe_ended();
}

void Edges::probe_ended() noexcept {
  probing_ = {};
  if (!running_) return;
  const Instant_ns now_ns = reactor_.now_ns();
  if (!probe_answered_) {
    ++counters_.probes_failed;
    table_.failed(probed_, now_ns);
  }
  // At the start all are measured one after the other; later there is time.
  const bool starting = used_.size() < options_.keep;
  reactor_.arm(timer_, now_ns + (starting ? 0 : to_ns(options_.probe_pause)));
}

// --- Lines.

bool Edges::fill_up() noexcept {
  const auto edge = table_.best_unused();
  return edge && connections() < options_.connections_max && add_line(*edge);
}

bool Edges::add_line(EdgeIndex edge) noexcept {
  const auto member = lines_.add(options_of(edge));
  if (!member) return false;
  table_.use(edge, true);
  used_.push_back({edge, *member});
  return true;
}

void Edges::forget(MemberIndex member) noexcept {
  std::erase_if(used_, [member](const Used& used) { return used.member == member; });
}

void Edges::begin_swap() noexcept {
  const auto better = table_.swap();
  if (!better || connections() >= options_.connections_max) return;
  const auto old = std::find_if(used_.begin(), used_.end(),
                                [&](const Used& used) { return used.edge == better->out; });
  if (old == used_.end()) return;
  swap_.old = *old;
  if (!add_line(better->in)) return;
  swap_.fresh = used_.back();
  swapping_ = true;
  reactor_.arm(timer_, reactor_.now_ns() + kSwapPeriod_ns);
}

// Make before break: the old line ends when the new one is open; if that fails, it is given up.
void Edges::finish_swap() noexcept {
  const bool open = lines_.is_open(swap_.fresh.member);
  if (!open && lines_.circuit(swap_.fresh.member) == CircuitState::closed) {
    reactor_.arm(timer_, reactor_.now_ns() + kSwapPeriod_ns);
    return;
  }
  const Used ended = open ? swap_.old : swap_.fresh;
  counters_.swaps += open ? 1U : 0U;
  if (!open) table_.failed(ended.edge, reactor_.now_ns());
  table_.use(ended.edge, false);
  lines_.remove(ended.member);
  forget(ended.member);
  swapping_ = false;
  reactor_.arm(timer_, reactor_.now_ns() + to_ns(options_.probe_pause));
}

const Edge* Edges::edge_of(MemberIndex member) const noexcept {
  for (const Used& used : used_)
    if (used.member == member) return &table_.edge(used.edge);
  return nullptr;
}

}  // namespace zenwire
