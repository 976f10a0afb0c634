#include "journal_options.hpp"

namespace zenwire::detail {
namespace {

// Another layout of events, or an engine that makes other calls, is another version.
constexpr std::uint64_t kVersion = 4;

template <typename Integer>
void transfer(Journal& journal, Integer& value) {
  value = static_cast<Integer>(journal.given(static_cast<std::uint64_t>(value)));
}

void transfer(Journal& journal, std::chrono::nanoseconds& value) {
  value = std::chrono::nanoseconds(journal.given_signed(value.count()));
}

void transfer(Journal& journal, ReactorOptions& options) {
  transfer(journal, options.idle);
  transfer(journal, options.spin_for);
  transfer(journal, options.gather_for);
  transfer(journal, options.connections_max);
  transfer(journal, options.receive_buffer_bytes);
  transfer(journal, options.send_buffer_bytes);
  transfer(journal, options.large_buffers);
  transfer(journal, options.message_bytes_max);
  transfer(journal, options.spin_sockets_max);
  transfer(journal, options.slow_callback);
}

}  // namespace

Result<std::unique_ptr<Journal>> create_journal(const ReactorOptions& options) {
  auto journal = Journal::create(options.journal);
  if (!journal) return journal;
  if (!(*journal)->begin(JournalEvent::head)) return tl::unexpected<Error>(*(*journal)->error());
  static_cast<void>((*journal)->given(kVersion));
  ReactorOptions written = options;
  transfer(**journal, written);
  (*journal)->set_samples((*journal)->given(options.telemetry_name.empty() ? 0 : 1) != 0);
  (*journal)->commit();
  return journal;
}

Result<ReactorOptions> read_head(Journal& journal) {
  if (!journal.begin(JournalEvent::head))
    return fail(Errc::journal_malformed, "it does not begin with the reactor's options");
  const std::uint64_t version = journal.given(0);
  if (version != kVersion) {
    return fail(Errc::journal_malformed, "it is of version " + std::to_string(version) +
                                             ", this engine replays version " +
                                             std::to_string(kVersion));
  }
  ReactorOptions options;
  transfer(journal, options);
  journal.set_samples(journal.given(0) != 0);
  journal.commit();
  if (!journal.live()) return fail(Errc::journal_malformed, "its head is cut short");
  options.prefault = false;
  return options;
}

}  // namespace zenwire::detail
