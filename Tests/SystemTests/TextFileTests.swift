// Small files that are written whole: what is said where that fails.

import Glibc
import Lab
import QureCore
import Testing

struct TextFileTests {
    @Test func `a disk that is full is named by the file that did not fit`() throws {
        let folder = shell("mktemp -d").output.filter { $0 != "\n" }
        defer { run("rm -r \(folder)") }
        let path = "\(folder)/state"
        // What is written first stands beside it, and here it is a disk that is always full.
        try #require(symlink("/dev/full", "\(path).\(getpid())") == 0)
        let failure = #expect(throws: SystemError.self) { try TextFile.replace(path, with: [1]) }
        #expect(failure == SystemError("write", "\(path).\(getpid())", errno: Errno(rawValue: ENOSPC)))
    }
}
