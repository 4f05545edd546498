// The text of strata-patch --list.
#pragma once

#include <string>

#include "patch/pe_image.h"

namespace strata::patch {

// What the file is, what it imports in which order, whether it is patched or can be. Throws Refused
// for what is no PE file, or a damaged one.
std::string Describe(Bytes bytes, const std::string& dll);

}  // namespace strata::patch
