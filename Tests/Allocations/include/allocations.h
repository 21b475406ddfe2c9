// Counts what the calling thread allocates, so that a test can show that something allocates nothing. The functions of
// the C library are put behind ones of the same name that count: of the whole test process, Swift's runtime included.
#pragma once

// Allocations of the calling thread so far; negative: they are not counted in this build.
long qure_allocations(void);
