// Where this repository is, and its files as text: for the tests that hold the manual, the units and the Makefile
// against what the tools do.

import Glibc
import Lab

/// The tree that the tests were built from.
enum Repository {
    /// Its top folder.
    static let path: String = {
        // Tests/CommandTests/Repository.swift
        var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        parts.removeLast(3)
        return parts.joined(separator: "/")
    }()

    /// The text of a file of the tree.
    static func text(_ name: String) -> String {
        let result = start(["cat", "\(path)/\(name)"]).finish()
        precondition(result.status == 0, result.output)
        return result.output
    }

    /// The names of the files that a shell pattern means, without their folder.
    static func names(_ pattern: String) -> [String] {
        let found = shell("cd '\(path)' && ls -d \(pattern) 2> /dev/null").output
        return found.split(separator: "\n").map { String($0.split(separator: "/").last ?? "") }
    }

    /// Whether a program is in PATH.
    static func has(_ program: String) -> Bool { shell("command -v \(program)").status == 0 }
}

/// A folder that is gone when the value is.
final class TemporaryFolder {
    let path: String

    /// `inMemory`: where the system has room for that, so that a busy disk holds nobody up.
    init(inMemory: Bool = false) {
        let place = inMemory && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        var name = Array("\(place)/qure-test-XXXXXX".utf8CString)
        precondition(mkdtemp(&name) != nil, "no folder can be made in \(place)")
        path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { run("rm -rf \(path)") }
}
