# Warnings are errors in our own code; third-party headers are SYSTEM.
add_library(rekindle_options INTERFACE)
target_compile_options(rekindle_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
# GCC 12 reports these on inlined libstdc++ code at -O2 (gcc bugs 105329, 105651, 107852).
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(rekindle_options INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-maybe-uninitialized)
endif()

# Warnings are g++'s to give: clang builds only the fuzzers, and finds fault with TRY itself.
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  target_compile_options(rekindle_options INTERFACE -w)
endif()

set(REKINDLE_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")
if(REKINDLE_SANITIZE)
  target_compile_options(rekindle_options INTERFACE -fsanitize=${REKINDLE_SANITIZE} -fno-omit-frame-pointer)
  if(REKINDLE_FUZZ)  # a fuzzer sees what ends the program, not what is printed
    target_compile_options(rekindle_options INTERFACE -fno-sanitize-recover=all)
  endif()
  target_link_options(rekindle_options INTERFACE -fsanitize=${REKINDLE_SANITIZE})
  if(REKINDLE_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # Asio has fences that this sanitizer does not see; what we rely on are mutexes, which it does see.
    target_compile_options(rekindle_options INTERFACE -Wno-tsan)
  endif()
endif()
