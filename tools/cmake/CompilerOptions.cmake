# Compiler and linker options, by kind of code. All of them are put on targets, so that dependencies
# keep their own; only the sanitizers are for everything.
#
#   strata_core_options      the allocator: runs in any process, without a C++ runtime
#   strata_program_options   tests, tools and benchmarks: ordinary C++ programs
#   strata_no_crt_link(dll entry)   a DLL that imports ntdll and kernel32, and nothing else

if(STRATA_SANITIZE)
  add_compile_options(-fsanitize=${STRATA_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${STRATA_SANITIZE})
endif()

# tools/coverage.sh: a source that writes gcc's counters where a process ends in the middle.
if(STRATA_COVERAGE_DUMP)
  add_library(strata_coverage_dump STATIC "${STRATA_COVERAGE_DUMP}")
  if(WIN32)
    set(ends "--wrap=_ZN6strata2os8FailFastEv")
  else()
    set(ends "--wrap=sigaction,--wrap=raise")
  endif()
  set(strata_coverage_link strata_coverage_dump
    "-Wl,-u,__wrap__exit,${ends},--wrap=_exit,--wrap=_Exit")
endif()

if(MINGW AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options($<$<NOT:$<COMPILE_LANGUAGE:RC>>:-gcodeview>) # for the PDBs; not among the flags of a build type, which also link
endif()

add_library(strata_common_options INTERFACE)
target_compile_features(strata_common_options INTERFACE cxx_std_20)
if(STRATA_CHECK_LOCK_RANKS)
  target_compile_definitions(strata_common_options INTERFACE STRATA_CHECK_LOCK_RANKS=1)
endif()
if(WIN32)
  # Empty values: a file may define the first two itself.
  target_compile_definitions(strata_common_options INTERFACE
    WIN32_LEAN_AND_MEAN= NOMINMAX= _WIN32_WINNT=0x0A00)
endif()
if(MSVC)
  target_compile_options(strata_common_options INTERFACE
    /W4 /permissive- /utf-8 /Zc:__cplusplus /Zc:preprocessor $<$<BOOL:${STRATA_WERROR}>:/WX>)
else()
  target_compile_options(strata_common_options INTERFACE
    -Wall -Wextra -Wshadow $<$<BOOL:${STRATA_WERROR}>:-Werror>
    # GCC has sized operator delete from C++14 on; clang for MinGW has to be asked.
    "$<$<COMPILE_LANG_AND_ID:CXX,Clang>:-fsized-deallocation>")
endif()

# Lists of call targets for Control Flow Guard, without checks of our own calls: the fast paths stay as they are,
# and a process with strict control flow guard may load the DLLs. Clang for MinGW with lld can make them, GCC
# cannot. (With MSVC's options nothing has been tried.)
set(STRATA_HAS_CONTROL_FLOW_GUARD OFF)
if(MINGW AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 17)
  set(STRATA_HAS_CONTROL_FLOW_GUARD ON)
endif()

add_library(strata_core_options INTERFACE)
target_link_libraries(strata_core_options INTERFACE strata_common_options)
if(MSVC)
  target_compile_definitions(strata_core_options INTERFACE _HAS_EXCEPTIONS=0)
  target_compile_options(strata_core_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:/EHs-c-> $<$<COMPILE_LANGUAGE:CXX>:/GR-> /GS- /Zc:threadSafeInit-)
else()
  # The unwind tables stay: exceptions of the program, and stack walks, pass through these frames.
  target_compile_options(strata_core_options INTERFACE
    -Wconversion -march=x86-64 -mtune=generic
    -fno-exceptions -fasynchronous-unwind-tables -fno-stack-protector
    # Two pointers side by side are stored one by one: putting them together in a vector register first costs
    # more than the second store.
    -fno-tree-slp-vectorize
    $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti> $<$<COMPILE_LANGUAGE:CXX>:-fno-threadsafe-statics>
    # Not in tests: they look at what a lock guards when no other thread is there.
    "$<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wthread-safety;-Wthread-safety-beta>")
  if(MINGW)
    # By default both compilers load the address of every global that is not defined in the same file
    # from a table, in case the linker finds it in another DLL; these are all in the same image.
    target_compile_options(strata_core_options INTERFACE
      $<IF:$<CXX_COMPILER_ID:GNU>,-mcmodel=small,-fno-auto-import>)
  endif()
  if(STRATA_HAS_CONTROL_FLOW_GUARD)
    target_compile_options(strata_core_options INTERFACE -mguard=cf-nochecks)
  endif()
  if(NOT WIN32)
    # The preload library is in the program from the start, so its TLS can be, too: initial-exec is
    # one load, where the default for shared libraries is a call that may allocate.
    target_compile_options(strata_core_options INTERFACE -ftls-model=initial-exec)
  endif()
endif()

add_library(strata_program_options INTERFACE)
target_link_libraries(strata_program_options INTERFACE
  strata_common_options ${strata_coverage_link})
if(MINGW)
  target_compile_definitions(strata_program_options INTERFACE __USE_MINGW_ANSI_STDIO=1)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Misuse is what many tests are about; GCC sees some of it and says so.
  target_compile_options(strata_program_options INTERFACE
    -Wno-use-after-free -Wno-free-nonheap-object -Wno-alloc-size-larger-than
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-mismatched-new-delete>)
endif()

# memcpy and its kin, which compilers call on their own account, come from ntdll. libgcc is an archive
# of helpers (stack probes), not a run-time DLL.
function(strata_no_crt_link dll entry)
  if(MSVC)
    target_link_options(${dll} PRIVATE /NODEFAULTLIB /ENTRY:${entry} /MANIFEST:NO)
    target_link_libraries(${dll} PRIVATE ntdll kernel32)
    return()
  endif()
  if(NOT TARGET strata_ntdll_memory)
    set(definition "${PROJECT_SOURCE_DIR}/tools/cmake/ntdll-memory.def")
    set(library "${PROJECT_BINARY_DIR}/lib/libntdll_memory.a")
    find_program(STRATA_DLLTOOL NAMES x86_64-w64-mingw32-dlltool dlltool REQUIRED)
    add_custom_command(OUTPUT "${library}"
      COMMAND "${CMAKE_COMMAND}" -E make_directory "${PROJECT_BINARY_DIR}/lib"
      COMMAND "${STRATA_DLLTOOL}" -m i386:x86-64 -d "${definition}" -l "${library}"
      DEPENDS "${definition}" VERBATIM)
    add_custom_target(strata_ntdll_memory_file DEPENDS "${library}")
    add_library(strata_ntdll_memory INTERFACE)
    add_dependencies(strata_ntdll_memory strata_ntdll_memory_file)
    target_link_libraries(strata_ntdll_memory INTERFACE "${library}")
  endif()
  target_link_options(${dll} PRIVATE
    -nostdlib -nostartfiles -nodefaultlibs
    -Wl,-e,${entry} -Wl,--exclude-all-symbols -Wl,--no-insert-timestamp)
  if(STRATA_HAS_CONTROL_FLOW_GUARD)
    target_link_options(${dll} PRIVATE -Wl,--guard-cf)
  endif()
  target_link_libraries(${dll} PRIVATE gcc strata_ntdll_memory ntdll kernel32)
endfunction()

# strata_command_line(<source>): a file that reads a command line with CLI11. The optimizer takes up to four times
# as long for it as for everything else, and buys nothing.
function(strata_command_line source)
  if(STRATA_SANITIZE)
    set_source_files_properties("${source}" PROPERTIES COMPILE_OPTIONS -O0)
  elseif(NOT MSVC)
    set_source_files_properties("${source}" PROPERTIES COMPILE_OPTIONS -O1)
  endif()
endfunction()
