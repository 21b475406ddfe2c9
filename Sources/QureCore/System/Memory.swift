// Memory: what a process that runs for months does about its memory after a large piece of work.

import CLinux

/// The process's memory.
package enum Memory {
    /// Gives back to the kernel what was used and is free now. The allocator keeps it otherwise, in pieces, and whoever
    /// reads a long configuration anew would have twice as much of it, and more each time.
    package static func giveBack() { _ = malloc_trim(0) }
}
