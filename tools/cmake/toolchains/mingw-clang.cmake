# Windows x64 on Linux with clang and lld: native TLS and PDBs, which GCC for MinGW has not.
# Headers, import libraries and libstdc++ are those of MinGW-w64 GCC's posix variant.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)

set(strata_triple x86_64-w64-mingw32)
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_C_COMPILER_TARGET ${strata_triple})
set(CMAKE_CXX_COMPILER_TARGET ${strata_triple})
set(CMAKE_RC_COMPILER ${strata_triple}-windres)
set(CMAKE_AR ${strata_triple}-ar CACHE STRING "")
set(CMAKE_RANLIB ${strata_triple}-ranlib CACHE STRING "")

execute_process(
  COMMAND ${strata_triple}-g++-posix -print-libgcc-file-name
  OUTPUT_VARIABLE strata_libgcc OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
get_filename_component(strata_gcc_dir "${strata_libgcc}" DIRECTORY)

set(CMAKE_CXX_FLAGS_INIT "-nostdinc++")
foreach(strata_dir "" "/${strata_triple}" "/backward")
  string(APPEND CMAKE_CXX_FLAGS_INIT " -isystem ${strata_gcc_dir}/include/c++${strata_dir}")
endforeach()

# An empty --pdb= puts the PDB beside the linked file, under the same name.
set(strata_link_flags "-fuse-ld=lld -L${strata_gcc_dir} -Wl,--pdb=")
# GCC's posix variant names winpthread by itself; clang does not know that libstdc++ needs it. (lld does
# not mind that it stands before the objects.)
set(CMAKE_EXE_LINKER_FLAGS_INIT "${strata_link_flags} -static -lwinpthread")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "${strata_link_flags}")

include(${CMAKE_CURRENT_LIST_DIR}/mingw-common.cmake)
