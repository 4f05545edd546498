// The object of target strata_new_delete. Compiled with exceptions, unlike the library itself.
#include <strata/new_delete.h>
