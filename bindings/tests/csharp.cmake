# NUnit on Mono, as Debian packages them.
find_program(SIPO_NUNIT nunit-console REQUIRED)
find_program(SIPO_MONO mono REQUIRED)
mark_as_advanced(SIPO_NUNIT SIPO_MONO)
set(nuget ${CMAKE_CURRENT_BINARY_DIR}/../csharp/nuget)
set(csharp_tests ${work}/csharp)
set(nunit /usr/lib/cli/nunit.framework-2.6.3/nunit.framework.dll)
file(GLOB csharp_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bindings/csharp/tests/*.cs)
add_custom_command(OUTPUT ${csharp_tests}/Sipo.Tests.dll
    COMMAND ${CMAKE_COMMAND} -E make_directory ${csharp_tests}
    COMMAND ${CMAKE_COMMAND} -E copy ${nuget}/lib/netstandard2.0/Sipo.dll ${nunit} ${csharp_tests}
    COMMAND ${SIPO_MCS} -nologo -warn:4 -warnaserror -target:library -out:${csharp_tests}/Sipo.Tests.dll
        -r:${csharp_tests}/Sipo.dll -r:${nunit} ${csharp_sources}
    DEPENDS ${csharp_sources} sipo-csharp VERBATIM)
add_custom_target(sipo-csharp-tests ALL DEPENDS ${csharp_tests}/Sipo.Tests.dll)

sipo_binding_test(csharp_story ${SIPO_NUNIT} -nologo -noxml -nodots -labels ${csharp_tests}/Sipo.Tests.dll)
set_property(TEST csharp_story APPEND PROPERTY ENVIRONMENT
    LD_LIBRARY_PATH=${nuget}/runtimes/linux-x64/native)
# An empty run is not a good one.
set_tests_properties(csharp_story PROPERTIES FAIL_REGULAR_EXPRESSION "Tests run: 0")

add_custom_command(OUTPUT ${csharp_tests}/AnswerService.exe
    COMMAND ${SIPO_MCS} -nologo -warn:4 -warnaserror -out:${csharp_tests}/AnswerService.exe
        -r:${nuget}/lib/netstandard2.0/Sipo.dll ${PROJECT_SOURCE_DIR}/bindings/csharp/examples/AnswerService.cs
    DEPENDS ${PROJECT_SOURCE_DIR}/bindings/csharp/examples/AnswerService.cs ${csharp_tests}/Sipo.Tests.dll VERBATIM)
add_custom_target(sipo-csharp-example ALL DEPENDS ${csharp_tests}/AnswerService.exe)
file(GLOB facade ${PROJECT_SOURCE_DIR}/bindings/csharp/src/*.cs)
sipo_bound_test(csharp $<TARGET_FILE:sipo-csharp-native> ${CMAKE_CURRENT_BINARY_DIR}/../csharp/generated/Native.cs
    ${facade})

sipo_binding_test(csharp_snippet ${snippet} csharp ${snippet_arguments})
sipo_binding_test(csharp_service bash ${CMAKE_CURRENT_SOURCE_DIR}/service_check.sh ${data}/novels-heldout.txt 18302
    ${SIPO_MONO} ${csharp_tests}/AnswerService.exe ${model} 18302)
set_property(TEST csharp_service APPEND PROPERTY ENVIRONMENT
    LD_LIBRARY_PATH=${nuget}/runtimes/linux-x64/native)
