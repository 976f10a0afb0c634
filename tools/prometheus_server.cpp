#include "prometheus_server.hpp"

#include <mutex>
#include <thread>

#include <httplib.h>

namespace zenwire::tools {

struct PrometheusServer::Impl {
  httplib::Server server;
  std::function<std::string()> metrics;
  std::mutex one_at_a_time;
  std::thread thread;
};

PrometheusServer::PrometheusServer(std::function<std::string()> metrics)
    : impl_(std::make_unique<Impl>()) {
  impl_->metrics = std::move(metrics);
  impl_->server.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
    const std::lock_guard lock(impl_->one_at_a_time);
    response.set_content(impl_->metrics(), "text/plain; version=0.0.4; charset=utf-8");
  });
}

PrometheusServer::~PrometheusServer() {
  impl_->server.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

Result<std::uint16_t> PrometheusServer::listen(const std::string& address, std::uint16_t port) {
  const int taken = port != 0 && impl_->server.bind_to_port(address.c_str(), port)
                        ? port
                        : (port == 0 ? impl_->server.bind_to_any_port(address.c_str()) : -1);
  if (taken <= 0) return fail(Errc::listen_failed, address + ":" + std::to_string(port));
  impl_->thread = std::thread([this] { impl_->server.listen_after_bind(); });
  // stop() before it runs would be lost, and its thread never end.
  while (!impl_->server.is_running()) std::this_thread::yield();
  return static_cast<std::uint16_t>(taken);
}

}  // namespace zenwire::tools
