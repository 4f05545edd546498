// Whether an address can be accessed, found out without touching it from here.
#pragma once

namespace strata::test {

bool CanRead(const void* address) noexcept;

// REQUIRES: no other thread writes that byte; it is read and written back.
bool CanWrite(void* address) noexcept;

}  // namespace strata::test
