# ZENWIRE_SANITIZE: a comma-separated list for -fsanitize (address,undefined or thread). ZENWIRE_COVERAGE: gcov counters.
# ZENWIRE_FUZZ: libFuzzer's counters and its programs (clang). All apply to everything that is built, or the runtime
# would see half a program.
set(ZENWIRE_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize")
option(ZENWIRE_COVERAGE "Instrument for coverage" OFF)
option(ZENWIRE_FUZZ "Build the libFuzzer programs (clang)" OFF)
if(ZENWIRE_SANITIZE)
  add_compile_options(-fsanitize=${ZENWIRE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ZENWIRE_SANITIZE})
  # g++ warns that the thread sanitizer does not see fences. The engine's one orders a flag alone; no data hangs on it.
  if(ZENWIRE_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)
  endif()
  # Half of what an object costs to compile is the headers that all of them include. Only here: what users build is
  # compiled file by file, so that no file leans on what another includes.
  set(CMAKE_UNITY_BUILD ON)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)  # a file's own types in its own class
  endif()
endif()
if(ZENWIRE_COVERAGE)
  # Counted by several threads at once: without atomic updates some counts come out negative, which gcovr refuses.
  add_compile_options(--coverage -O0 -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
if(ZENWIRE_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "ZENWIRE_FUZZ needs clang: use cmake --preset fuzz")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
