# Called by ctest with -P; see CMakeLists.txt for the variables. Ends with an error at the first step that fails.
function(step what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  message(STATUS "${what}: ${result}")
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what} failed:\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
step("install the SDK" ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
step("configure" ${CMAKE_COMMAND} -S ${TEMPLATE} -B ${WORK}/build -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${COMPILER}
  -DCMAKE_CXX_FLAGS=${FLAGS} -DOSYNC_SANITIZE=${SANITIZE} -DCMAKE_PREFIX_PATH=${WORK}/prefix
  -DCMAKE_INSTALL_LIBDIR=${LIBRARIES} -DCMAKE_INSTALL_PREFIX=${WORK}/prefix)
step("build" ${CMAKE_COMMAND} --build ${WORK}/build)
step("test" ${CMAKE_CTEST_COMMAND} --test-dir ${WORK}/build --output-on-failure)
step("install the plugin" ${CMAKE_COMMAND} --install ${WORK}/build)
step("load" ${LOAD} ${WORK}/prefix/${LIBRARIES}/osync/plugins policy-alternate)
