#pragma once

// One table for each instruction set, each in a file of its own that is compiled for that set. Such
// a file must not instantiate inline functions that other files share: the linker keeps one copy of
// each, and if it kept the one with the wider instructions, older processors would meet it. So the
// kernels there use intrinsics and static functions.

#include <zenwire/codec/kernel.hpp>

namespace zenwire::detail {

extern const KernelTable kScalarKernels;
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;

}  // namespace zenwire::detail
