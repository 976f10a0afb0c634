# zenwire_test(<name> SOURCES <file>... [LINK <lib>...] [LABELS <label>...] [TIMEOUT <seconds>])
#
# One GoogleTest program, run as one ctest entry: starting a program per case costs more than most cases. Its main() is
# tests/support/main.cpp, which exits with 77 when tests were skipped for want of captures (tests/support/captures.hpp).
set(zenwire_test_environment ZENWIRE_SOURCE_DIR=${PROJECT_SOURCE_DIR} ZENWIRE_BINARY_DIR=${PROJECT_BINARY_DIR}
  ZENWIRE_SANITIZE=${ZENWIRE_SANITIZE})
add_library(zenwire_test_main OBJECT ${PROJECT_SOURCE_DIR}/tests/support/main.cpp)
target_link_libraries(zenwire_test_main PUBLIC GTest::gtest PRIVATE zenwire_warnings)
target_compile_features(zenwire_test_main PUBLIC cxx_std_20)
target_include_directories(zenwire_test_main PUBLIC ${PROJECT_SOURCE_DIR}/tests/support)
# Only there, so that every other object is the same wherever the tree lies (for those who cache compilations).
set_source_files_properties(${PROJECT_SOURCE_DIR}/tests/support/main.cpp PROPERTIES
  COMPILE_DEFINITIONS ZENWIRE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")

# The tests look at the product, not at themselves: what the undefined behaviour sanitizer adds to rapidcheck's templates
# doubles the time that they take to compile.
if(ZENWIRE_SANITIZE MATCHES undefined)
  target_compile_options(zenwire_test_main PUBLIC -fno-sanitize=undefined)
endif()

# Optimised in earnest a test takes twice as long to compile, and tests no more: the product is.
target_compile_options(zenwire_test_main PUBLIC $<$<CONFIG:Release>:-O1>)

# Files of one program may have helpers of one name (CMAKE_UNITY_BUILD in ZenwireSanitize.cmake).
set(CMAKE_UNITY_BUILD OFF)

# What nearly every test includes, parsed once.
target_precompile_headers(zenwire_test_main PRIVATE <gtest/gtest.h> <rapidcheck/gtest.h>)

# The programs that tools/coverage runs: those of the floors that it reports.
add_custom_target(coverage_tests)

function(zenwire_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 120)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE ${TEST_LINK} zenwire_warnings zenwire_test_main rapidcheck)
  target_precompile_headers(${name} REUSE_FROM zenwire_test_main)
  if("codec" IN_LIST TEST_LABELS OR "engine" IN_LIST TEST_LABELS)
    add_dependencies(coverage_tests ${name})
  endif()
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  set_tests_properties(${name} PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT ${TEST_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "${zenwire_test_environment}")
endfunction()

# zenwire_fuzz(<name> SOURCES <file>... [LINK <lib>...] [RUNS <n>])
#
# A program around LLVMFuzzerTestOneInput. Every preset replays its corpus, which is in corpus/<name>
# beside it. The fuzz preset also builds it with libFuzzer; there ctest runs it for a fixed number of inputs from a fixed
# seed, which finds what is shallow and repeats exactly. tools/fuzz runs it for longer. The target fuzzers is all of them.
function(zenwire_fuzz name)
  cmake_parse_arguments(FUZZ "" "RUNS" "SOURCES;LINK" ${ARGN})
  if(NOT FUZZ_RUNS)
    set(FUZZ_RUNS 50000)
  endif()
  set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  add_executable(fuzz_${name}_replay ${FUZZ_SOURCES} replay.cpp)
  target_link_libraries(fuzz_${name}_replay PRIVATE ${FUZZ_LINK} zenwire_warnings)
  add_test(NAME fuzz_${name}_replay COMMAND fuzz_${name}_replay ${corpus})
  set_tests_properties(fuzz_${name}_replay PROPERTIES LABELS fuzz TIMEOUT 120 ENVIRONMENT "${zenwire_test_environment}")
  if(NOT ZENWIRE_FUZZ)
    return()
  endif()
  if(NOT TARGET fuzzers)
    add_custom_target(fuzzers)
  endif()
  add_executable(fuzz_${name} ${FUZZ_SOURCES})
  add_dependencies(fuzzers fuzz_${name} fuzz_${name}_replay)
  target_link_libraries(fuzz_${name} PRIVATE ${FUZZ_LINK} zenwire_warnings)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  # Seeds and not a corpus folder, which it would write into.
  file(GLOB seeds CONFIGURE_DEPENDS ${corpus}/*)
  list(JOIN seeds "," seeds)
  add_test(NAME fuzz_${name} COMMAND fuzz_${name} -runs=${FUZZ_RUNS} -seed=1 -artifact_prefix=${name}-
    -seed_inputs=${seeds})
  set_tests_properties(fuzz_${name} PROPERTIES LABELS fuzz TIMEOUT 600 ENVIRONMENT "${zenwire_test_environment}")
endfunction()
