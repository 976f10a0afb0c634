# zenwire_test(<name> SOURCES <file>... [LINK <lib>...] [LABELS <label>...] [TIMEOUT <seconds>])
#
# One GoogleTest program, run as one ctest entry: starting a program per case costs more than most cases.
include(GoogleTest)
function(zenwire_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 120)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE ${TEST_LINK} zenwire_warnings GTest::gtest GTest::gtest_main rapidcheck)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support)
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  set_tests_properties(${name} PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT ${TEST_TIMEOUT}
    ENVIRONMENT "ZENWIRE_SOURCE_DIR=${PROJECT_SOURCE_DIR};ZENWIRE_BINARY_DIR=${PROJECT_BINARY_DIR}")
endfunction()
