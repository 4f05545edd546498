#include "cache/bin.h"

namespace strata::cache {

const FreeBlock kNoBlocks[1] = {{nullptr, nullptr}};

}  // namespace strata::cache
