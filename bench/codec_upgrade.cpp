// The handshake's parts, and base64 as the recorder uses it.

#include <array>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <zenwire/codec/base64.hpp>
#include <zenwire/codec/sha1.hpp>
#include <zenwire/codec/upgrade.hpp>
#include <zenwire/codec/url.hpp>

namespace zenwire {
namespace {

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view kAnswer =
    "HTTP/1.1 101 Switching Protocols\r\nServer: nginx\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    "Strict-Transport-Security: max-age=15768000\r\n\r\n";

UpgradeRequest sample_request() {
  UpgradeRequest request;
  request.host_header = "www.example.com";
  request.target = "/ws/api/v2";
  request.key = kKey;
  return request;
}

void accept_key_of_a_request(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(accept_key(kKey));
}
BENCHMARK(accept_key_of_a_request);

void url(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(parse_url("wss://www.example.com/ws/api/v2"));
}
BENCHMARK(url);

void write_request(benchmark::State& state) {
  const UpgradeRequest request = sample_request();
  std::array<std::byte, 1024> to;
  for (auto _ : state) benchmark::DoNotOptimize(write_upgrade_request(request, to));
}
BENCHMARK(write_request);

void read_answer(benchmark::State& state) {
  const UpgradeRequest request = sample_request();
  for (auto _ : state) {
    HttpHeadState head_state;
    const std::size_t bytes = find_head(as_bytes(kAnswer), head_state).value();
    const auto head = parse_response_head(as_bytes(kAnswer).first(bytes));
    benchmark::DoNotOptimize(check_upgrade_response(*head, request));
  }
}
BENCHMARK(read_answer);

std::vector<std::byte> payload_of(const benchmark::State& state) {
  std::vector<std::byte> payload(static_cast<std::size_t>(state.range(0)));
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::byte>(i * 167);
  return payload;
}

void encode(benchmark::State& state) {
  const auto payload = payload_of(state);
  std::string text(base64_encoded_bytes(payload.size()), '\0');
  for (auto _ : state) {
    benchmark::DoNotOptimize(base64_encode(text.data(), payload));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(encode)->Arg(64)->Arg(256)->Arg(4096)->Arg(1 << 20);

void encode_by_table(benchmark::State& state) {
  const auto payload = payload_of(state);
  std::string text(base64_encoded_bytes(payload.size()), '\0');
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        detail::base64_encode_scalar(text.data(), payload.data(), payload.size()));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(encode_by_table)->Arg(256)->Arg(4096);

void decode(benchmark::State& state) {
  const auto payload = payload_of(state);
  std::string text(base64_encoded_bytes(payload.size()), '\0');
  base64_encode(text.data(), payload);
  std::vector<std::byte> to(base64_decoded_bytes_max(text.size()));
  for (auto _ : state) {
    benchmark::DoNotOptimize(base64_decode(to, text));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(decode)->Arg(64)->Arg(256)->Arg(4096)->Arg(1 << 20);

}  // namespace
}  // namespace zenwire
