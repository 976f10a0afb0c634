# ZENWIRE_SANITIZE: a comma-separated list for -fsanitize (address,undefined or thread). ZENWIRE_COVERAGE: gcov counters.
# Both apply to everything that is built, or the runtime would see half a program.
set(ZENWIRE_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize")
option(ZENWIRE_COVERAGE "Instrument for coverage" OFF)
if(ZENWIRE_SANITIZE)
  add_compile_options(-fsanitize=${ZENWIRE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ZENWIRE_SANITIZE})
endif()
if(ZENWIRE_COVERAGE)
  add_compile_options(--coverage -O0)
  add_link_options(--coverage)
endif()
