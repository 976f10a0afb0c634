# zenwire_test(<name> SOURCES <file>... [LINK <lib>...] [LABELS <label>...] [TIMEOUT <seconds>])
#
# One GoogleTest program, run as one ctest entry: starting a program per case costs more than most cases. Its main() is
# tests/support/main.cpp, which exits with 77 when tests were skipped for want of captures (tests/support/captures.hpp).
set(zenwire_test_environment ZENWIRE_SOURCE_DIR=${PROJECT_SOURCE_DIR} ZENWIRE_BINARY_DIR=${PROJECT_BINARY_DIR})
add_library(zenwire_test_main OBJECT ${PROJECT_SOURCE_DIR}/tests/support/main.cpp)
target_link_libraries(zenwire_test_main PUBLIC GTest::gtest PRIVATE zenwire_warnings)
target_compile_features(zenwire_test_main PUBLIC cxx_std_20)
target_include_directories(zenwire_test_main PUBLIC ${PROJECT_SOURCE_DIR}/tests/support)
# Only here, so that every other object is the same wherever the tree lies (for those who cache compilations).
target_compile_definitions(zenwire_test_main PRIVATE ZENWIRE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")

function(zenwire_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 120)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE ${TEST_LINK} zenwire_warnings zenwire_test_main rapidcheck)
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  set_tests_properties(${name} PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT ${TEST_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "${zenwire_test_environment}")
endfunction()

# zenwire_fuzz(<name> SOURCES <file>... [LINK <lib>...] [RUNS <n>])
#
# A libFuzzer program (LLVMFuzzerTestOneInput), built by the fuzz preset alone. ctest runs it for a fixed number of
# inputs from a fixed seed, which finds what is shallow and repeats exactly; run it by hand for the rest. The target
# fuzzers is all of them.
function(zenwire_fuzz name)
  if(NOT ZENWIRE_FUZZ)
    return()
  endif()
  cmake_parse_arguments(FUZZ "" "RUNS" "SOURCES;LINK" ${ARGN})
  if(NOT FUZZ_RUNS)
    set(FUZZ_RUNS 50000)
  endif()
  if(NOT TARGET fuzzers)
    add_custom_target(fuzzers)
  endif()
  add_executable(${name} ${FUZZ_SOURCES})
  add_dependencies(fuzzers ${name})
  target_link_libraries(${name} PRIVATE ${FUZZ_LINK} zenwire_warnings)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_test(NAME ${name} COMMAND ${name} -runs=${FUZZ_RUNS} -seed=1)
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 600 ENVIRONMENT "${zenwire_test_environment}")
endfunction()
