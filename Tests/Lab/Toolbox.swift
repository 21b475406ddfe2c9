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
