#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "support/probe.h"

namespace strata::test {

namespace {

// The raw system calls: a sanitizer's versions of them look at the memory first.
bool Copy(void* to, const void* from, long call, const void* remote) noexcept {
    iovec local = {call == SYS_process_vm_readv ? to : const_cast<void*>(from), 1};
    iovec other = {const_cast<void*>(remote), 1};
    return syscall(call, getpid(), &local, 1ul, &other, 1ul, 0ul) == 1;
}

}  // namespace

bool CanRead(const void* address) noexcept {
    char byte;
    return Copy(&byte, nullptr, SYS_process_vm_readv, address);
}

bool CanWrite(void* address) noexcept {
    char byte;
    if (!Copy(&byte, nullptr, SYS_process_vm_readv, address)) return false;
    return Copy(nullptr, &byte, SYS_process_vm_writev, address);
}

}  // namespace strata::test
