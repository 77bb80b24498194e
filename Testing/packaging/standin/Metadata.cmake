# Writes down the extension's metadata, a line each: name=value.

set(lines "PROJECT=${PROJECT_NAME}\n")
foreach(name HOMEPAGE CATEGORY CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  string(APPEND lines "${name}=${EXTENSION_${name}}\n")
endforeach()
file(WRITE "${CMAKE_BINARY_DIR}/metadata.txt" "${lines}")
