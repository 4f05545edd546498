#include "os/windows/thread_exit.h"

namespace strata::os {

void RegisterThreadExit(void (*)(void* value) noexcept) noexcept {}

}  // namespace strata::os
