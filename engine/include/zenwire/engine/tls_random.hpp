#pragma once

// Where TLS and certificates draw their random bytes from: keys, nonces, session ids, and the
// explicit IV of each TLS 1.2 record.
//
// By default from a generator of the calling thread's own: ChaCha20 with fast key erasure, seeded
// by the kernel and seeded anew for every stream that is made. Steady state makes no system call,
// which is why the kernel is not asked each time, and what has been given out cannot be
// reconstructed from memory.

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/callback.hpp>

namespace zenwire {

// From now on this thread's TLS draws from `source`; a null one goes back to the default. For
// simulations, which seed it: a source that can be guessed makes TLS worthless. It fills all that
// it is given. The context is borrowed until it is replaced.
//
// Why per thread: the library passes its generator no context, and a variable of the process would
// tie two reactors together.
void set_tls_random_source(Callback<MutableBytes> source) noexcept;

// Seeds this thread's generator now, so that its first use makes no system call. A reactor calls it
// once before its loop.
void prepare_tls_random() noexcept;

}  // namespace zenwire
