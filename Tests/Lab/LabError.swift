// LabError: why a lab cannot be built or a step of it failed, as one sentence that names the missing thing.

/// Why the lab could not do what it was told.
package struct LabError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What failed and why.
    package let description: String

    /// An error with a sentence of its own.
    package init(_ description: String) { self.description = description }
}
