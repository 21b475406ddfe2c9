// Where keys come from: -k, -y, -l. As in nsupdate a key that cannot be had is said, and the update goes without: who
// takes unsigned updates takes them, who does not refuses them.

import QureCore

/// Reading keys.
enum KeyReading {
    /// A key, or what is wrong with it.
    struct Result {
        var key: TSIGKey?
        var complaints: [String] = []
        /// Why there is no key in a file; nil: there is.
        var problem: String?
    }

    /// The key that named makes for its own host (named.conf, session-keyfile).
    static let sessionFile = "/run/named/session.key"

    /// The key behind -y.
    static func argument(_ text: String) throws(UpdateScriptError) -> Result {
        var result = Result(key: try UpdateScript.key(argument: text))
        if result.key == nil { result.complaints.append("could not create key from -y: bad base64 encoding") }
        result.complaints.append("warning: others can see the key behind -y in the list of processes; use -k")
        return result
    }

    /// The key behind -k: a pair of files by the name of either or by what both have in common, or one file.
    static func file(_ name: String) -> Result {
        let base = baseName(name)
        var result = Result()
        var secretFile = "\(base).private"
        do {
            do {
                let secret = try TextFile.read(secretFile)
                result.key = try TSIGKeyFile.key(private: secret, record: TextFile.read("\(base).key"))
            } catch let error as SystemError where error.errno == .noEntry && error.object == secretFile {
                secretFile = name
                result.key = try TSIGKeyFile.key(TextFile.read(name))
            }
        } catch {
            let isMissing = (error as? SystemError)?.errno == .noEntry
            let problem = isMissing ? "file not found" : "\(error)"
            result.problem = problem
            result.complaints = ["could not read key from \(base).{private,key}: \(problem)"]
        }
        if result.key != nil, TextFile.isOpenToOthers(secretFile) {
            result.complaints.append("warning: others can read the key in \(secretFile); its mode should be 0600")
        }
        return result
    }

    /// What is left without the ends that dnssec-keygen gives its files.
    private static func baseName(_ name: String) -> String {
        for end in [".private", ".key", "."] where name.hasSuffix(end) && name.utf8.count > end.utf8.count {
            return String(name.dropLast(end.count))
        }
        return name
    }
}
