// What QureCore uses of nettle: HMAC-SHA256, and a comparison that takes the same time wherever two codes differ.
#pragma once
#include <nettle/hmac.h>
#include <nettle/memops.h>
