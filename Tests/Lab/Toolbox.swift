// Toolbox: where the executables and scripts under test are. The lab never uses an installed qure: it takes the tools
// from QURE_BIN, else from beside the running executable (which is where the build puts tests and tools alike), and the
// scripts from the source tree above it.

import Glibc

/// Finds what the lab runs.
package enum Toolbox {
    /// The directories that are searched, first one first.
    package static let directories: [String] = {
        var found: [String] = []
        if let named = getenv("QURE_BIN") { found.append(String(cString: named)) }
        found.append(parent(of: executable))
        let scripts = found.lazy.compactMap(scriptsDirectory(above:)).first
        return found + (scripts.map { [$0] } ?? [])
    }()

    /// This very executable.
    package static let executable: String = {
        guard let path = realpath("/proc/self/exe", nil) else { return CommandLine.arguments[0] }
        defer { free(path) }
        return String(cString: path)
    }()

    /// PATH for everything that runs in a lab: our own tools before the system's, our scripts behind them, for some of
    /// those have the names of the system's (`install`, `test`).
    package static let searchPath: String = {
        let system = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        let tools = directories.filter { !$0.hasSuffix("/scripts") }
        let scripts = directories.filter { $0.hasSuffix("/scripts") }
        return (tools + [system, "/usr/sbin", "/sbin"] + scripts).joined(separator: ":")
    }()

    /// The path of one of our tools or scripts.
    package static func path(of tool: String) throws -> String {
        if tool.contains("/") { return tool }
        for directory in directories where access("\(directory)/\(tool)", X_OK) == 0 { return "\(directory)/\(tool)" }
        throw LabError("\(tool): not found in \(directories.joined(separator: ", ")); build it, or set QURE_BIN")
    }

    /// The path of a program of the release build, for what those that are built for debugging are too slow for. An
    /// error says what to do where it is missing, or older than what is in `folders` of the source tree.
    package static func released(_ tool: String, builtFrom folders: [String]) throws -> String {
        guard let scripts = directories.first(where: { $0.hasSuffix("/scripts") }) else {
            throw LabError("\(tool): there is no source tree above \(executable)")
        }
        let root = parent(of: scripts)
        let path = "\(root)/build/bin/\(tool)"
        guard access(path, X_OK) == 0 else { throw LabError("\(path) is missing: make build") }
        let places = folders.map { "'\(root)/\($0)'" }.joined(separator: " ")
        let newer = shell("find \(places) -name '*.swift' -newer '\(path)'")
        guard newer.status == 0, newer.output.isEmpty else {
            throw LabError("\(path) is older than its sources: make build; they are \(newer.output)")
        }
        return path
    }

    /// PATH for programs that are to find those of the release build, which `path` is one of, before all others.
    package static func searchPath(besides path: String) -> String { "\(parent(of: path)):\(searchPath)" }

    /// Whether a program of the system is there.
    package static func isInstalled(_ program: String) -> Bool {
        searchPath.split(separator: ":").contains { access("\($0)/\(program)", X_OK) == 0 }
    }

    private static func scriptsDirectory(above directory: String) -> String? {
        var place = directory
        for _ in 0..<5 {
            if access("\(place)/scripts/qure-standby", X_OK) == 0 { return "\(place)/scripts" }
            place = parent(of: place)
        }
        return nil
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }
}
