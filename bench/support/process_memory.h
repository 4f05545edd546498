// What the operating system says about this process' memory, in bytes. 0: it does not say.
#pragma once

#include <cstddef>

namespace bench {

size_t WorkingSet();
size_t PeakWorkingSet();

// All private memory that counts against the commit limit: the sum over the address space. A
// millisecond or so.
size_t PrivateCommit();

}  // namespace bench
