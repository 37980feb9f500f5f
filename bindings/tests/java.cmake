# JUnit 5, as Debian packages it.
set(jar ${CMAKE_CURRENT_BINARY_DIR}/../java/sipo.jar)
set(classes ${work}/java-classes)
set(junit)
foreach(name junit-platform-console junit-platform-commons junit-platform-engine junit-platform-launcher
        junit-platform-reporting junit-jupiter-api junit-jupiter-engine junit-jupiter-params opentest4j
        apiguardian-api picocli opentest4j-reporting-events opentest4j-reporting-schema)
    if(EXISTS /usr/share/java/${name}.jar)
        string(APPEND junit ":/usr/share/java/${name}.jar")
    endif()
endforeach()
file(GLOB java_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bindings/java/src/test/java/sipo/*.java)
add_custom_command(OUTPUT ${work}/java-classes.stamp
    COMMAND ${Java_JAVAC_EXECUTABLE} --release 17 -Xlint:all,-classfile,-path -Werror -d ${classes} -classpath ${jar}${junit}
        ${java_tests}
    COMMAND ${CMAKE_COMMAND} -E touch ${work}/java-classes.stamp
    DEPENDS ${java_tests} sipo-java VERBATIM)
add_custom_target(sipo-java-tests ALL DEPENDS ${work}/java-classes.stamp)

# The VM checks every use of JNI, and what it says is a failure. The heap is full-sized from the start.
sipo_binding_test(java_story ${Java_JAVA_EXECUTABLE} -Xcheck:jni -Xms96m -Xmx96m -XX:+AlwaysPreTouch
    -XX:+UseSerialGC -classpath ${classes}:${jar}${junit} org.junit.platform.console.ConsoleLauncher
    --disable-banner --fail-if-no-tests --details=tree --disable-ansi-colors --scan-classpath=${classes})
set_tests_properties(java_story PROPERTIES FAIL_REGULAR_EXPRESSION "WARNING in native;WARNING: JNI;FATAL ERROR in native")

file(GLOB facade ${PROJECT_SOURCE_DIR}/bindings/java/src/main/java/sipo/*.java)
sipo_bound_test(java $<TARGET_FILE:sipo-jni> ${CMAKE_CURRENT_BINARY_DIR}/../java/generated/Native.java ${facade})

add_test(NAME java_maven COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/maven_check.sh
    ${CMAKE_CURRENT_BINARY_DIR}/../java/maven ${jar})
set_tests_properties(java_maven PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)

sipo_binding_test(java_snippet ${snippet} java ${snippet_arguments})
sipo_binding_test(java_service bash ${CMAKE_CURRENT_SOURCE_DIR}/service_check.sh ${data}/novels-heldout.txt 18301
    ${Java_JAVA_EXECUTABLE} -Xms64m -Xmx64m -XX:+AlwaysPreTouch -cp ${jar}
    ${PROJECT_SOURCE_DIR}/bindings/java/examples/AnswerService.java ${model} 18301)
if(Java_JAVADOC_EXECUTABLE)
    add_test(NAME java_documentation COMMAND ${Java_JAVADOC_EXECUTABLE} -quiet -Xdoclint:all,-missing -Werror
        -d ${work}/javadoc -classpath ${jar} ${facade})
endif()
