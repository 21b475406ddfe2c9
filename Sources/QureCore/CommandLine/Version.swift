// The version that every tool prints; the package has one for all of them.

/// The version of the toolkit.
package enum Version {
    /// As `--version` prints it.
    package static let text = "0.1.0"
}
