// ControlRequest: what may be asked of a running qure-elect over its control socket, one line for each: the commands of
// the tool write it, its daemon reads it. Whoever may open the socket may send anything: what is no request is answered
// with an error, what is too long is hung up on.

/// One request.
package enum ControlRequest: Equatable, Sendable, CustomStringConvertible {
    /// For the records of the daemon's state.
    case status, metrics, members
    /// To be told of every event.
    case watch
    /// For something to be done.
    case resign, suspect
    case maintenance(Bool)

    /// All of them.
    package static let all: [ControlRequest] = [
        .status, .metrics, .members, .watch, .resign, .suspect, .maintenance(true), .maintenance(false),
    ]
    /// Octets that are waited for until a line ends; none is as long.
    package static let maximumLength = 256

    /// The request that a line is.
    package init?(_ line: String) {
        guard let request = Self.all.first(where: { $0.description == line }) else { return nil }
        self = request
    }

    /// The line, without its end.
    package var description: String {
        switch self {
        case .status: "status"
        case .metrics: "metrics"
        case .members: "members"
        case .watch: "watch"
        case .resign: "resign"
        case .suspect: "suspect"
        case .maintenance(let isOn): isOn ? "maintenance on" : "maintenance off"
        }
    }

    /// What a client has sent so far.
    package enum Reading: Equatable, Sendable {
        /// Its line has not ended yet.
        case unfinished
        case request(ControlRequest)
        /// The line is no request.
        case unknown(String)
        /// No request is that long.
        case tooLong
    }

    /// Reads the first line of what a client has sent.
    package static func read(_ bytes: [UInt8]) -> Reading {
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else {
            return bytes.count > maximumLength ? .tooLong : .unfinished
        }
        guard end <= maximumLength else { return .tooLong }
        let line = String(decoding: bytes[..<end], as: UTF8.self)
        return ControlRequest(line).map { .request($0) } ?? .unknown(line)
    }
}
