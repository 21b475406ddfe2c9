// MessageBus: a real message bus (dbus-daemon) of the lab's own, and a stand-in for logind on it that hands out delay
// inhibitors and sends the signals of a machine that shuts down or sleeps, when a test says so. The stand-in has no
// thread: it takes what has come whenever it is asked something.

import CLinux
import Glibc
package import QureCore

/// A message bus in a directory of its own.
package final class MessageBus {
    /// What DBUS_SYSTEM_BUS_ADDRESS must be.
    package var address: String { "unix:path=\(path)" }
    package let path: String
    private let directory: String
    private var daemon: LabProcess?

    /// Starts a bus at `directory`/bus; may be stopped and started again.
    package init(_ directory: String) throws {
        self.directory = directory
        path = directory + "/bus"
        try TextFile.makeDirectory(directory)
        let configuration = """
            <busconfig><type>system</type><listen>unix:path=\(path)</listen><auth>EXTERNAL</auth>
            <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
            <allow receive_sender="*"/></policy></busconfig>
            """
        try TextFile.replace(directory + "/bus.conf", with: Array(configuration.utf8))
        try start()
    }

    /// Starts it, and waits until it answers.
    package func start() throws {
        unlink(path)
        let daemon = try LabProcess([
            "dbus-daemon", "--config-file=\(directory)/bus.conf", "--nofork", "--nopidfile", "--nosyslog",
        ])
        self.daemon = daemon
        guard eventually({ (try? BusSocket([path])) != nil || !daemon.isRunning }), daemon.isRunning else {
            throw LabError("dbus-daemon does not start: \(daemon.errors)")
        }
    }

    /// Ends it; all connections break.
    package func stop() {
        daemon?.stop()
        daemon = nil
    }
}

/// A client of a bus that can be anybody: logind, or somebody who would like to be.
package final class BusClient {
    private var socket: BusSocket
    private var input: [UInt8] = []
    private var serial: UInt32 = 0
    private var replies: [UInt32: DBusMessage] = [:]
    /// The reading ends of the inhibitors that were given out.
    private var inhibitors: [FileDescriptorBox] = []
    /// The unique names of those who asked for one.
    package private(set) var inhibiting: [String] = []

    private final class FileDescriptorBox {
        let descriptor: FileDescriptor
        init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
    }

    /// Gets on the bus.
    package init(_ bus: MessageBus) throws {
        socket = try BusSocket([bus.path])
        let user = "\(geteuid())".utf8.map { "3" + String($0 - UInt8(ascii: "0")) }.joined()
        try say([0] + Array("AUTH EXTERNAL \(user)\r\n".utf8), awaiting: "OK")
        try say(Array("NEGOTIATE_UNIX_FD\r\n".utf8), awaiting: "AGREE_UNIX_FD")
        guard socket.send(Array("BEGIN\r\n".utf8)) else { throw LabError("the bus does not listen") }
        _ = try call("Hello")
    }

    private func say(_ bytes: [UInt8], awaiting word: String) throws {
        guard socket.send(bytes) else { throw LabError("the bus does not listen") }
        guard eventually({ input += socket.receive() ?? []; return input.last == UInt8(ascii: "\n") }),
            String(decoding: input, as: UTF8.self).hasPrefix(word)
        else { throw LabError("the bus does not say \(word)") }
        input = []
    }

    /// Calls a method of the bus itself and waits for its answer: by then all that was sent before has been passed on.
    package func call(_ member: String, _ arguments: [DBusValue] = []) throws -> DBusMessage {
        serial += 1
        // Answering others in between takes more of them.
        let serial = serial
        let call = DBusMessage(
            call: member, of: "org.freedesktop.DBus", at: "/org/freedesktop/DBus", on: "org.freedesktop.DBus",
            serial: serial, arguments)
        guard socket.send(call.bytes), eventually({ turn(); return replies[serial] != nil }),
            let reply = replies.removeValue(forKey: serial), reply.kind == .reply
        else { throw LabError("the bus does not answer \(member)") }
        return reply
    }

    /// From now on this client is logind.
    package func becomeLogind() throws {
        _ = try call("RequestName", [.string("org.freedesktop.login1"), .number(0, .uint32)])
    }

    /// Sends a signal as logind does, to all, or to one who has not asked for it.
    package func signal(_ member: String, _ value: Bool, to destination: String? = nil) throws {
        serial += 1
        var signal = DBusMessage(.signal, serial: serial)
        signal.path = "/org/freedesktop/login1"
        signal.interface = "org.freedesktop.login1.Manager"
        signal.member = member
        signal.destination = destination
        signal.arguments = [.boolean(value)]
        guard socket.send(signal.bytes) else { throw LabError("the bus does not listen") }
        _ = try call("GetId")
    }

    /// Sends bytes that may be anything.
    package func send(_ bytes: [UInt8]) -> Bool { socket.send(bytes) }

    /// How many inhibitors have been given out so far.
    package var granted: Int {
        turn()
        return inhibitors.count
    }

    /// How many of them are still open at the other end.
    package var held: Int {
        turn()
        return inhibitors.filter { box in
            var request = pollfd(fd: box.descriptor.number, events: 0, revents: 0)
            return poll(&request, 1, 0) == 0
        }.count
    }

    /// Takes what has come.
    private func turn() {
        while let bytes = socket.receive(), !bytes.isEmpty { input += bytes }
        while let length = try? DBusMessage.length(of: input[...]), length <= input.count {
            let message = try? DBusMessage(parsing: Array(input.prefix(length)))
            input.removeSubrange(..<length)
            guard let message else { continue }
            if let serial = message.replyTo { replies[serial] = message }
            if message.member == "Inhibit" { grant(message) }
        }
    }

    private func grant(_ call: DBusMessage) {
        guard call.arguments.count == 4, let pipe = try? Pipe() else { return }
        serial += 1
        var reply = DBusMessage(.reply, serial: serial)
        reply.replyTo = call.serial
        reply.destination = call.sender
        reply.descriptors = 1
        reply.arguments = [.number(0, .descriptor)]
        let bytes = reply.bytes
        guard qure_send_descriptor(socket.descriptor, bytes, bytes.count, pipe.writing.number) == bytes.count else {
            return
        }
        inhibiting.append(call.sender ?? "")
        inhibitors.append(FileDescriptorBox(pipe.takeReading()))
    }
}
