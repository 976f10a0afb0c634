# One interface target holds the warnings. They are errors for developers only: a consumer's newer compiler must not
# be able to break the build of a release.
add_library(zenwire_warnings INTERFACE)
target_compile_options(zenwire_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
  -Wcast-align -Wformat=2 -Wnull-dereference -Wimplicit-fallthrough -Wundef
  $<$<BOOL:${ZENWIRE_DEVELOPER}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these from inside its own library and intrinsics when it inlines; clang covers the true cases.
  target_compile_options(zenwire_warnings INTERFACE -Wno-null-dereference -Wno-stringop-overflow -Wno-array-bounds
    -Wno-maybe-uninitialized -Wno-restrict $<$<CONFIG:Release>:-Wno-free-nonheap-object>)
endif()
