#pragma once

// Fuzzer: runs scripts against an end that echoes, over a wire. It shakes hands in either role, and
// its verdict on a script is strict: what it wanted, in order, nothing else, and the right end.

#include <random>
#include <string>
#include <vector>

#include "autobahn_cases.hpp"
#include "fuzzer_frames.hpp"
#include "wire.hpp"

namespace zenwire::test {

class Fuzzer {
 public:
  Fuzzer(Wire& wire, FuzzerRole role) : wire_(wire), role_(role) {}

  // Client: upgrades, with these offers of permessage-deflate. False, with `error`, if the answer
  // was not what it has to be.
  bool connect(const std::vector<DeflateRequest>& deflate = {});
  // Server: reads the request that comes. Its target; empty, with `error`, if there is none.
  std::string read_request();
  // ... and answers it, with the first of `deflate`, which the client has to have offered.
  bool answer(const std::vector<DeflateRequest>& deflate = {});
  [[nodiscard]] const std::string& error() const { return error_; }
  // Messages that came compressed.
  [[nodiscard]] std::size_t compressed_received() const { return reader_->compressed(); }

  // What is wrong; empty if nothing is. After connect() or answer().
  std::string run(const Script& script);
  // Sends one text message and closes, as a fuzzing server tells its number of cases.
  std::string say(const std::string& text);

 private:
  bool read_head();
  void act(const Send& step);
  void act(const SendPart& step);
  void act(const StillOpen& step);
  void act(const Await& step);
  void act(const EchoEach& step);
  void send(const std::string& bytes, std::size_t chop_bytes);
  std::string encoded(const Frame& frame);
  std::vector<Frame> frames_of(const EchoEach& step, const std::string& payload);
  bool pump();
  void finish();
  void judge(const Script& script);
  void fail(const std::string& why) {
    if (error_.empty()) error_ = why;
  }
  [[nodiscard]] bool over() const { return !error_.empty() || ended_ || reader_->close(); }

  Wire& wire_;
  FuzzerRole role_;
  std::mt19937 keys_{6455};  // NOLINT: the same keys in every run
  std::string head_;
  std::string behind_head_;
  std::optional<FuzzerDeflate> deflate_;
  std::optional<FuzzerReader> reader_;
  bool closed_ = false;  // we sent a close frame
  bool closed_first_ = false;
  bool ended_ = false;  // the end's stream has ended
  std::string error_;
};

}  // namespace zenwire::test
