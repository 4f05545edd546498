# Sources are found by folder, so that adding a file needs no list to be edited. One rule for files
# that belong to one system: they lie in a folder windows/ or posix/, or are named x_windows.cpp or
# x_posix.cpp (tests: x_windows_test.cpp, x_posix_test.cpp).

# The layers of allocator/, each of which includes only from itself and from those before it.
set(STRATA_LAYERS base os arena slab store cache heap api observe override)

if(WIN32)
  set(strata_own_system windows)
  set(strata_other_system posix)
else()
  set(strata_own_system posix)
  set(strata_other_system windows)
endif()

# strata_find_sources(<variable> <folder> [<pattern>]): absolute paths, sorted.
function(strata_find_sources variable folder)
  set(pattern "*.cpp")
  if(ARGC GREATER 2)
    set(pattern "${ARGV2}")
  endif()
  file(GLOB found CONFIGURE_DEPENDS
    "${folder}/${pattern}" "${folder}/${strata_own_system}/${pattern}")
  list(FILTER found EXCLUDE REGEX "_${strata_other_system}(_test)?\\.cpp$")
  list(SORT found)
  set(${variable} "${found}" PARENT_SCOPE)
endfunction()

# strata_or_stub(<variable>): a list without any source gets an empty one, so that a library can be
# declared before its first file is written.
function(strata_or_stub variable)
  if(NOT ${variable})
    set(stub "${CMAKE_CURRENT_BINARY_DIR}/empty.cpp")
    if(NOT EXISTS "${stub}")
      file(WRITE "${stub}" "// No source here yet.\n")
    endif()
    set(${variable} "${stub}" PARENT_SCOPE)
  endif()
endfunction()
