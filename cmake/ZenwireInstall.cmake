# Installs the floors with their headers, the command, and what a consumer needs to find and link them: a CMake package
# and a pkg-config file, both of which may be moved with the tree. libwolfssl.a goes into a folder of its own, because it
# is private to zenwire: its random bytes come from the engine. So is what there is of intel-ipsec-mb.
include(CMakePackageConfigHelpers)

get_property(floors GLOBAL PROPERTY ZENWIRE_FLOORS)
get_property(kits GLOBAL PROPERTY ZENWIRE_KITS)
set(zenwire_private_libdir ${CMAKE_INSTALL_LIBDIR}/zenwire)
set(zenwire_cmakedir ${CMAKE_INSTALL_LIBDIR}/cmake/zenwire)

# zenwire::zenwire is all the floors at once, and no kit.
add_library(zenwire_all INTERFACE)
target_link_libraries(zenwire_all INTERFACE ${floors})
set_target_properties(zenwire_all PROPERTIES EXPORT_NAME zenwire)
add_library(zenwire::zenwire ALIAS zenwire_all)

install(TARGETS ${floors} ${kits} zenwire_all EXPORT zenwire
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET zenwire)
  install(TARGETS zenwire RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# A shared wolfSSL is the system's own: the consumer links it from where it is.
get_filename_component(wolfssl_kind ${WOLFSSL_LIBRARY} LAST_EXT)
if(wolfssl_kind STREQUAL ".a")
  install(FILES ${WOLFSSL_LIBRARY} DESTINATION ${zenwire_private_libdir})
  set(zenwire_wolfssl_location "\${PACKAGE_PREFIX_DIR}/${zenwire_private_libdir}/libwolfssl.a")
  set(zenwire_wolfssl_pc "\${libdir}/zenwire/libwolfssl.a")
else()
  set(zenwire_wolfssl_location ${WOLFSSL_LIBRARY})
  set(zenwire_wolfssl_pc ${WOLFSSL_LIBRARY})
endif()

set(zenwire_ipsec_mb_location "")
set(zenwire_ipsec_mb_pc "")
if(ZENWIRE_HAS_IPSEC_MB)
  install(FILES ${IPSEC_MB_LIBRARY} DESTINATION ${zenwire_private_libdir})
  set(zenwire_ipsec_mb_location "\${PACKAGE_PREFIX_DIR}/${zenwire_private_libdir}/libipsec_mb_gcm.a")
  set(zenwire_ipsec_mb_pc " \${libdir}/zenwire/libipsec_mb_gcm.a")
endif()

install(EXPORT zenwire NAMESPACE zenwire:: FILE zenwire-targets.cmake DESTINATION ${zenwire_cmakedir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/zenwire-config.cmake.in
  ${PROJECT_BINARY_DIR}/zenwire-config.cmake INSTALL_DESTINATION ${zenwire_cmakedir}
  NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Below 1.0 a minor version may break what is public.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/zenwire-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/zenwire-config.cmake ${PROJECT_BINARY_DIR}/zenwire-config-version.cmake
  DESTINATION ${zenwire_cmakedir})

# pkg-config: archives with the highest floor first, each before what it needs.
set(zenwire_pc_archives "")
foreach(floor IN LISTS floors)
  get_target_property(type ${floor} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    list(PREPEND zenwire_pc_archives -l${floor})
  endif()
endforeach()
list(JOIN zenwire_pc_archives " " zenwire_pc_archives)
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR} OR IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
  message(FATAL_ERROR "CMAKE_INSTALL_LIBDIR and CMAKE_INSTALL_INCLUDEDIR must be relative to the prefix, so that the "
    "installed tree can be moved")
endif()
file(RELATIVE_PATH zenwire_pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" zenwire_pc_to_prefix ${zenwire_pc_to_prefix})
foreach(package zenwire zenwire-testing zenwire-testing-allocation)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${package}.pc.in ${PROJECT_BINARY_DIR}/${package}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${package}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
