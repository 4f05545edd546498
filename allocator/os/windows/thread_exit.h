// Who tells of a thread's end. In a DLL its entry function does; a static library has none and uses
// a TLS callback of the executable it is linked into. So there are two definitions of the function,
// and each product links one: thread_exit_dll.cpp or thread_exit_static.cpp. They define IsOwnCode
// (os/stack.h), too.
#pragma once

namespace strata::os {

// From now on `on_exit(value)` is called on each ending thread, unless this is a DLL, whose entry
// function takes care of it.
void RegisterThreadExit(void (*on_exit)(void* value) noexcept) noexcept;

}  // namespace strata::os
