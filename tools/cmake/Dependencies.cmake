# Where the sources of other projects come from. For each, in this order:
#
#   1. STRATA_<NAME>_SOURCE, a source tree given by option;
#   2. build/deps/<name>, which tools/setup.sh fetches as a Debian source package, or the place where
#      a Debian package of sources or headers is installed;
#   3. FetchContent at a pinned tag, unless STRATA_ALLOW_DOWNLOAD is off.
#
# Each strata_use_*() function is called by the part of the build that needs it, and makes the targets
# named there. Nothing fetched is ever part of the repository.

include(FetchContent)
option(STRATA_ALLOW_DOWNLOAD "Download a dependency that is not on this machine" ON)
set(strata_deps_dir "${PROJECT_SOURCE_DIR}/build/deps")

# strata_find_dependency(<result> NAME <name> PROBE <file> [LOCAL <dir>…] URL <git> TAG <tag>)
# Sets <result> to a folder that has PROBE in it.
function(strata_find_dependency result)
  cmake_parse_arguments(arg "" "NAME;PROBE;URL;TAG" "LOCAL" ${ARGN})
  string(TOUPPER "${arg_NAME}" upper)
  set(STRATA_${upper}_SOURCE "" CACHE PATH "Source tree of ${arg_NAME}; empty: find or fetch it")
  set(source "")
  if(STRATA_${upper}_SOURCE)
    if(NOT EXISTS "${STRATA_${upper}_SOURCE}/${arg_PROBE}")
      message(FATAL_ERROR
        "STRATA_${upper}_SOURCE: there is no ${arg_PROBE} in ${STRATA_${upper}_SOURCE}")
    endif()
    set(source "${STRATA_${upper}_SOURCE}")
  else()
    foreach(dir IN LISTS arg_LOCAL)
      if(NOT source AND EXISTS "${dir}/${arg_PROBE}")
        set(source "${dir}")
      endif()
    endforeach()
    if(NOT source AND STRATA_ALLOW_DOWNLOAD)
      message(STATUS "${arg_NAME}: downloading ${arg_TAG}")
      # SOURCE_SUBDIR names no folder on purpose: fetch only, the targets are made here.
      FetchContent_Declare(strata_${arg_NAME}
        GIT_REPOSITORY "${arg_URL}" GIT_TAG "${arg_TAG}" GIT_SHALLOW ON GIT_SUBMODULES ""
        SOURCE_SUBDIR none)
      FetchContent_MakeAvailable(strata_${arg_NAME})
      set(source "${strata_${arg_NAME}_SOURCE_DIR}")
    endif()
    if(NOT source)
      message(FATAL_ERROR "${arg_NAME} is not here: run tools/setup.sh, or give a source tree as "
        "-DSTRATA_${upper}_SOURCE=…, or allow -DSTRATA_ALLOW_DOWNLOAD=ON")
    endif()
  endif()
  message(STATUS "${arg_NAME}: ${source}")
  set(${result} "${source}" PARENT_SCOPE)
endfunction()

# strata_header_copy(<result> <name> <include dir> <subfolder>): the system's own include folder must
# not be on a cross compiler's path, so the one subfolder that is wanted is copied out of it.
function(strata_header_copy result name include_dir subfolder)
  set(copy "${PROJECT_BINARY_DIR}/deps/${name}")
  file(COPY "${include_dir}/${subfolder}" DESTINATION "${copy}")
  set(${result} "${copy}" PARENT_SCOPE)
endfunction()

# GoogleTest: gtest, gtest_main.
function(strata_use_googletest)
  if(TARGET gtest)
    return()
  endif()
  strata_find_dependency(source NAME googletest PROBE googletest/include/gtest/gtest.h
    LOCAL "${strata_deps_dir}/googletest" /usr/src/googletest
    URL https://github.com/google/googletest.git TAG v1.14.0)
  set(INSTALL_GTEST OFF)
  set(BUILD_GMOCK OFF)
  set(gtest_force_shared_crt ON)
  set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
  add_subdirectory("${source}" "${PROJECT_BINARY_DIR}/deps/googletest" EXCLUDE_FROM_ALL SYSTEM)
endfunction()

# Google Benchmark: benchmark, benchmark_main.
function(strata_use_benchmark)
  if(TARGET benchmark)
    return()
  endif()
  strata_find_dependency(source NAME benchmark PROBE include/benchmark/benchmark.h
    LOCAL "${strata_deps_dir}/benchmark"
    URL https://github.com/google/benchmark.git TAG v1.7.1)
  set(BENCHMARK_ENABLE_TESTING OFF)
  set(BENCHMARK_ENABLE_GTEST_TESTS OFF)
  set(BENCHMARK_ENABLE_WERROR OFF)
  set(BENCHMARK_ENABLE_INSTALL OFF)
  set(BENCHMARK_INSTALL_DOCS OFF)
  set(GIT_VERSION 1.7.1) # Debian's tree does not ask git, and wants to be told
  if(CMAKE_CROSSCOMPILING AND WIN32)
    # Its feature tests run programs; these are their answers on Windows.
    set(HAVE_STD_REGEX 1)
    set(RUN_HAVE_STD_REGEX 1)
    set(HAVE_STEADY_CLOCK 1)
    set(RUN_HAVE_STEADY_CLOCK 0)
    set(HAVE_POSIX_REGEX 0)
  endif()
  set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
  add_subdirectory("${source}" "${PROJECT_BINARY_DIR}/deps/benchmark" EXCLUDE_FROM_ALL SYSTEM)
endfunction()

# mimalloc, the allocator that benchmarks compare with: strata_mimalloc, and STRATA_MIMALLOC_VERSION,
# which every table of results names. Benchmarks only; nothing else may link it.
function(strata_use_mimalloc)
  if(TARGET strata_mimalloc)
    return()
  endif()
  strata_find_dependency(source NAME mimalloc PROBE src/static.c
    LOCAL "${strata_deps_dir}/mimalloc"
    URL https://github.com/microsoft/mimalloc.git TAG v3.4.3)
  file(STRINGS "${source}/include/mimalloc.h" version
    REGEX "define[ \t]+MI_MALLOC_VERSION[ \t]+[0-9]+")
  string(REGEX REPLACE ".*MI_MALLOC_VERSION[ \t]+([0-9]+).*" "\\1" version "${version}")
  # Two spellings of one number: 209 is 2.0.9, 30403 is 3.4.3.
  if(version GREATER 9999)
    math(EXPR major "${version} / 10000")
    math(EXPR minor "${version} / 100 % 100")
    math(EXPR patch "${version} % 100")
  else()
    math(EXPR major "${version} / 100")
    math(EXPR minor "${version} / 10 % 10")
    math(EXPR patch "${version} % 10")
  endif()
  set(STRATA_MIMALLOC_VERSION "${major}.${minor}.${patch}" CACHE INTERNAL "")
  message(STATUS "mimalloc: version ${STRATA_MIMALLOC_VERSION}")

  add_library(strata_mimalloc STATIC EXCLUDE_FROM_ALL "${source}/src/static.c")
  target_include_directories(strata_mimalloc SYSTEM PUBLIC "${source}/include")
  target_include_directories(strata_mimalloc PRIVATE "${source}/src")
  target_compile_definitions(strata_mimalloc PRIVATE MI_STATIC_LIB
    PUBLIC STRATA_MIMALLOC_VERSION="${STRATA_MIMALLOC_VERSION}")
  if(NOT MSVC)
    target_compile_options(strata_mimalloc PRIVATE -w -fvisibility=hidden)
  endif()
  if(MINGW AND major GREATER_EQUAL 3)
    # Compilers other than Microsoft's ignore the pragma that registers its start-up hooks, and
    # without them it never makes an arena.
    target_compile_definitions(strata_mimalloc PRIVATE MI_WIN_INIT_USE_FLS=1 MI_WIN_DIRECT_TLS=1)
  endif()
  if(WIN32)
    target_link_libraries(strata_mimalloc PUBLIC psapi shell32 user32 advapi32 bcrypt)
  else()
    find_package(Threads REQUIRED)
    target_link_libraries(strata_mimalloc PUBLIC Threads::Threads)
  endif()
endfunction()

# Zydis (decoder and encoder, without a C library): strata_zydis. Of Zycore only headers are needed.
function(strata_use_zydis)
  if(TARGET strata_zydis)
    return()
  endif()
  strata_find_dependency(zydis NAME zydis PROBE src/Decoder.c
    LOCAL "${strata_deps_dir}/zydis"
    URL https://github.com/zyantific/zydis.git TAG v4.0.0)
  strata_find_dependency(zycore NAME zycore PROBE include/Zycore/Types.h
    LOCAL "${zydis}/dependencies/zycore" "${strata_deps_dir}/zycore" /usr
    URL https://github.com/zyantific/zycore-c.git TAG v1.4.1)
  strata_header_copy(zycore_include zycore "${zycore}/include" Zycore)

  file(GLOB sources "${zydis}/src/*.c")
  add_library(strata_zydis STATIC EXCLUDE_FROM_ALL ${sources})
  target_include_directories(strata_zydis PRIVATE "${zydis}/src")
  target_include_directories(strata_zydis SYSTEM PUBLIC "${zydis}/include" "${zycore_include}")
  target_compile_definitions(strata_zydis PUBLIC
    ZYDIS_STATIC_BUILD ZYCORE_STATIC_BUILD ZYAN_NO_LIBC ZYDIS_DISABLE_FORMATTER)
  if(MSVC)
    target_compile_options(strata_zydis PRIVATE /w /GS-)
  else()
    target_compile_options(strata_zydis PRIVATE -w -fno-stack-protector)
  endif()
endfunction()

# CLI11, headers only: strata_cli11.
function(strata_use_cli11)
  if(TARGET strata_cli11)
    return()
  endif()
  strata_find_dependency(cli11 NAME cli11 PROBE include/CLI/CLI.hpp
    LOCAL "${strata_deps_dir}/cli11" /usr
    URL https://github.com/CLIUtils/CLI11.git TAG v2.3.2)
  strata_header_copy(cli11_include cli11 "${cli11}/include" CLI)
  add_library(strata_cli11 INTERFACE)
  target_include_directories(strata_cli11 SYSTEM INTERFACE "${cli11_include}")
endfunction()
