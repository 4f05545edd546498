// The table of tables.
#include "conformance.h"

namespace conformance {

const Topic* const kTopics[] = {
    &kSizes,      &kZeroing,    &kFailures,    &kFlags,       &kExceptions,   &kExecutable,
    &kChecking,   &kFixedHeaps, &kWalking,     &kEnumeration, &kValidation,   &kHandles,
    &kBadHandles, &kLocks,      &kInformation, &kUserValues,  &kGlobalMemory, &kLocalMemory,
    &kErrors,     &kRegions,    &kCRuntimes,
};
const size_t kTopicCount = sizeof kTopics / sizeof kTopics[0];

}  // namespace conformance
