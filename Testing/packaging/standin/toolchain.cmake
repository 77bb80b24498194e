# Compilers that need not exist: the extension compiles nothing.

foreach(language C CXX)
  set(CMAKE_${language}_COMPILER "${CMAKE_COMMAND}")
  set(CMAKE_${language}_COMPILER_FORCED TRUE)
  set(CMAKE_${language}_COMPILER_ID_RUN TRUE)
endforeach()
