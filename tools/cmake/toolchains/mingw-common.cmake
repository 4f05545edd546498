# What the two MinGW toolchains share: nothing is looked for among the build machine's own libraries,
# and Windows programs run under Wine.
set(CMAKE_FIND_ROOT_PATH /usr/${strata_triple})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

get_filename_component(strata_wine "${CMAKE_CURRENT_LIST_DIR}/../../wine.sh" ABSOLUTE)
set(CMAKE_CROSSCOMPILING_EMULATOR "${strata_wine}")
