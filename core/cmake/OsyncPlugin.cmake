# osync_add_plugin(NAME SOURCES file... [LIBRARIES target...])
#
# Makes the plugin NAME: an object library NAME_objects (for tests of its parts) and the shared object NAME.so. Used by
# osync's own plugins and, through find_package(osync), by those of others.
function(osync_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "osync_add_plugin(${name}): SOURCES is missing")
  endif()
  add_library(${name}_objects OBJECT ${arg_SOURCES})
  set_target_properties(${name}_objects PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  target_compile_features(${name}_objects PUBLIC cxx_std_20)
  target_link_libraries(${name}_objects PUBLIC osync::sdk ${arg_LIBRARIES})
  add_library(${name} MODULE)
  target_link_libraries(${name} PRIVATE ${name}_objects)
  # Never unloaded (dlclose unloads or not by chance), and nothing left undefined except under sanitizers, whose
  # runtime lives in the executable.
  target_link_options(${name} PRIVATE -Wl,-z,nodelete)
  if(NOT OSYNC_SANITIZE)
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  set_target_properties(${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name})
  if(PROJECT_NAME STREQUAL "osync")
    target_link_libraries(${name}_objects PRIVATE osync_warnings)
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
    install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/osync/plugins)
  endif()
endfunction()
