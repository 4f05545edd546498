// Runs rules so that one that crashes or hangs costs no more than itself.
#pragma once

#include "conformance.h"

#include <string>
#include <vector>

namespace conformance {

struct Result {
    const Topic* topic;
    const Rule* rule;
    std::string observed;
};

enum class Verdict { kOk, kDiffers, kSkipped };
Verdict Judge(const Result& result);

// A rule with the topic that it stands in.
struct Entry {
    const Topic* topic;
    const Rule* rule;
};
// All rules whose id or topic contains `filter`.
std::vector<Entry> Select(const char* filter);

// Runs one rule in a thread of its own. A crash is "crashed: 0x...", a rule that takes longer than
// the time limit "did not end"; both leave their thread behind and set `damaged`: locks may be held
// for ever.
Result RunHere(const Entry& entry, const HeapApi& api, bool& damaged);

// Runs the rules in child processes of this program, a new one after each that died or was damaged.
// `command` is the command line of a child without the number of its first rule. False when no
// child could be started, or when one did not work on the heap that this process works on.
bool RunIsolated(const std::vector<Entry>& entries, const std::wstring& command,
                 void (*report)(const Result&));

// The child's side: runs entries[first] and those behind it, and writes a line for each.
int RunAsChild(const std::vector<Entry>& entries, size_t first, const HeapApi& api);

// Is strata-override.dll in this process?
bool IsOverridden();

}  // namespace conformance
