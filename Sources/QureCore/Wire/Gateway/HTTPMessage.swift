// HTTPMessage: as much of HTTP/1.1 (RFC 9112) as it takes to ask a device on the link for a document: requests that are
// written, responses that are read as they come. What a device sends is bounded, and so is what it may leave out.

/// The first lines of a response, up to the empty one.
package struct HTTPHead: Equatable, Sendable {
    /// 200 and so on.
    package var status: Int
    /// In their order; names in lower case.
    package var fields: [(name: String, value: String)]

    /// Octets and lines of a head that are taken.
    static let maximumLength = 16_384
    private static let maximumLines = 100

    /// The last value of a field, whose name is given in lower case.
    package subscript(name: String) -> String? { fields.last { $0.name == name }?.value }

    package static func == (one: HTTPHead, other: HTTPHead) -> Bool {
        one.status == other.status
            && one.fields.elementsEqual(other.fields) { $0.name == $1.name && $0.value == $1.value }
    }

    /// Reads the lines; the empty one at the end may be missing, as it is in some datagrams of SSDP.
    package init(_ octets: [UInt8]) throws(WireError) {
        guard octets.count <= Self.maximumLength else {
            throw WireError(.unexpected, field: "http.head", offset: Self.maximumLength)
        }
        let lines = octets.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard lines.count <= Self.maximumLines else { throw WireError(.unexpected, field: "http.head", offset: 0) }
        let texts = lines.map { line in
            String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
        }
        // HTTP/1.1 200 OK
        let words = texts[0].split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), words[1].utf8.count == 3,
            let status = decimal(words[1].utf8, atMost: 599), status >= 100
        else { throw WireError(.unexpected, field: "http.status", offset: 0) }
        self.status = status
        fields = []
        for text in texts.dropFirst() {
            if text.isEmpty { break }
            let parts = text.utf8.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
            // A line that is no field, or goes on with the one before, is passed over.
            guard parts.count == 2, let first = parts[0].first, first > 0x20 else { continue }
            let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
            let value = parts[1].drop(while: isBlank).reversed().drop(while: isBlank).reversed()
            let name = String(decoding: parts[0], as: UTF8.self).lowercased()
            fields.append((name, String(decoding: value, as: UTF8.self)))
        }
    }
}

/// A response with its body.
package struct HTTPResponse: Equatable, Sendable {
    /// 200 and so on.
    package var status: Int
    /// What came behind the head.
    package var body: [UInt8]
}

/// Requests.
package enum HTTPRequest {
    /// The octets of a request for `url`, after which the connection ends; with a body it is a POST.
    package static func octets(_ url: HTTPURL, fields: [(String, String)] = [], body: String? = nil) -> [UInt8] {
        var lines = [
            "\(body == nil ? "GET" : "POST") \(url.path) HTTP/1.1", "Host: \(url.host):\(url.port)",
            "User-Agent: Linux UPnP/1.1 qure", "Connection: close",
        ]
        lines += fields.map { "\($0): \($1)" }
        if let body { lines.append("Content-Length: \(body.utf8.count)") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? "")).utf8)
    }
}

/// Reads one response of a stream.
package struct HTTPResponseReader: Sendable {
    private enum Framing: Sendable { case length(Int), chunks, untilEnd }

    /// Octets of a body that are taken: descriptions of devices are some thousand long.
    static let maximumBody = 262_144
    /// Digits of a chunk's length, and octets of its line.
    private static let maximumChunkLine = 256

    private var held: [UInt8] = []
    private var framing: Framing?
    private var status = 0
    private var body: [UInt8] = []
    /// What is left of the present chunk, with the line end behind it; nil: its length is next.
    private var chunk: Int?

    /// A reader at the start of a response.
    package init() {}

    /// Takes what has come; the response once it is whole.
    package mutating func take(_ octets: some Collection<UInt8>) throws(WireError) -> HTTPResponse? {
        held += octets
        while framing == nil {
            guard let end = endOfHead else {
                guard held.count <= HTTPHead.maximumLength else {
                    throw WireError(.unexpected, field: "http.head", offset: held.count)
                }
                return nil
            }
            try begin(HTTPHead(Array(held[..<end])))
            held.removeFirst(end)
        }
        switch framing {
        case .length(let length): return try takeBody(upTo: length)
        case .chunks: return try takeChunks()
        case .untilEnd, nil:
            _ = try takeBody(upTo: .max)
            return nil
        }
    }

    /// The stream has ended: the response, if it may end there.
    package func end() throws(WireError) -> HTTPResponse {
        guard case .untilEnd = framing else { throw WireError(.truncated, field: "http.body", offset: body.count) }
        return HTTPResponse(status: status, body: body)
    }

    /// Behind the first empty line.
    private var endOfHead: Int? {
        var start = 0
        for (index, octet) in held.enumerated() where octet == UInt8(ascii: "\n") {
            let line = held[start..<index]
            if index > 0, line.isEmpty || line.elementsEqual([UInt8(ascii: "\r")]) { return index + 1 }
            start = index + 1
        }
        return nil
    }

    private mutating func begin(_ head: HTTPHead) throws(WireError) {
        // Interim responses are followed by the real one.
        if head.status < 200 { return }
        status = head.status
        let codings = head.fields.filter { $0.name == "transfer-encoding" }
        if !codings.isEmpty {
            guard codings.count == 1, codings[0].value.lowercased() == "chunked" else {
                throw WireError(.unexpected, field: "http.transferEncoding", offset: 0)
            }
            framing = .chunks
            return
        }
        let lengths = Set(head.fields.filter { $0.name == "content-length" }.map(\.value))
        guard let text = lengths.first else {
            framing = .untilEnd
            return
        }
        guard lengths.count == 1, let length = decimal(text[...].utf8, atMost: Self.maximumBody) else {
            throw WireError(.unexpected, field: "http.contentLength", offset: 0)
        }
        framing = .length(length)
    }

    private mutating func takeBody(upTo length: Int) throws(WireError) -> HTTPResponse? {
        let part = held.prefix(length - body.count)
        try append(part)
        held = []
        return body.count == length ? HTTPResponse(status: status, body: body) : nil
    }

    private mutating func append(_ part: some Collection<UInt8>) throws(WireError) {
        guard part.count <= Self.maximumBody - body.count else {
            throw WireError(.unexpected, field: "http.body", offset: body.count)
        }
        body += part
    }

    private mutating func takeChunks() throws(WireError) -> HTTPResponse? {
        var rest = held[...]
        defer { held = Array(rest) }
        while true {
            if let left = chunk {
                // Its data, then a line end that is not looked at.
                try append(rest.prefix(max(0, left - 2)))
                let taken = min(left, rest.count)
                rest = rest.dropFirst(taken)
                chunk = left == taken ? nil : left - taken
                if left > taken { return nil }
            }
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
                guard rest.count <= Self.maximumChunkLine else {
                    throw WireError(.unexpected, field: "http.chunk", offset: body.count)
                }
                return nil
            }
            let digits = rest[..<end].prefix { $0.hexValue != nil }
            guard (1...6).contains(digits.count) else {
                throw WireError(.unexpected, field: "http.chunk", offset: body.count)
            }
            let length = digits.reduce(0) { $0 << 4 | Int($1.hexValue ?? 0) }
            rest = rest[(end + 1)...]
            // What follows the last chunk says nothing about the body.
            if length == 0 { return HTTPResponse(status: status, body: body) }
            chunk = length + 2
        }
    }
}
