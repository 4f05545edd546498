# Sources are found by folder, so that adding a file needs no list to be edited. One rule for files
# that belong to one system: they lie in a folder windows/ or posix/, or are named x_windows.cpp or
# x_posix.cpp (tests: x_windows_test.cpp, x_posix_test.cpp).

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

# strata_target_sources(<variable> <target>…): the sources of several targets.
function(strata_target_sources variable)
  set(found "")
  foreach(target IN LISTS ARGN)
    get_target_property(sources ${target} SOURCES)
    list(APPEND found ${sources})
  endforeach()
  set(${variable} "${found}" PARENT_SCOPE)
endfunction()
