#pragma once

// What an attempt brought, as an event: made by the set-up thread, so none of its steps are in the
// journal, only what came of them.

#include <zenwire/base/bytes.hpp>

#include "journal.hpp"
#include "journal_io.hpp"

namespace zenwire::detail {

class Attempt;

// How many bytes transfer_arrival() takes in the journal, at most.
std::size_t arrival_bytes(const Attempt& attempt) noexcept;

// All but role and id, which come first. Writing, `attempt` goes into the journal; replaying, it is
// made from it, its TLS as a stand-in. `stream` gets what the Io must know. Header values other
// than the protocol's own, and queries, are overwritten. False: it is no attempt that could have
// been.
bool transfer_arrival(Journal& journal, Attempt& attempt, JournalIo::Stream& stream,
                      std::uint64_t message_bytes_max);

// A header block with its secrets overwritten at equal length: the query of the request line, and
// every value but those of the headers that the handshake needs or that tell of the server.
std::string redacted_head(std::string_view head);

}  // namespace zenwire::detail
