#include "process_memory.h"

#include <cstdio>
#include <cstring>

namespace bench {

namespace {

size_t Status(const char* name) {
    std::FILE* file = std::fopen("/proc/self/status", "r");
    if (file == nullptr) return 0;
    char line[256];
    size_t kibibytes = 0;
    while (std::fgets(line, sizeof(line), file) != nullptr) {
        if (std::strncmp(line, name, std::strlen(name)) == 0) {
            std::sscanf(line + std::strlen(name), "%zu", &kibibytes);
        }
    }
    std::fclose(file);
    return kibibytes * 1024;
}

}  // namespace

size_t WorkingSet() { return Status("VmRSS:"); }
size_t PeakWorkingSet() { return Status("VmHWM:"); }
size_t PrivateCommit() { return 0; }

}  // namespace bench
