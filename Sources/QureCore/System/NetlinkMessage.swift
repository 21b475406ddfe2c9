// Netlink messages as bytes, both ways, for routing (Netlink, NetlinkMonitor) and for nf_tables (Fence).
// Requests are put together by libnl (nlmsg_*, nla_*). Answers are taken apart here, in plain bounds-checked Swift:
// the objects of libnl-route drop attributes they do not know (who put an address there) and the errno of a refusal.
// Integers are in the machine's own byte order unless a comment says otherwise; rtnetlink(7), netlink(7).

import CNetlink

/// A request under construction.
@safe struct NetlinkRequest: ~Copyable {
    private let message: OpaquePointer
    private let call: String
    private let object: String

    /// An empty request of this `type`; `fixed` is the family's own header. `call` and `object` name it in errors.
    init(
        _ type: Int, flags: Int32 = 0, fixed: some BitwiseCopyable, call: String, object: String = "",
        capacity: Int = 1024
    ) {
        guard let message = unsafe nlmsg_alloc_size(capacity) else { fatalError("out of memory") }
        unsafe self.message = unsafe message
        self.call = call
        self.object = object
        let flags = flags | NLM_F_REQUEST
        _ = unsafe nlmsg_put(message, 0, 0, Int32(type), 0, flags)
        var copy = fixed
        let size = MemoryLayout.size(ofValue: fixed)
        Self.fits(unsafe nlmsg_append(message, &copy, size, Int32(NLMSG_ALIGNTO)))
    }

    deinit { unsafe nlmsg_free(message) }

    /// Requests are made here with a capacity that their contents cannot exceed.
    private static func fits(_ result: Int32) { precondition(result >= 0, "netlink message too long") }

    /// Appends an attribute of raw bytes.
    func put(_ attribute: some BinaryInteger, bytes: [UInt8]) {
        Self.fits(unsafe nla_put(message, Int32(attribute), Int32(bytes.count), bytes))
    }

    /// Appends an integer in the machine's byte order.
    func put(_ attribute: some BinaryInteger, _ value: some FixedWidthInteger & BitwiseCopyable) {
        var copy = value
        Self.fits(unsafe nla_put(message, Int32(attribute), Int32(MemoryLayout.size(ofValue: value)), &copy))
    }

    /// Appends a structure as it lies in memory.
    func put(_ attribute: some BinaryInteger, structure: some BitwiseCopyable) {
        var copy = structure
        Self.fits(unsafe nla_put(message, Int32(attribute), Int32(MemoryLayout.size(ofValue: structure)), &copy))
    }

    /// Appends a text with its closing NUL.
    func put(_ attribute: some BinaryInteger, _ text: String) {
        Self.fits(unsafe nla_put_string(message, Int32(attribute), text))
    }

    /// Appends an attribute that contains those which `body` puts.
    func nest(_ attribute: some BinaryInteger, _ body: () -> Void) {
        guard let nest = unsafe nla_nest_start(message, Int32(attribute)) else {
            preconditionFailure("netlink message too long")
        }
        body()
        // Not nla_nest_end: it takes an empty nest away again, and an empty one can have a meaning.
        _ = unsafe nla_nest_end_keep_empty(message, nest)
    }

    /// The finished request with these flags added and this sequence number.
    func bytes(adding flags: Int32 = 0, sequence: UInt32 = 0) -> [UInt8] {
        guard let header = unsafe nlmsg_hdr(message) else { return [] }
        unsafe header.pointee.nlmsg_flags |= UInt16(flags)
        unsafe header.pointee.nlmsg_seq = sequence
        let length = Int(unsafe header.pointee.nlmsg_len)
        return unsafe [UInt8](UnsafeRawBufferPointer(start: header, count: length))
    }

    /// The error that this request ends in.
    func error(_ errno: Errno) -> SystemError { SystemError(call, object, errno: errno) }
}

/// A message as it came from the kernel.
struct NetlinkMessage {
    let type: Int
    let flags: Int32
    let sequence: UInt32
    /// What follows the general header.
    let payload: ArraySlice<UInt8>

    /// The messages of one datagram. What is cut off or malformed ends the list.
    static func messages(in datagram: [UInt8]) -> [NetlinkMessage] {
        var messages: [NetlinkMessage] = []
        var rest = datagram[...]
        while let header = rest.load(as: nlmsghdr.self) {
            let length = Int(header.nlmsg_len)
            guard length >= MemoryLayout<nlmsghdr>.size, length <= rest.count else { break }
            messages.append(
                NetlinkMessage(
                    type: Int(header.nlmsg_type), flags: Int32(header.nlmsg_flags), sequence: header.nlmsg_seq,
                    payload: rest.prefix(length).dropFirst(MemoryLayout<nlmsghdr>.size)))
            rest = rest.dropFirst(aligned(length))
        }
        return messages
    }

    /// The family's own header at the start of the payload, nil if the message is too short.
    func fixed<Header: BitwiseCopyable>(as type: Header.Type = Header.self) -> Header? { payload.load(as: type) }

    /// The attributes behind a header of that type.
    func attributes<Header: BitwiseCopyable>(after: Header.Type) -> NetlinkAttributes {
        NetlinkAttributes(payload.dropFirst(aligned(MemoryLayout<Header>.size)))
    }

    /// What an NLMSG_ERROR or NLMSG_DONE reports: nil for success.
    var failure: Errno? {
        guard let code = payload.load(as: Int32.self), code != 0 else { return nil }
        // Wrapping: the most negative number has no opposite.
        return Errno(rawValue: 0 &- code)
    }
}

/// A row of attributes.
struct NetlinkAttributes: Sequence, IteratorProtocol {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next attribute's type, without the two flag bits, and value; nil at the end or where it is malformed.
    mutating func next() -> (type: Int, value: ArraySlice<UInt8>)? {
        let size = MemoryLayout<nlattr>.size
        guard let header = rest.load(as: nlattr.self) else { return nil }
        let length = Int(header.nla_len)
        guard length >= size, length <= rest.count else { return nil }
        defer { rest = rest.dropFirst(aligned(length)) }
        return (Int(header.nla_type & 0x3fff), rest.prefix(length).dropFirst(size))
    }

    /// The value of the first attribute of this type.
    subscript(_ attribute: some BinaryInteger) -> ArraySlice<UInt8>? {
        first { $0.type == Int(attribute) }?.value
    }

    /// The value of the first attribute of this type as an integer or structure of the machine's layout.
    func load<Value: BitwiseCopyable>(_ attribute: some BinaryInteger, as type: Value.Type = Value.self) -> Value? {
        self[attribute]?.load(as: type)
    }

    /// The attributes inside the first attribute of this type.
    func nested(_ attribute: some BinaryInteger) -> NetlinkAttributes? { self[attribute].map(NetlinkAttributes.init) }

    /// The text of the first attribute of this type, up to its NUL.
    func text(_ attribute: some BinaryInteger) -> String? {
        self[attribute].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// The IPv4 or IPv6 address of the first attribute of this type.
    func address(_ attribute: some BinaryInteger) -> IPAddress? { self[attribute].flatMap { IPAddress(octets: $0) } }
}

/// Messages and attributes start at multiples of four bytes.
private func aligned(_ length: Int) -> Int { (length + 3) & ~3 }

extension ArraySlice<UInt8> {
    /// The value at the start of these bytes, nil if they are too few.
    func load<Value: BitwiseCopyable>(as type: Value.Type = Value.self) -> Value? {
        guard count >= MemoryLayout<Value>.size else { return nil }
        return unsafe withUnsafeBytes { unsafe $0.loadUnaligned(as: type) }
    }
}

extension IPAddress {
    /// AF_INET or AF_INET6, as netlink's headers have it.
    var family: UInt8 {
        switch self {
        case .v4: UInt8(AF_INET)
        case .v6: UInt8(AF_INET6)
        }
    }
}
