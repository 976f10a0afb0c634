# Everything comes from Debian 12 (tools/setup installs it), but for wolfSSL, which tools/setup builds from Debian's own
# source into build/deps: the packaged one has no AES-NI and allocates on every record.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(LIBURING REQUIRED IMPORTED_TARGET liburing>=2.3)
pkg_check_modules(SIMDJSON REQUIRED IMPORTED_TARGET simdjson)

set(ZENWIRE_DEPS_DIR ${PROJECT_SOURCE_DIR}/build/deps CACHE PATH "Where tools/setup put wolfSSL")
find_path(WOLFSSL_INCLUDE_DIR wolfssl/options.h PATHS ${ZENWIRE_DEPS_DIR}/wolfssl/include NO_DEFAULT_PATH)
find_library(WOLFSSL_LIBRARY libwolfssl.a PATHS ${ZENWIRE_DEPS_DIR}/wolfssl/lib NO_DEFAULT_PATH)
if(ZENWIRE_ACCEPT_SLOW_TLS)
  find_path(WOLFSSL_INCLUDE_DIR wolfssl/options.h)
  find_library(WOLFSSL_LIBRARY wolfssl)
endif()
if(NOT WOLFSSL_INCLUDE_DIR OR NOT WOLFSSL_LIBRARY)
  message(FATAL_ERROR "No wolfSSL under ${ZENWIRE_DEPS_DIR}/wolfssl. Run tools/setup, which builds a fast one, or "
    "pass -DZENWIRE_ACCEPT_SLOW_TLS=ON to use the system's.")
endif()

include(ZenwireFastWolfssl)
zenwire_require_fast_wolfssl(${WOLFSSL_INCLUDE_DIR})

# wolfSSL takes its random bytes from a function of the engine's. A linker that reads the engine's archive first may not
# yet want it then, so it is asked for by name (-u).
add_library(zenwire_wolfssl UNKNOWN IMPORTED)
set_target_properties(zenwire_wolfssl PROPERTIES IMPORTED_LOCATION ${WOLFSSL_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${WOLFSSL_INCLUDE_DIR} INTERFACE_LINK_LIBRARIES m
  INTERFACE_LINK_OPTIONS LINKER:-u,zenwire_rand_generate_block)

# AES-GCM of TLS records on wide vectors: faster, not needed. Without it wolfSSL's own runs.
option(ZENWIRE_IPSEC_MB "Let intel-ipsec-mb open and seal TLS records" ON)
find_path(IPSEC_MB_INCLUDE_DIR intel-ipsec-mb.h PATHS ${ZENWIRE_DEPS_DIR}/ipsec-mb/include NO_DEFAULT_PATH)
find_library(IPSEC_MB_LIBRARY libipsec_mb_gcm.a PATHS ${ZENWIRE_DEPS_DIR}/ipsec-mb/lib NO_DEFAULT_PATH)
set(ZENWIRE_HAS_IPSEC_MB FALSE)
if(ZENWIRE_IPSEC_MB AND IPSEC_MB_INCLUDE_DIR AND IPSEC_MB_LIBRARY)
  set(ZENWIRE_HAS_IPSEC_MB TRUE)
  add_library(zenwire_ipsec_mb UNKNOWN IMPORTED)
  set_target_properties(zenwire_ipsec_mb PROPERTIES IMPORTED_LOCATION ${IPSEC_MB_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${IPSEC_MB_INCLUDE_DIR})
elseif(ZENWIRE_IPSEC_MB AND NOT ZENWIRE_ACCEPT_SLOW_TLS)
  message(WARNING "No intel-ipsec-mb under ${ZENWIRE_DEPS_DIR}/ipsec-mb, so TLS takes twice as long for AES-GCM as it could. "
    "Run tools/setup, which builds it, or pass -DZENWIRE_IPSEC_MB=OFF.")
endif()

# rapidcheck's own CMake package knows nothing of its gtest header, which Debian installs beside the others.
if(ZENWIRE_DEVELOPER)
  find_package(GTest REQUIRED)
  find_package(benchmark REQUIRED)
  find_library(RAPIDCHECK_LIBRARY rapidcheck REQUIRED)
  add_library(rapidcheck UNKNOWN IMPORTED)
  set_target_properties(rapidcheck PROPERTIES IMPORTED_LOCATION ${RAPIDCHECK_LIBRARY})
endif()
