// Messages for the program that uses the library.
#include <strata/strata.h>

#include "os/message.h"

extern "C" void strata_set_report_handler(strata_report_fn handler, void* context) noexcept {
    strata::os::SetMessageHandler(handler, context);
}
