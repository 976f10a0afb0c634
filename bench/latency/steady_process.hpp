#pragma once

// What a process that measures does before it begins, so that it is in its steady state sooner than
// its warm-up could bring it there.

namespace zenwire::bench {

// As many descriptors as are allowed, for a thousand connections; and all that is mapped is faulted
// in, for a fork leaves its pages to be copied and the code of a rare turn to be read at first use.
void make_steady() noexcept;

}  // namespace zenwire::bench
