// The cases of this program. Each is a process: it returns the exit code, 0 when all is well, and
// has said on standard output what is not.
#pragma once

// What the DllMain of library.cpp calls: under the loader's lock.
extern int (*g_in_dll_main)();

namespace strata::first_call {

// Threads that call for the first time when nobody will hear of their end any more.
int LateThreads();

// One thread calls for the first time while another allocates under a lock of the system's; and the
// same in this process, which may hang.
int LoaderLock();
int InDllMain();
int PebLock();
int InPebLock();

// The same where the other thread frees a block of the C runtime's (programs with strata::malloc).
int RuntimeBlock();
int InRuntimeBlock();

// Nothing of Strata's lies below 4 GiB; others find room there.
int Addresses();

// Runs a case as a child process, which is ended when it takes too long.
int RunLimited(const wchar_t* name);

}  // namespace strata::first_call
