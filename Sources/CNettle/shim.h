// What QureCore uses of nettle: HMAC with any of its hashes, and a comparison that takes the same time wherever two
// codes differ.
#pragma once
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/nettle-meta.h>
