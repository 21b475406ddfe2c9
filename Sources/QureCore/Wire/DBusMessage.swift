// DBusMessage: what goes over the system's message bus, as the D-Bus specification ("Message Protocol") has it: a fixed
// header, an array of header fields, and a body whose types its signature names. As much of it as a client needs who
// listens to logind: values of the basic types in the body, everything in the header; containers are passed over.
// qure-elect's LoginWatch speaks by it. The bus checks what it forwards; nothing here relies on that.

/// A message of the bus.
package struct DBusMessage: Equatable, Sendable {
    /// What kind of message it is.
    package struct Kind: RawRepresentable, Equatable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let call = Kind(rawValue: 1)
        package static let reply = Kind(rawValue: 2)
        package static let error = Kind(rawValue: 3)
        package static let signal = Kind(rawValue: 4)
    }

    /// What kind of message it is.
    package var kind: Kind
    /// Flags of the header.
    package var flags: UInt8 = 0
    /// The sender's number of this message, never 0.
    package var serial: UInt32
    /// The object that is called, or that a signal comes from.
    package var path: String?
    /// The interface of the member.
    package var interface: String?
    /// The method or the signal.
    package var member: String?
    /// The name of an error.
    package var error: String?
    /// The serial of the call that this answers.
    package var replyTo: UInt32?
    /// Whom it is for.
    package var destination: String?
    /// Whom it is from: the bus itself fills that in, so it is true.
    package var sender: String?
    /// How many descriptors travel with it.
    package var descriptors: UInt32 = 0
    /// The body, as far as it consists of basic types.
    package var arguments: [DBusValue] = []

    /// Do not start a service for this call.
    package static let noAutoStart: UInt8 = 2
    /// The part of a message that tells its length.
    package static let prefixLength = 16
    /// The longest message that is read; nothing that is asked for here comes near it.
    package static let maximumLength = 65536

    /// A message with nothing in it.
    package init(_ kind: Kind, serial: UInt32) {
        self.kind = kind
        self.serial = serial
    }

    /// A call of a method.
    package init(
        call member: String, of interface: String, at path: String, on destination: String, serial: UInt32,
        _ arguments: [DBusValue] = []
    ) {
        self.init(.call, serial: serial)
        self.member = member
        self.interface = interface
        self.path = path
        self.destination = destination
        self.arguments = arguments
    }
}

// The header's fields.
extension DBusMessage {
    private enum Field {
        static let path: UInt8 = 1, interface: UInt8 = 2, member: UInt8 = 3, error: UInt8 = 4, replyTo: UInt8 = 5
        static let destination: UInt8 = 6, sender: UInt8 = 7, signature: UInt8 = 8, descriptors: UInt8 = 9
    }

    /// The length of the message that begins with these bytes; nil where they are too few to tell.
    package static func length(of bytes: ArraySlice<UInt8>) throws(WireError) -> Int? {
        guard bytes.count >= prefixLength else { return nil }
        var input = try DBusReader(Array(bytes.prefix(prefixLength)))
        try input.skip(3, field: "dbus.header")
        let body = try input.number(4, field: "dbus.body"), _ = try input.number(4, field: "dbus.serial")
        let fields = try input.number(4, field: "dbus.fields")
        let length = UInt64(prefixLength) + (fields + 7) & ~7 + body
        guard length <= maximumLength else { throw WireError(.unexpected, field: "dbus.length", offset: 4) }
        return Int(length)
    }

    /// Reads a whole message.
    package init(parsing bytes: [UInt8]) throws(WireError) {
        var input = try DBusReader(bytes)
        kind = Kind(rawValue: try input.byte(field: "dbus.type"))
        flags = try input.byte(field: "dbus.flags")
        try input.expect(1, field: "dbus.version")
        let bodyLength = try input.number(4, field: "dbus.body")
        serial = UInt32(try input.number(4, field: "dbus.serial"))
        guard kind.rawValue != 0, serial != 0 else { throw WireError(.unexpected, field: "dbus.serial", offset: 8) }
        var fields = try input.slice(Int(try input.number(4, field: "dbus.fields")), field: "dbus.fields")
        var signature = ""
        while fields.remaining > 0 {
            try fields.align(to: 8, field: "dbus.field")
            try read(&fields, &signature)
        }
        try input.align(to: 8, field: "dbus.body")
        var body = try input.slice(Int(bodyLength), field: "dbus.body")
        for letter in signature.utf8 {
            let type = DBusType(rawValue: letter)
            // Behind the first container nothing is of interest.
            guard type.isBasic else { return }
            arguments.append(try body.value(type, field: "dbus.argument"))
        }
    }

    /// One field of the header: a code, and a value of any type. Unknown ones are passed over, as the specification
    /// asks.
    private mutating func read(_ input: inout DBusReader, _ signature: inout String) throws(WireError) {
        let code = try input.byte(field: "dbus.field")
        let type = try input.text(.signature, field: "dbus.field")
        func text(_ expected: DBusType) throws(WireError) -> String {
            guard type.utf8.elementsEqual([expected.rawValue]) else { throw input.unexpected("dbus.field") }
            return try input.text(expected, field: "dbus.field")
        }
        func number() throws(WireError) -> UInt32 {
            guard type.utf8.elementsEqual([DBusType.uint32.rawValue]) else { throw input.unexpected("dbus.field") }
            return UInt32(try input.number(4, field: "dbus.field"))
        }
        switch code {
        case Field.path: path = try text(.objectPath)
        case Field.interface: interface = try text(.string)
        case Field.member: member = try text(.string)
        case Field.error: error = try text(.string)
        case Field.replyTo: replyTo = try number()
        case Field.destination: destination = try text(.string)
        case Field.sender: sender = try text(.string)
        case Field.signature: signature = try text(.signature)
        case Field.descriptors: descriptors = try number()
        default: try input.skip(type: type, field: "dbus.field")
        }
    }

    /// The whole message, in little-endian order.
    package var bytes: [UInt8] {
        var body = DBusWriter()
        for argument in arguments { body.write(argument) }
        var output = DBusWriter()
        output.write([UInt8(ascii: "l"), kind.rawValue, flags, 1])
        output.write(UInt64(body.bytes.count), size: 4)
        output.write(UInt64(serial), size: 4)
        output.write(0, size: 4)
        func field(_ code: UInt8, _ value: DBusValue?) {
            guard let value else { return }
            output.align(to: 8)
            output.write([code])
            output.write(.text(String(decoding: [value.type.rawValue], as: UTF8.self), .signature))
            output.write(value)
        }
        let signature = String(decoding: arguments.map(\.type.rawValue), as: UTF8.self)
        field(Field.path, path.map { .text($0, .objectPath) })
        field(Field.interface, interface.map { .string($0) })
        field(Field.member, member.map { .string($0) })
        field(Field.error, error.map { .string($0) })
        field(Field.replyTo, replyTo.map { .number(UInt64($0), .uint32) })
        field(Field.destination, destination.map { .string($0) })
        field(Field.sender, sender.map { .string($0) })
        field(Field.signature, arguments.isEmpty ? nil : .text(signature, .signature))
        field(Field.descriptors, descriptors == 0 ? nil : .number(UInt64(descriptors), .uint32))
        output.patch(UInt32(output.bytes.count - Self.prefixLength), at: 12)
        output.align(to: 8)
        return output.bytes + body.bytes
    }
}

extension DBusMessage: CustomStringConvertible {
    package var description: String {
        let what = error ?? [interface, member].compactMap { $0 }.joined(separator: ".")
        let names: [UInt8: String] = [1: "call", 2: "reply", 3: "error", 4: "signal"]
        return "\(names[kind.rawValue] ?? "message \(kind.rawValue)") \(what) from \(sender ?? "-") \(arguments)"
    }
}
