#pragma once

// PrometheusServer: GET /metrics over HTTP, by cpp-httplib, on threads of its own. Apart from
// stats.cpp because that library takes long to compile.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <zenwire/base/error.hpp>

namespace zenwire::tools {

class PrometheusServer {
 public:
  // `metrics` gives the text, one call at a time.
  explicit PrometheusServer(std::function<std::string()> metrics);
  ~PrometheusServer();

  // Returns the port, which is a free one for 0. Errors: listen_failed.
  Result<std::uint16_t> listen(const std::string& address, std::uint16_t port);

  PrometheusServer(const PrometheusServer&) = delete;
  PrometheusServer& operator=(const PrometheusServer&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zenwire::tools
