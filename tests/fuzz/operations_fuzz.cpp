// Fuzzes sequences of operations on heaps (operations.h).
#include "operations.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    strata::fuzz::Machine machine(strata::fuzz::Input(bytes, size));
    machine.Run();
    return 0;
}
