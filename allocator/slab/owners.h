// Whose a record of this layer is. Only their names are known here.
#pragma once

namespace strata::store {
class Heap;
class Store;
}  // namespace strata::store
