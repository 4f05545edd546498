// Why a file is left as it is. The reasons are a closed list; each message says what is the matter,
// where, and what can be done.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace strata::patch {

enum class Reason : uint8_t {
    kNotPe,
    kDamaged,  // the headers contradict themselves or the file's size
    k32Bit,
    kArm64,  // ARM64EC, too
    kOtherMachine,
    kManaged,    // .NET, IL only
    kSubsystem,  // a driver, an EFI application
    kDll,
    kUnusual,    // a valid file of a kind that is not handled
    kIntegrity,  // must be signed to run
    kSigned,
    kPacked,
    kOverlay,     // unknown data behind the sections
    kSearchPath,  // its imports are not looked for beside it
    kNoRoom,      // for a section header, or in the 32-bit offsets
    kAlreadyPatched,
    kDllName,  // of --dll
    kNotPatched,
    kChanged,   // since it was patched
    kReadOnly,  // from here on: the file in its folder
    kInUse,
    kFileExists,
};

class Refused : public std::runtime_error {
public:
    Refused(Reason reason, const std::string& message)
        : std::runtime_error(message), reason_(reason) {}
    Reason reason() const { return reason_; }

private:
    Reason reason_;
};

}  // namespace strata::patch
