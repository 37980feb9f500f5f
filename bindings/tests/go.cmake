# The module as it is shipped, against the installation: plain; with the race detector and the strictest check
# of what crosses into C; and with AddressSanitizer in the wrapper and around the library's allocations.
set(module ${CMAKE_CURRENT_BINARY_DIR}/../go/module)
set(go_environment PKG_CONFIG_PATH=${prefix}/${CMAKE_INSTALL_LIBDIR}/pkgconfig
    LD_LIBRARY_PATH=${prefix}/${CMAKE_INSTALL_LIBDIR} GOFLAGS=-mod=mod GOPROXY=off GOCACHE=${work}/go-cache)
foreach(test "go_story;-v" "go_race;-race" "go_asan;-asan")
    list(POP_FRONT test name)
    sipo_binding_test(${name} ${SIPO_GO_TOOL} test ${test} -count=1 -timeout=9m .)
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT ${go_environment})
    set_property(TEST ${name} PROPERTY WORKING_DIRECTORY ${module})
endforeach()
set_property(TEST go_race APPEND PROPERTY ENVIRONMENT GODEBUG=cgocheck=2 SIPO_TEST_INSTRUMENTED=1)
set_property(TEST go_asan APPEND PROPERTY ENVIRONMENT SIPO_TEST_INSTRUMENTED=1)

# The example has the native half in it.
file(GLOB_RECURSE facade ${PROJECT_SOURCE_DIR}/bindings/go/sipo/*.go)
list(FILTER facade EXCLUDE REGEX "_test.go$")
sipo_bound_test(go ${work}/go-answer ${module}/internal/native/native.go ${facade})
set_tests_properties(go_bound PROPERTIES FIXTURES_REQUIRED "bindings;go_answer")

sipo_binding_test(go_snippet ${snippet} go ${snippet_arguments})
sipo_binding_test(go_answer ${SIPO_GO_TOOL} build -o ${work}/go-answer .)
sipo_binding_test(go_service bash ${CMAKE_CURRENT_SOURCE_DIR}/service_check.sh ${data}/novels-heldout.txt 18303
    ${work}/go-answer ${model} 18303)
# A copy of the example that takes the module from this build.
set(answer ${work}/go-example)
configure_file(${PROJECT_SOURCE_DIR}/bindings/go/examples/answer/main.go ${answer}/main.go COPYONLY)
file(WRITE ${answer}/go.mod "module answer\n\ngo 1.19\n\nrequire sipo v0.1.0\n\nreplace sipo => ${module}\n")
set_tests_properties(go_answer PROPERTIES FIXTURES_SETUP go_answer WORKING_DIRECTORY ${answer})
set_tests_properties(go_service PROPERTIES FIXTURES_REQUIRED "bindings;go_answer")
foreach(name go_snippet go_answer go_service)
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT ${go_environment})
endforeach()
