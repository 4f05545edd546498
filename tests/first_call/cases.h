// The cases of this program. Each is a process: it returns the exit code, 0 when all is well, and has said
// on standard output what is not.
#pragma once

namespace strata::first_call {

// Threads that call for the first time when nobody will hear of their end any more.
int LateThreads();

}  // namespace strata::first_call
