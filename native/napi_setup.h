#pragma once

// The one place that includes napi.h. The definitions forbid what goes wrong in practice:
// deprecated calls, errors thrown where no JavaScript can catch them (a worker thread that is being
// terminated), external buffers (some runtimes refuse them).
#define NODE_ADDON_API_CPP_EXCEPTIONS
#define NODE_ADDON_API_DISABLE_DEPRECATED
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#define NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED
#define NODE_ADDON_API_REQUIRE_BASIC_FINALIZERS

#include <napi.h>
