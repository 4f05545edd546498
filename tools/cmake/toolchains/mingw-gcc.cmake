# Windows x64 on Linux with MinGW-w64 GCC. The posix variant: the win32 one has no std::thread.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)

set(strata_triple x86_64-w64-mingw32)
set(CMAKE_C_COMPILER ${strata_triple}-gcc-posix)
set(CMAKE_CXX_COMPILER ${strata_triple}-g++-posix)
set(CMAKE_RC_COMPILER ${strata_triple}-windres)

# Programs carry libgcc, libstdc++ and winpthreads inside, so that they run wherever they are put.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")

include(${CMAKE_CURRENT_LIST_DIR}/mingw-common.cmake)
